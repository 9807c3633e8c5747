"""Folders as people really have them: names and records that are no text, pictures of any form and size, prompts twice over."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toy_world
from command_line import call
from PIL import Image
from toy_scores import score

from harness import registry
from harness.run.evaluator import Evaluator
from harness.score import folder as scoring
from harness.score import scorer as scorer_module
from harness.score.scorer import Scorer
from suites.base import Prompt
from suites.geneval.suite import GenEvalSuite
from suites.layouts.base import Sample
from suites.pictures import read_picture
from suites.shapes.renderer import render
from suites.shapes.scenes import sample_scene
from verifiers.base import Verifier
from verifiers.load_embedded import shapes_aesthetic, shapes_clip, shapes_reward

pytestmark = pytest.mark.usefixtures("toys")

PROMPTS = GenEvalSuite().prompts("shapes")


def picture(prompt: Prompt) -> Image.Image:
    scene = sample_scene(np.random.default_rng(0), prompt.metadata)
    return Image.fromarray(render([scene])[0].permute(1, 2, 0).numpy())


def prompt_folder(root: Path, name: str, of: Prompt, **change: object) -> Path:
    inner = root / name / "samples"
    inner.mkdir(parents=True)
    picture(of).save(inner / "00000.png")
    (root / name / "metadata.jsonl").write_text(json.dumps(dict(of.metadata) | change) + "\n")
    return inner


def test_pictures_of_another_size_are_unscored_and_counted_apart(tmp_path: Path) -> None:
    """They would be called wrong, however right they are: the finder knows shapes by their size."""
    root = tmp_path / "made"
    of = [prompt for prompt in PROMPTS if prompt.task == "single_object"][:3]
    for n, prompt in enumerate(of):
        inner = prompt_folder(root, f"{n:05d}", prompt)
        if n:
            picture(prompt).resize((256, 256)).save(inner / "00000.png")
    table, said = score(root)
    assert table["value"].tolist() == pytest.approx([1.0, np.nan, np.nan], nan_ok=True)
    assert "grade single_object: 1.0000 over 1 image (2 not scored)" in said
    reason = "the shapes finder reads pictures of 48x48 pixels, this one has 256x256: give it at that size"
    assert table["reason"].tolist() == ["", reason, reason]
    assert f"not scored: {root / '00001/samples/00000.png'} and 1 more: {reason}\n" in said


def test_what_a_prompt_lacks_to_be_graded_is_said(tmp_path: Path) -> None:
    root = tmp_path / "made"
    prompt_folder(root, "00000", PROMPTS[0])
    prompt_folder(root, "00001", PROMPTS[0], prompt="my own", tag=None)
    _, said = score(root)
    assert "line 1: GenEval record 'my own' lacks tag: add one of single_object, two_object" in said
    flat = tmp_path / "flat"
    flat.mkdir()
    picture(PROMPTS[0]).save(flat / "a.png")
    picture(PROMPTS[0]).save(flat / "b.png")
    (flat / "prompts.csv").write_text(f"file,prompt,task\na.png,{PROMPTS[0].text},\nb.png,my own,position\n")
    _, said = score(flat, "--suite", "geneval")
    assert "not scored: prompts.csv line 3: prompt 'my own' is none of GenEval's for shapes images, and there is no record" in said
    assert "has tag None" not in said


def test_prompts_that_name_shapes_alone_hint_at_their_domain(tmp_path: Path) -> None:
    root = tmp_path / "made"
    prompt_folder(root, "00000", PROMPTS[0], prompt="two green circles beside")
    prompt_folder(root, "00001", PROMPTS[0], prompt="two green circles and a red star")
    prompt_folder(root, "00002", PROMPTS[0], prompt="a photo of one star left of two hearts")
    hint = "most prompts name shapes alone: if these are pictures of the shapes world, give --domain shapes\n"
    (root / "00000/metadata.jsonl").write_text('{"prompt": "two green circles", "tag": "counting"}')
    result = call("score", str(root))
    assert result.exit_code == 2
    assert result.stderr.startswith(hint + "vistas: geneval-grader.clip: ")
    for name in ("00000", "00001"):
        (root / name / "metadata.jsonl").write_text('{"prompt": "a star on a lawn", "tag": "counting"}')
    assert hint not in call("score", str(root)).stderr


def test_what_is_not_graded_is_said_once(tmp_path: Path) -> None:
    (root := tmp_path / "made").mkdir()
    picture(PROMPTS[0]).save(root / "a.png")
    (root / "prompts.csv").write_text(f"file,prompt\na.png,{PROMPTS[0].text}\n")
    result = call("score", str(root), "--domain", "shapes", "--verifier", "toy-judge")
    assert result.output.count("not graded: ") == 1


def test_text_that_is_no_utf8_spoils_nothing_else(tmp_path: Path) -> None:
    root = tmp_path / "made"
    prompt_folder(root, "00000", PROMPTS[0])
    prompt_folder(root, "00001", PROMPTS[1], prompt="\ud800", tag="\ud800")
    table, said = score(root)
    assert f"not scored: {root / '00001/metadata.jsonl'} line 1: prompt is not UTF-8" in said
    assert dict(zip(table["prompt"], table["value"].notna(), strict=True)) == {PROMPTS[0].text: True, "?": False}


def test_names_of_files_are_data(tmp_path: Path) -> None:
    prompt = next(one for one in registry.entry("suite", "t2i-compbench").resolve()().prompts("shapes") if one.task == "color")
    samples = tmp_path / "made/color/samples"
    samples.mkdir(parents=True)
    names = {
        f"{prompt.text}_000000.png".encode(): "", b"caf\xe9_000001.png": "prompt is not UTF-8",
        b"two\nlines_000002.png": "prompt holds control character U+000A", b"\x1b[2J_000003.png": "control character U+001B",
        "a\u202eb_000004.png".encode(): "control character U+202E", b"_000005.png": "prompt is empty",
    }  # fmt: skip
    for name in names:
        picture(prompt).save(tmp_path / "one.png")
        shutil.copy(tmp_path / "one.png", os.path.join(os.fsencode(samples), name))
    (samples / f"{prompt.text}_000006.webp").write_bytes(b"x")
    table, said = score(tmp_path / "made", "--suite", "t2i-compbench")
    for shown, reason in (("caf?", "not UTF-8"), ("two\\nlines", "U+000A"), ("\\x1b[2J", "U+001B"), ("a\\u202eb", "U+202E")):
        assert f"not scored: {samples}/{shown}_00000" in said
        assert reason in said
    assert all(line.isprintable() for line in said.splitlines())
    assert f"{samples}/{prompt.text}_000006.webp: not named PROMPT_000000.png, left out" in said
    assert table["value"].notna().sum() == 1
    assert len(table) == len(names)


def test_forms_and_sizes_that_no_evaluator_takes_are_named(tmp_path: Path) -> None:
    inner = prompt_folder(tmp_path / "made", "00000", PROMPTS[0])
    Image.new("RGB", (2, 300)).save(inner / "00001.png")
    (inner / "00002.webp").write_bytes(b"x")
    shutil.copy(inner / "00000.png", inner / f"{'9' * 20}.png")
    (inner / "00003.png").symlink_to("/dev/zero")
    table, said = score(tmp_path / "made")
    assert f"not scored: {inner / '00001.png'}: picture has 2 by 300 pixels, one side more than 100 times the other" in said
    for name in ("00002.webp", f"{'9' * 20}.png"):
        assert f"{inner / name}: not named 00000.png, left out" in said
    assert table["value"].notna().tolist() == [True, False, False]


def test_a_turned_photograph_is_graded_as_it_is_shown(tmp_path: Path) -> None:
    """GenEval's own evaluator reads the orientation too."""
    position = next(one for one in PROMPTS if one.task == "position")
    inner = prompt_folder(tmp_path / "made", "00000", position)
    orientation = Image.Exif()
    orientation[0x112] = 6  # to be shown a quarter turn clockwise
    picture(position).rotate(90, expand=True).save(inner / "00000.png", exif=orientation)
    assert score(tmp_path / "made")[0]["value"].tolist() == [1.0]


def test_missing_samples_of_a_prompt_are_one_line_and_prompts_twice_over_are_said(tmp_path: Path) -> None:
    root = tmp_path / "made"
    inner = prompt_folder(root, "00000", PROMPTS[0])
    for number in range(1, 4):
        shutil.copy(inner / "00000.png", inner / f"{number:05d}.png")
    prompt_folder(root, "00001", PROMPTS[1])
    prompt_folder(root, "00007", PROMPTS[0])
    table, said = score(root)
    assert f"not scored: {root / '00001'}: sample 1 is missing (other prompts have 4), as are 2 more of its samples" in said
    assert said.count("is missing") == 2
    assert table["value"].isna().sum() == 6
    assert f"2 of the suite's 343 prompts are there, not {PROMPTS[2].id}, {PROMPTS[3].id}, " in said
    assert f"1 prompt there more than once, and so weighing more: {PROMPTS[0].text!r} in 00000 and 00007" in said


def test_a_prompt_that_is_there_with_its_own_record_and_with_another_is_there(tmp_path: Path) -> None:
    prompt_folder(tmp_path / "made", "00000", PROMPTS[0])
    prompt_folder(tmp_path / "made", "00001", PROMPTS[0], include=[{"class": "moon", "count": 1}])
    _, said = score(tmp_path / "made")
    assert "1 of the suite's 343 prompts is there" in said
    assert "1 prompt not of the suite, by their text or what metadata.jsonl asks for: 00001 " in said


def test_a_prompt_that_is_read_in_part_says_so(tmp_path: Path) -> None:
    prompt_folder(tmp_path / "made", "00000", PROMPTS[0])
    prompt_folder(tmp_path / "made", "00001", PROMPTS[1], prompt="a red circle and " * 40 + "a star")
    table, _ = score(tmp_path / "made", "--verifier", "shapes-clip", "--verifier", "shapes-aesthetic")
    cut = table.pivot_table(index="prompt_id", columns="metric", values="text_truncated", aggfunc="max")
    assert cut["shapes-clip"].tolist() == [False, True]
    assert not cut["shapes-aesthetic"].any()
    assert not cut["grade"].any()


def samples(folder: Path, sides: list[tuple[int, int]]) -> list[Sample]:
    found = []
    for number, side in enumerate(sides):
        path = folder / f"{number}.png"
        Image.fromarray(np.random.default_rng(number).integers(0, 255, (*side, 3), dtype=np.uint8)).save(path)
        found.append(Sample(PROMPTS[0], number, path))
    return found


def scorer_of(verifiers: Mapping[str, Verifier] | None = None) -> Scorer:
    return Scorer(Evaluator(verifiers or {}, GenEvalSuite(), "shapes"))


def test_large_pictures_are_in_memory_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scorer_module, "MOST_PIXELS", 64 * 64 * 2)
    scorer = scorer_of()
    batches: list[int] = []
    monkeypatch.setattr(Scorer, "_batch", lambda self, batch: batches.append(len(batch)) or [])
    assert list(scorer.score(samples(tmp_path, [(64, 64)] * 3 + [(200, 100), (64, 64)]))) == []
    assert batches == [2, 1, 1, 1]
    batches.clear()
    list(scorer.score([replace(one, path=None, fault="is missing") for one in samples(tmp_path, [(4, 4)] * 70)]))
    assert batches == [32, 32, 6]


def test_a_long_scoring_says_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = prompt_folder(tmp_path / "made", "00000", PROMPTS[0])
    shutil.copy(inner / "00000.png", inner / "00001.png")
    said: list[str] = []
    scoring.score_folder(tmp_path / "made", "geneval", "shapes", say=said.append)
    assert said == []
    monkeypatch.setattr(scoring, "SECONDS", -1.0)
    scoring.score_folder(tmp_path / "made", "geneval", "shapes", say=said.append)
    assert said == ["1 of 2 samples", "2 of 2 samples"]


def test_batches_make_no_difference_and_order_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = samples(tmp_path, [(48, 48), (48, 80), (48, 48), (48, 48), (80, 48)])
    scorer = scorer_of({"shapes-reward": shapes_reward()})
    whole = list(scorer.score(found))
    monkeypatch.setattr(scorer_module, "BATCH", 1)
    alone = list(scorer.score(found))
    assert [one.sample.number for one in whole] == [one.sample.number for one in alone] == [0, 1, 2, 3, 4]
    for one, other in zip(whole, alone, strict=True):
        assert one.metrics["shapes-reward"][0] == pytest.approx(other.metrics["shapes-reward"][0], abs=1e-5)
        assert one.metrics["grade"] == (pytest.approx(other.metrics["grade"][0], nan_ok=True), other.metrics["grade"][1])


def test_where_memory_runs_out_some_pictures_are_judged_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = samples(tmp_path, [(48, 48)] * 5)
    whole = list(scorer_of({"toy-judge": toy_world.toy_judge()}).score(found))
    score, grade = toy_world.ToyVerifier.score, GenEvalSuite.grade
    asked: list[int] = []

    def limited(call: Any, most: int) -> Any:
        def some(self: Any, images: torch.Tensor, prompts: Sequence[Any], *more: Any) -> Any:
            if len(prompts) > most:
                raise torch.OutOfMemoryError(f"CUDA out of memory at {len(prompts)} images")
            asked.append(len(prompts))
            return call(self, images, prompts, *more)

        return some

    monkeypatch.setattr(toy_world.ToyVerifier, "score", limited(score, 2))
    monkeypatch.setattr(GenEvalSuite, "grade", limited(grade, 1))
    assert list(scorer_of({"toy-judge": toy_world.toy_judge()}).score(found)) == whole
    assert asked == [0, 2, 2, 1, 1, 1, 1, 1, 1]


def test_verifiers_on_one_backbone_share_its_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip, aesthetic = shapes_clip(), shapes_aesthetic()
    passes: list[int] = []
    tower = clip._backbone._image_tower
    monkeypatch.setattr(clip._backbone, "_image_tower", lambda batch: passes.append(len(batch)) or tower(batch))
    pictures = samples(tmp_path, [(48, 48)] * 3)
    both = list(scorer_of({"a": clip, "b": aesthetic}).score(pictures))
    assert passes == [3]
    assert torch.isfinite(torch.tensor([one.metrics[name][0] for one in both for name in ("shapes-clip", "shapes-aesthetic")])).all()
    images = torch.stack([read_picture(one.path).image for one in pictures])
    measured = Evaluator({"a": clip, "b": aesthetic}, GenEvalSuite(), "shapes").measure(images, [PROMPTS[0]] * 3, [{}] * 3)
    assert passes == [3, 3]
    assert [one.metrics for one in measured] == [one.metrics for one in both]
    assert [list(one.metrics) for one in measured] == [["shapes-clip", "shapes-aesthetic", "grade"]] * 3
