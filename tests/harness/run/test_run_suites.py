"""Runs on suites other than GenEval: files of prompts, embedded versions, and what is said about their prompts."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from command_line import call

pytestmark = pytest.mark.usefixtures("toys")

TOYS = ["--model", "toy-ar", "--search", "random", "--verifier", "toy-judge", "--budget", "3", "--set", "metrics=[]"]


@pytest.mark.usefixtures("unpainted")
def test_a_file_of_prompts_runs_with_its_bad_lines_unscored_and_is_escaped_in_the_page(tmp_path: Path) -> None:
    file = tmp_path / "My <prompts>.csv"
    hostile = "<script>alert(1)</script> ../../etc/passwd"
    rows = ["prompt,category", "a red circle,plain", ",plain", f"{hostile},odd", f"{'x' * 10000},odd", "a\x00b,odd", "עיגול אדום,odd"]
    file.write_text("\n".join(rows), encoding="utf-8")
    result = call("run", "--suite-file", str(file), *TOYS, "--out", str(tmp_path / "run"))
    assert result.exit_code == 0, result.output
    said = result.stderr
    for number, reason in ((3, "prompt is empty"), (5, "prompt has 10000 characters"), (6, "prompt holds control character U+0000")):
        assert f"not scored: {file.name} line {number}: {reason}" in said
    assert f"HTML, what looks like a path in {file.name} line 4: run as it stands" in said
    assert f"right-to-left text in {file.name} line 7: run as it stands" in said
    selections = pd.read_parquet(tmp_path / "run/selections.parquet")
    assert set(selections["suite"]) == {"file-my-prompts@shapes"}
    assert selections["prompt"].tolist() == ["a red circle", hostile, "עיגול אדום"]
    scores = pd.read_parquet(tmp_path / "run/scores.parquet")
    lost = scores[scores["prompt_id"].str.startswith("faulty-")]
    assert list(zip(lost["prompt_id"], lost["task"], lost["metric"], strict=True)) == [
        (f"faulty-{number:05d}", task, metric)
        for number, task in ((1, "plain"), (3, "odd"), (4, "odd")) for metric in ("toy-judge", "grade")
    ]  # fmt: skip
    assert lost["value"].isna().all()
    assert lost["reason"].str.startswith(f"{file.name} line ").all()
    assert scores[scores["metric"] == "toy-judge"]["value"].notna().sum() == 3
    page = (tmp_path / "run/report/index.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    names = [path.name for path in (tmp_path / "run").rglob("*")]
    assert not any("script" in name or "passwd" in name for name in names)
    manifest = json.loads((tmp_path / "run/manifest.json").read_text(encoding="utf-8"))
    assert manifest["suite"]["prompts_run"] == 3
    assert len(manifest["suite"]["settings"]["prompts_sha256"]) == 64


@pytest.mark.usefixtures("unreported")
def test_other_contents_under_one_name_are_another_run(tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("a red circle\n")
    assert call("run", "--suite-file", str(file), *TOYS, "--out", str(tmp_path / "run")).exit_code == 0
    file.write_text("a blue circle\n")
    again = call("run", "--suite-file", str(file), *TOYS, "--out", str(tmp_path / "run"))
    assert again.exit_code == 2
    assert "holds a different run: suite.settings.prompts_sha256" in again.stderr


@pytest.mark.usefixtures("without_figures")
@pytest.mark.parametrize("suite", ["drawbench", "t2i-compbench"])
def test_embedded_versions_are_run_and_graded(suite: str, tmp_path: Path) -> None:
    result = call("run", suite, *TOYS, "--prompts", "12", "--out", str(tmp_path / "run"))
    assert result.exit_code == 0, result.output
    scores = pd.read_parquet(tmp_path / "run/scores.parquet")
    assert set(scores["suite"]) == {f"{suite}@shapes"}
    grades = scores[scores["metric"] == "grade"]
    assert len(grades) == 12
    assert grades["value"].isin([0.0, 1.0]).all()
    assert (tmp_path / "run/report/index.html").is_file()


@pytest.mark.usefixtures("unreported")
def test_the_embedded_pair_runs_drawbench(tmp_path: Path) -> None:
    result = call("run", "drawbench", "--search", "random", "--verifier", "shapes-clip", "--budget", "10", "--prompts", "6",
                  "--set", "metrics=[]", "--out", str(tmp_path / "run"))  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "cut off: 30 of 180 prompts (descriptions) are longer than the 5 words" in result.stderr
    scores = pd.read_parquet(tmp_path / "run/scores.parquet")
    grades = scores[(scores["metric"] == "grade") & (scores["task"] == "colors")]
    assert set(grades["model"]) == {"shapes-infinity", "shapes-flux"}
    assert grades["value"].max() == 1.0


def test_the_number_of_images_a_prompt_is_said_where_it_is_not_the_published_one(tmp_path: Path) -> None:
    short = call("plan", "geneval", *TOYS, "--prompts", "2")
    assert "geneval is published with 4 images a prompt" in short.stdout
    seeds = ("--seed", "0,1,2,3")
    assert f"the published number takes {' '.join(seeds)}\n" in short.stdout
    assert "is published with" not in call("plan", "geneval", *TOYS, "--prompts", "2", *seeds).stdout
    (tmp_path / "p.txt").write_text("a red circle\n")
    own = call("plan", "--suite-file", str(tmp_path / "p.txt"), *TOYS, "--seed", "0", "--seed", "1")
    assert own.exit_code == 0, own.output
    assert "published" not in own.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["geneval", "--prompts-from", "x.csv"], "suite geneval makes its own prompts: leave out --prompts-from x.csv"),
        (
            ["geneval", "--suite-file", "x.csv"],
            "x.csv is a suite of its own: leave out the suite's name 'geneval', as in: vistas run --suite-file x.csv",
        ),
        (["geneval", "--suite-file", "nowhere.csv"], "--suite-file nowhere.csv is not there: give a file of prompts"),
        (["--suite-file", "nowhere.csv"], "--suite-file nowhere.csv is not there"),
        (["--suite-file", "."], "--suite-file . is a folder"),
        (["--suite-file", "prompts.pdf"], "prompts.pdf is none of .csv, .tsv"),
        (["file"], "suite file has no file: write --suite-file PATH in place of its name"),
        (["parti"], "parti has no prompts in the shapes vocabulary"),
    ],
)
def test_wrong_sources_are_one_line(
    arguments: list[str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("x.csv", "prompts.pdf"):
        (tmp_path / name).write_text("prompt\na red circle\n")
    result = call("run", *arguments, *TOYS)
    assert result.exit_code == 2, result.output
    assert expected in result.stderr
    assert len([line for line in result.stderr.splitlines() if not line.startswith("loading ")]) == 1


@pytest.mark.usefixtures("without_figures")
def test_no_more_prompts_are_advised_than_there_are(tmp_path: Path) -> None:
    file = tmp_path / "p.txt"
    file.write_text("a red circle\na blue star\n")
    result = call("run", "--suite-file", str(file), *TOYS, "--out", str(tmp_path / "run"))
    assert result.exit_code == 0, result.output
    few = "2 prompts: too few for intervals, so no difference can be told from chance; "
    assert f"{few}that takes 4, and the suite has 2\n" in result.stderr
    page = (tmp_path / "run/report/report.md").read_text(encoding="utf-8")
    assert "The suite has 2 prompts and intervals take 4." in page
    assert "--prompts 4" not in page
    file.write_text("".join(f"a red circle {n}\n" for n in range(4)))
    assert f"{few}give at least --prompts 4 (make: PROMPTS=4)\n" in call("plan", "--suite-file", str(file), *TOYS, "--prompts", "2").stdout
    advised = call("plan", "geneval", *TOYS, "--prompts", "4").stdout  # of four tasks, and a larger sample is of six
    assert "give at least --prompts 15 (make: PROMPTS=15)" in advised


def test_a_task_of_one_prompt_is_said_to_leave_no_interval(tmp_path: Path) -> None:
    file = tmp_path / "p.csv"
    lines = ["prompt,category", *(f"a red circle {n},plain" for n in range(9)), "a blue star,odd"]
    file.write_text("\n".join(lines))
    said = "one prompt of odd: too few for intervals, which take two of every task, so no difference can be told from chance; add one, or"
    assert said in call("plan", "--suite-file", str(file), *TOYS).stdout
    file.write_text("\n".join([*lines, "two blue stars,odd"]))
    assert "too few for intervals" not in call("plan", "--suite-file", str(file), *TOYS).stdout


def test_more_prompts_than_a_file_has_sound_ones_names_the_broken_line(tmp_path: Path) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_text('{"prompt": "a red circle"}\n{"prompt": \n', encoding="utf-8")
    result = call("run", "--suite-file", str(file), *TOYS, "--prompts", "3", "--out", str(tmp_path / "run"))
    assert result.exit_code == 2
    assert "give a number from 1 to 1, or all; 1 more cannot be run, the first is bad.jsonl line 2: line is no JSON" in result.stderr


def test_the_suite_of_a_file_may_be_named_beside_it(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("a red star\n")
    result = call("plan", "file", "--suite-file", str(tmp_path / "p.txt"), *TOYS)
    assert result.exit_code == 0, result.output
    assert "file-p@shapes" in result.stdout


def test_words_that_embedded_models_do_not_know_are_said_and_prompts_without_a_known_one_refused(tmp_path: Path) -> None:
    file = tmp_path / "p.txt"
    file.write_text("a cat on a red sofa in the house and a garden\nan astronaut in green\na red star\n")
    embedded = ["--suite-file", str(file), "--model", "shapes-infinity", "--search", "random", "--budget", "5", "--set", "metrics=[]"]
    said = call("plan", *embedded).stdout
    words = "'cat', 'on', 'sofa', 'in', 'the', 'house' and 2 more"
    assert f"unknown words: 2 of 3 prompts have words that the embedded models do not know: {words}\n" in said
    assert "cut off: 1 of 3 prompts are longer than the 5 words" in said
    assert "unknown words" not in call("plan", "--suite-file", str(file), *TOYS).stdout, "toys read anything"
    assert "unknown words" not in call("plan", "geneval", *embedded[2:], "--prompts", "6").stdout
    for prompts, lost in (("an astronaut\na horse\n", "the 2 prompts ('astronaut', 'horse')"),
                          ("an astronaut\na red star\n", "1 of 2 prompts ('an astronaut')")):  # fmt: skip
        file.write_text(prompts)
        result = call("run", *embedded, "--out", str(tmp_path / "run"))
        assert result.exit_code == 2
        assert result.stderr.startswith(f"vistas: the embedded models know no word of {lost}: "), "before loading"
        assert not (tmp_path / "run").exists()
