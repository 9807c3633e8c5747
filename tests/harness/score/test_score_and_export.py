"""Folders of images: run, export, score gives the run's own grades; whatever is wrong with a folder is named and the rest scored."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import call
from PIL import Image
from toy_scores import RUN, score

from harness import registry
from suites.geneval.suite import GenEvalSuite
from suites.shapes.renderer import render
from suites.shapes.scenes import sample_scene

pytestmark = pytest.mark.usefixtures("toys", "unreported")


@pytest.mark.parametrize(
    ("suite", "form"), [("geneval", "geneval"), ("geneval", "t2i-compbench"), ("drawbench", "geneval"), ("t2i-compbench", "t2i-compbench")]
)
def test_run_export_score_gives_the_same_grades(suite: str, form: str, tmp_path: Path) -> None:
    seeds = [part for seed in (0, 1) for part in ("--seed", seed)]
    result = call("run", suite, *RUN, "--budget", "3,6", "--prompts", "24", *seeds, "--out", tmp_path / "run")
    assert result.exit_code == 0, result.output
    exported = call("export", tmp_path / "run", "--layout", form, "--out", tmp_path / "out", "--budget", "6")
    assert exported.exit_code == 0, exported.output
    (folder,) = (tmp_path / "out").iterdir()
    assert folder.name == "toy-painter-random-toy-judge-6nfe"
    table, said = score(folder, "--suite", suite, "--layout", form, "--verifier", "toy-judge")
    run_scores = pd.read_parquet(tmp_path / "run/scores.parquet").query("budget == 6")
    texts = pd.read_parquet(tmp_path / "run/selections.parquet").drop_duplicates("prompt_id").set_index("prompt_id")["prompt"]
    run_scores = run_scores.assign(prompt=run_scores["prompt_id"].map(texts), sample=run_scores["seed"])
    key = ["metric", "task", "prompt", "sample"]
    both = run_scores.merge(table, on=key, how="outer", suffixes=("_run", "_folder"))
    assert len(both) == 2 * 24 * 2
    assert both["value_run"].equals(both["value_folder"])
    assert both["reason_run"].equals(both["reason_folder"])
    grades = table[table["metric"] == "grade"]["value"]
    assert 0 < grades.mean() < 1
    known = "the mean of 48 images" if suite == "drawbench" else "tasks, over 48 images"
    assert f"{known}\n" in said
    assert "not scored" not in said


def test_images_a_prompt_are_counted_whatever_their_numbers(tmp_path: Path) -> None:
    folder = geneval_folder(tmp_path / "made")
    for path in sorted(folder.glob("*/samples/*.png"), reverse=True):
        path.rename(path.with_name(f"{int(path.stem) + 1:04d}.png"))
    _, said = score(folder)
    assert "24 images of 6 prompts" in said
    assert "protocol" not in said


def test_official_results_that_only_say_right_or_wrong_hold_no_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GenEvalSuite, "card", replace(GenEvalSuite().card, scores={"shapes": {"counting": (0, 1)}}))
    table, said = score(geneval_folder(tmp_path / "made"))
    tags = [json.loads(line)["tag"] for line in (tmp_path / "made-scores/results.jsonl").read_text().splitlines()]
    assert sorted({*tags, "counting"}) == sorted(table["task"].unique())
    assert "counting" not in tags
    alone = int((table["task"] == "counting").sum())
    assert f"{alone} grades are in scores.parquet alone: they are scores, and results of the layout geneval only say" in said
    monkeypatch.setattr(GenEvalSuite, "card", replace(GenEvalSuite().card, scores={"shapes": dict.fromkeys(table["task"], (0, 1))}))
    score(geneval_folder(tmp_path / "scores"))
    assert not (tmp_path / "scores-scores/results.jsonl").exists(), "it would be empty"


def test_results_are_in_the_official_form(tmp_path: Path) -> None:
    folder = geneval_folder(tmp_path / "made", each=2)
    _, said = score(folder)
    rows = [json.loads(line) for line in (tmp_path / "made-scores/results.jsonl").read_text().splitlines()]
    assert len(rows) == 12
    assert list(rows[0]) == ["filename", "tag", "prompt", "correct", "reason", "metadata", "details"]
    frame = pd.DataFrame(rows)
    assert frame["correct"].dtype == bool
    # GenEval's own summary: the mean of the tasks' means.
    overall = frame.groupby("tag", sort=False)["correct"].mean().mean()
    assert f"grade overall: {overall:.4f}, the mean of 6 of 6 tasks, over 12 images\n" in said
    assert json.loads(rows[0]["metadata"])["tag"] == rows[0]["tag"]
    boxes = next(iter(json.loads(rows[0]["details"]).values()))
    assert len(boxes[0]) == 5
    assert "protocol: 4 images a prompt are published, 2 a prompt are here" in said


def geneval_folder(folder: Path, each: int = 4) -> Path:
    """True pictures of one prompt of every task, in GenEval's layout with its grid."""
    rng = np.random.default_rng(0)
    tasks: dict[str, int] = {}
    for prompt in GenEvalSuite().prompts("shapes"):
        if tasks.setdefault(prompt.task, int(prompt.id)) != int(prompt.id):
            continue
        inner = folder / prompt.id / "samples"
        inner.mkdir(parents=True)
        (folder / prompt.id / "metadata.jsonl").write_text(json.dumps(prompt.metadata) + "\n")
        images = render([sample_scene(rng, prompt.metadata) for _ in range(each)])
        for n, image in enumerate(images):
            Image.fromarray(image.permute(1, 2, 0).numpy()).save(inner / f"{n:04d}.png")
        shutil.copy(inner / "0000.png", folder / prompt.id / "grid.png")
    return folder


def spoil(folder: Path) -> dict[str, str]:
    """Break one thing in every prompt's folder; returns what must be said of each file."""
    one, two, three, four, five, six = sorted(folder.iterdir())
    (one / "samples/0002.png").write_bytes(b"")
    Image.open(one / "samples/0001.png").convert("L").save(one / "samples/0001.png")
    (two / "samples/0003.png").unlink()
    shutil.copy(three / "samples/0000.png", three / "samples/00001.png")
    record = json.loads((four / "metadata.jsonl").read_text())
    (four / "metadata.jsonl").write_text(json.dumps(record | {"prompt": "a photo of a star"}) + "\n")
    (five / "metadata.jsonl").write_text("{not json\n")
    (six / "metadata.jsonl").write_text(json.dumps(json.loads((six / "metadata.jsonl").read_text()) | {"prompt": " "}))
    (folder / "notes").mkdir()
    return {
        f"{one / 'samples/0002.png'}": "file is empty",
        f"{one / 'samples/0001.png'}": "picture is grey (mode L), not RGB",
        f"{two}": "sample 3 is missing (other prompts have 4)",
        f"{three / 'samples/00001.png'}": "sample 1 is doubled (00001.png, 0001.png)",
        f"{four / 'metadata.jsonl'} line 1": "metadata contradicts itself: prompt 'a photo of a star' ",
        f"{five / 'metadata.jsonl'} line 1": "no JSON",
        f"{six / 'metadata.jsonl'} line 1": "prompt is empty",
    }


def test_what_is_wrong_is_named_and_the_rest_is_scored(tmp_path: Path) -> None:
    folder = geneval_folder(tmp_path / "made")
    whole, _ = score(folder)
    assert whole["value"].tolist() == [1.0] * 24
    expected = spoil(folder)
    table, said = score(folder)
    for where, reason in expected.items():
        assert f"not scored: {where}: {reason}" in said
    lost = table[table["value"].isna()]
    assert (lost["reason"] != "").all()
    assert len(lost) == 2 + 1 + 2 + 4 + 4 + 4
    kept = table[table["value"].notna()]
    assert kept["value"].tolist() == [1.0] * (24 - 2 - 1 - 1 - 4 - 4 - 4)
    official = (tmp_path / "made-scores/results.jsonl").read_text().splitlines()
    assert len(official) == len(kept)


def test_t2i_compbench_folders_with_faults(tmp_path: Path) -> None:
    prompt = next(one for one in registry.entry("suite", "t2i-compbench").resolve()().prompts("shapes") if one.task == "color")
    samples = tmp_path / "made/color/samples"
    samples.mkdir(parents=True)
    rng = np.random.default_rng(0)
    image = Image.fromarray(render([sample_scene(rng, prompt.metadata)])[0].permute(1, 2, 0).numpy())
    for name in (f"{prompt.text}_000000", f"{prompt.text}_000001", "a red dog_000002", "a_b_000003", "x_000004", "y_000004"):
        image.save(samples / f"{name}.png")
    table, said = score(tmp_path / "made", "--suite", "t2i-compbench")
    values = dict(zip(table["image"].str.removeprefix("color/samples/"), table["value"], strict=True))
    assert values[f"{prompt.text}_000000.png"] == values[f"{prompt.text}_000001.png"] == 1.0
    assert all(math.isnan(values[name]) for name in ("a red dog_000002.png", "a_b_000003.png", "x_000004.png", "y_000004.png"))
    none = "'a red dog' is none of the suite's in the shapes world"
    for reason in (none, "prompt holds an underscore", "number 4 is doubled", "sample 1 is missing"):
        assert reason in said
    answers = json.loads((tmp_path / "made-scores/color/vqa_result.json").read_text())
    assert answers == [{"question_id": 0, "answer": "1.0"}, {"question_id": 1, "answer": "1.0"}]


def test_prompts_that_name_no_file_are_left_out_of_the_export_and_said(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("a red circle\n../../x\na_b\n" + "long " * 60 + "\n")
    run = ["run", "--suite-file", tmp_path / "p.txt", "--model", "toy-ar", *RUN[2:], "--budget", "3", "--out", tmp_path / "run"]
    assert call(*run).exit_code == 0
    result = call("export", tmp_path / "run", "--layout", "t2i-compbench", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "published" not in result.stdout
    assert "t2i-compbench's own evaluator cannot grade prompts of your own" in result.stdout
    for reason in ("it looks like a path", "it holds an underscore", "it is too long"):
        assert reason in result.stdout
    assert [path.name for path in (tmp_path / "out").rglob("*.png")] == ["a red circle_000000.png"]
    assert call("export", tmp_path / "run", "--out", tmp_path / "all").exit_code == 0
    assert len(list((tmp_path / "all").rglob("*.png"))) == 4


def test_wrong_folders_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    folder = geneval_folder(tmp_path / "made", each=1)
    for arguments, expected in (
        (["score", tmp_path / "nowhere"], "is no folder: give one with images"),
        (["score", tmp_path / "empty"], "no folder with a number for a name"),
        (["score", folder, "--domain", "shapes", "--suite", "t2i-compbench"], "no images named PROMPT_000000.png"),
        (["score", folder, "--domain", "photo", "--verifier", "toy-judge"], "verifier toy-judge judges shapes images, not photo"),
        (["score", folder, "--suite", "parti"], "parti has no evaluator of its own for photo images"),
        (["score", folder, "--suite", "genevall"], "did you mean geneval?"),
        (["export", tmp_path / "empty"], "is no run folder"),
    ):  # fmt: skip
        result = call(*arguments)
        assert result.exit_code == 2, (arguments, result.output)
        assert expected in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1


def test_a_sample_that_one_category_lacks_and_a_file_that_is_none_are_named(tmp_path: Path) -> None:
    prompts = registry.entry("suite", "t2i-compbench").resolve()().prompts("shapes")
    firsts = [next(one for one in prompts if one.task == task) for task in ("color", "shape")]
    for prompt in firsts:
        samples = tmp_path / "made" / prompt.task / "samples"
        samples.mkdir(parents=True)
        for n in (0, 1):
            Image.new("RGB", (48, 48)).save(samples / f"{prompt.text}_{n:06d}.png")
    first = tmp_path / f"made/color/samples/{firsts[0].text}_000000.png"
    first.rename(first.with_name("noprompt.png"))
    table, said = score(tmp_path / "made", "--suite", "t2i-compbench")
    assert f"not scored: {first}: sample 0 is missing (other prompts have 2)" in said
    assert f"{first.with_name('noprompt.png')}: not named PROMPT_000000.png, left out" in said
    assert "3 images of 2 prompts" in said
    assert "1 to 2 a prompt are here" in said
    assert "no images of spatial, numeracy, complex" in said
    there = table[table["image"] != ""].set_index("image")["sample"]
    assert there[f"color/samples/{firsts[0].text}_000001.png"] == 1
    assert table[table["value"].isna()]["sample"].tolist() == [0]


def test_a_figure_over_some_of_the_tasks_is_not_called_the_suites(tmp_path: Path) -> None:
    folder = geneval_folder(tmp_path / "made")
    one, two, three, four, *_ = sorted(folder.iterdir())
    (one / "metadata.jsonl").unlink()
    for place, change in ((two, {"tag": "colours"}), (three, {"prompt": "my own words"})):
        record = json.loads((place / "metadata.jsonl").read_text())
        (place / "metadata.jsonl").write_text(json.dumps(record | change) + "\n")
    shutil.copy(four / "samples/0000.png", four / "samples/first.png")
    _, said = score(folder)
    assert "grade overall" not in said
    lacking = "nothing is scored of single_object, two_object"
    assert f"grade over a part, not the suite's overall: 1.0000, the mean of 4 of 6 tasks, over 16 of 24 images; {lacking}" in said
    assert f"not scored: {one / 'metadata.jsonl'}: is missing" in said
    assert f"{four / 'samples/first.png'}: not named 00000.png, left out" in said
    assert "3 of the suite's 343 prompts are there" in said
    assert f"2 prompts not of the suite, by their text or what metadata.jsonl asks for: {two.name} " in said
    assert f"{three.name} 'my own words'" in said


def test_words_of_another_domain_are_said_with_the_option_that_fits() -> None:
    photo, shapes = (GenEvalSuite().prompts(domain)[0] for domain in ("photo", "shapes"))
    suite = GenEvalSuite()
    said = suite.check(photo, "shapes")
    assert said.endswith("is not in GenEval's vocabulary for shapes images: it is in that of photo images, --domain photo")
    assert suite.check(shapes, "photo").endswith("--domain shapes")


@pytest.mark.parametrize("suite", ["geneval", "t2i-compbench"])
def test_pictures_of_the_shapes_world_ask_for_no_weights_of_photographs(suite: str, tmp_path: Path) -> None:
    run = call("run", suite, *RUN, "--budget", "3", "--prompts", "6", "--out", tmp_path / "run")
    assert run.exit_code == 0, run.output
    exported = call("export", tmp_path / "run", "--layout", suite, "--out", tmp_path / "out")
    assert f"`vistas score FOLDER --suite {suite} --domain shapes` does" in exported.stdout
    (folder,) = (tmp_path / "out").iterdir()
    more = () if suite == "geneval" else ("--suite", suite)
    result = call("score", folder, *more)
    assert result.exit_code == 0, result.output
    assert f"\n{suite}@shapes: 6 images of 6 prompts\n" in f"\n{result.stdout}"
    assert call("score", folder, *more, "--domain", "photo").exit_code == 2


def test_a_folder_without_any_prompt_of_the_suite_is_refused_and_the_suite_to_try_is_named(tmp_path: Path) -> None:
    folder = geneval_folder(tmp_path / "made", each=1)
    result = call("score", folder, "--suite", "drawbench", "--layout", "geneval", "--domain", "shapes")
    assert result.exit_code == 2
    text = json.loads((min(folder.iterdir()) / "metadata.jsonl").read_text())["prompt"]
    assert f"none of the 6 prompts of {folder}, such as {text!r}, is of drawbench@shapes; 6 of them are of another" in result.stderr
    assert result.stderr.endswith(": give --suite geneval\n")
    assert not (tmp_path / "made-scores").exists()
    for number, one in enumerate(folder.iterdir()):
        record = json.loads((one / "metadata.jsonl").read_text())
        (one / "metadata.jsonl").write_text(json.dumps(record | {"prompt": f"my picture {number}"}))
    result = call("score", folder, "--domain", "shapes")
    assert result.exit_code == 2
    assert "give the --suite they are of or, for prompts of your own, --suite file --prompts-from FILE --verifier NAME" in result.stderr


def test_prompts_are_the_suites_in_capitals_or_not_with_a_full_stop_or_without(tmp_path: Path) -> None:
    prompts = registry.entry("suite", "t2i-compbench").resolve()().prompts("shapes")
    samples = tmp_path / "made/color/samples"
    samples.mkdir(parents=True)
    Image.new("RGB", (48, 48)).save(samples / f"{prompts[0].text.capitalize()}._000000.png")
    table, _ = score(tmp_path / "made", "--suite", "t2i-compbench", "--verifier", "toy-judge")
    assert table.query("metric == 'toy-judge'")["value"].notna().all()
    result = call("score", tmp_path / "made", "--suite", "t2i-compbench", "--out", tmp_path / "graded")
    assert "t2i-compbench@shapes: 1 image of 1 prompt\n" in result.output
    samples.parent.rename(tmp_path / "made/colors")
    result = call("score", tmp_path / "made", "--layout", "t2i-compbench", "--domain", "shapes")
    assert "is of geneval@shapes; 1 of them is of another: give --suite t2i-compbench\n" in result.stderr


def test_a_prompt_in_other_capitals_is_graded_and_counted_as_the_suites(tmp_path: Path) -> None:
    prompts = [one for one in registry.entry("suite", "t2i-compbench").resolve()().prompts("shapes") if one.task == "color"]
    samples = tmp_path / "made/renamed/samples"
    samples.mkdir(parents=True)
    rng = np.random.default_rng(0)
    spellings = ((prompts[0], str.capitalize), (prompts[0], lambda text: f"{text}."), (prompts[1], lambda text: text.replace(" ", "  ")))
    for number, (prompt, spelt) in enumerate(spellings):
        image = Image.fromarray(render([sample_scene(rng, prompt.metadata)])[0].permute(1, 2, 0).numpy())
        image.save(samples / f"{spelt(prompt.text)}_{number:06d}.png")
    table, said = score(samples.parent, "--suite", "t2i-compbench")  # the folder's name is no category's: its prompts tell
    assert table["prompt_id"].tolist() == [prompts[0].id, prompts[0].id, prompts[1].id, prompts[1].id]
    assert table["value"].tolist()[:3] == [1.0] * 3
    assert f"2 of the {len(prompts)} prompts of color are there, not {prompts[2].text!r}, " in said
    assert "sample 1 is missing (other prompts have 2)" in said


def test_a_record_whose_prompt_has_other_capitals_is_the_suites(tmp_path: Path) -> None:
    folder = geneval_folder(tmp_path / "made", each=1)
    for one in folder.iterdir():
        record = json.loads((one / "metadata.jsonl").read_text())
        (one / "metadata.jsonl").write_text(json.dumps(record | {"prompt": f" {record['prompt'].upper()}."}) + "\n")
    _, said = score(folder)
    assert "6 of the suite's 343 prompts are there" in said
    assert "not of the suite" not in said


def listed(folder: Path, *rows: str) -> Path:
    """Pictures of these prompts, and the list of them."""
    folder.mkdir()
    (folder / "prompts.csv").write_text("\n".join(["file,prompt", *(f"{n}.png,{text}" for n, text in enumerate(rows))]))
    for number in range(len(rows)):
        Image.effect_noise((48, 48), 60).convert("RGB").save(folder / f"{number}.png")
    return folder


def test_words_that_embedded_verifiers_do_not_know_are_said_and_refused_where_they_know_none(tmp_path: Path) -> None:
    judged = ("--verifier", "shapes-clip")  # which alone says what the pictures are
    some = call("score", listed(tmp_path / "some", "a red star", "a cat on a red sofa"), *judged)
    assert some.exit_code == 0, some.output
    assert "unknown words: 1 of 2 prompts have words that the embedded models do not know: 'cat', 'on', 'sofa'\n" in some.stdout
    assert "unknown" not in call("score", listed(tmp_path / "known", "a red star"), *judged).stdout
    assert call("score", listed(tmp_path / "one", "a red star", "an astronaut"), *judged).exit_code == 0
    none = call("score", listed(tmp_path / "none", "an astronaut riding a horse"), *judged)
    assert none.exit_code == 2
    assert "the embedded models know no word of the prompt ('astronaut', 'riding', 'horse')" in none.stderr


def test_a_folder_of_which_nothing_could_be_scored_is_no_success(tmp_path: Path) -> None:
    folder = listed(tmp_path / "made", "a red star", "a blue star")
    for path in folder.glob("*.png"):
        path.unlink()
    result = call("score", folder, "--verifier", "toy-judge")
    assert result.exit_code == 2
    assert "1.png is missing\n" in result.stderr
    assert result.stderr.endswith(f"no picture of {folder} could be scored: mend what is said of each, and give the same command again\n")
    assert pd.read_parquet(tmp_path / "made-scores/scores.parquet")["reason"].str.endswith("is missing").all()


def test_pictures_without_a_list_are_told_to_get_one(tmp_path: Path) -> None:
    folder = listed(tmp_path / "made", "a red star")
    (folder / "prompts.csv").unlink()
    said = call("score", folder, "--verifier", "shapes-clip").stderr
    assert "or list its pictures in a prompts.csv there, with columns file and prompt" in said


def test_an_export_says_whose_evaluator_cannot_grade_it(tmp_path: Path) -> None:
    run = call("run", "geneval", *RUN, "--budget", "3", "--prompts", "6", "--out", tmp_path / "run")
    assert run.exit_code == 0, run.output
    said = call("export", tmp_path / "run", "--layout", "t2i-compbench", "--out", tmp_path / "out").stdout
    command = "`vistas score FOLDER --suite geneval --layout t2i-compbench --domain shapes`"
    assert f"t2i-compbench's own evaluator cannot grade prompts of geneval@shapes: {command} does" in said


def test_an_image_that_is_damaged_in_its_middle_is_not_exported(tmp_path: Path) -> None:
    """Nothing is written then, and the run, given again, makes it anew as the message says."""
    asked = ("run", "geneval", *RUN, "--budget", "3", "--prompts", "6", "--out", tmp_path / "run")
    assert call(*asked).exit_code == 0
    kept = {path: path.read_bytes() for path in (tmp_path / "run" / str(name) for name in
            pd.read_parquet(tmp_path / "run/selections.parquet")["image"].unique())}  # fmt: skip
    path, content = next(iter(kept.items()))
    changed = bytearray(content)
    changed[len(changed) // 2] ^= 1
    path.write_bytes(changed)
    refused = call("export", tmp_path / "run", "--out", tmp_path / "out")
    assert refused.exit_code == 1
    assert f"{path.relative_to(tmp_path / 'run')} is missing or damaged, nothing is exported: delete it and give" in refused.stderr
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())
    path.unlink()
    assert "is missing or damaged" in call("export", tmp_path / "run", "--out", tmp_path / "out").stderr
    assert call(*asked).exit_code == 0
    assert path.read_bytes() == content
    assert call("export", tmp_path / "run", "--out", tmp_path / "out").exit_code == 0
    assert len(list((tmp_path / "out").glob("*/*/samples/*.png"))) == 6


def test_budgets_that_print_alike_have_folders_of_their_own(tmp_path: Path) -> None:
    run = ["run", "geneval", *RUN, "--unit", "flops", "--budget", "1600.0001,1600.0002", "--prompts", "6", "--out", tmp_path / "run"]
    assert call(*run).exit_code == 0
    assert call("export", tmp_path / "run", "--layout", "geneval", "--out", tmp_path / "out").exit_code == 0
    names = sorted(folder.name for folder in (tmp_path / "out").iterdir())
    assert names == [f"toy-painter-random-toy-judge-1600.000{n}flops" for n in (1, 2)]


def test_scores_of_another_command_are_not_lost(tmp_path: Path) -> None:
    folder = geneval_folder(tmp_path / "made", each=1)
    score(folder)
    before, _ = score(folder, "--verifier", "toy-judge")
    assert set(before["metric"]) == {"grade", "toy-judge"}, "more is no loss"
    again, _ = score(folder, "--verifier", "toy-judge")
    pd.testing.assert_frame_equal(before, again)
    without = call("score", folder, "--domain", "shapes")
    assert without.exit_code == 2
    assert f"{tmp_path / 'made-scores'} holds other scores (verifiers: toy-judge there, none here), which would" in without.stderr
    other = call("score", geneval_folder(tmp_path / "other", each=1), "--domain", "shapes", "--verifier", "toy-judge",
                 "--out", tmp_path / "made-scores")  # fmt: skip
    assert other.exit_code == 2
    assert f"(folder: {tmp_path / 'made'} there, {tmp_path / 'other'} here)" in other.stderr
    (tmp_path / "made-scores/asked.json").unlink()
    assert "holds other scores (asked.json is missing)" in call("score", folder, "--domain", "shapes").stderr
    pd.testing.assert_frame_equal(before, pd.read_parquet(tmp_path / "made-scores/scores.parquet"))


@pytest.mark.parametrize("form", ["geneval", "t2i-compbench"])
def test_a_folder_of_methods_is_said_to_be_one(form: str, tmp_path: Path) -> None:
    made = call("run", form, *RUN, "--budget", "3,6", "--prompts", "6", "--out", tmp_path / "run")
    assert made.exit_code == 0, made.output
    assert call("export", tmp_path / "run", "--layout", form).exit_code == 0
    exported = tmp_path / "run" / f"export-{form}"
    refused = call("score", exported, "--suite", form, "--domain", "shapes")
    assert refused.exit_code == 2
    method = "toy-painter-random-toy-judge"
    assert (f"{exported} holds folders of methods, as `vistas export` writes them: give one of them, such as {exported / method}-3nfe "
            f"(there are {method}-3nfe, {method}-6nfe)") in refused.stderr  # fmt: skip
    assert call("score", exported / f"{method}-6nfe", "--suite", form, "--domain", "shapes").exit_code == 0
