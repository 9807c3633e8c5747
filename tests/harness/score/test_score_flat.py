"""Flat folders: pictures of any names are scored by the list beside them, a suite's prompts as a run grades them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from command_line import call
from PIL import Image
from toy_scores import RUN, score

pytestmark = pytest.mark.usefixtures("toys", "unreported")


def flat_folder(folder: Path, rows: list[str], header: str = "file,prompt,task") -> Path:
    """Pictures a.png to d.png beside a list of them."""
    folder.mkdir()
    for n, name in enumerate("abcd"):
        Image.new("RGB", (48, 48), (60 * n, 0, 0)).save(folder / f"{name}.png")
    (folder / "prompts.csv").write_text("\n".join([header, *rows]) + "\n")
    return folder


def test_a_flat_folder_is_scored_by_its_list(tmp_path: Path) -> None:
    rows = ["a.png,a red circle,plain", 'b.png,"a cube, blue",comma', "c.png,a red circle,plain", "e.png,gone,", "../x.png,away,",
            "a.png,again,", "d.png,,"]  # fmt: skip
    table, said = score(flat_folder(tmp_path / "made", rows), "--verifier", "toy-judge")
    assert table["suite"].unique().tolist() == ["file-prompts@shapes"]
    found = table.set_index(["prompt", "sample"])["value"]
    assert found.notna().to_dict() == {
        ("a red circle", 0): True, ("a cube, blue", 0): True, ("a red circle", 1): True, ("gone", 0): False, ("away", 0): False,
        ("again", 0): False, ("", 0): False,
    }  # fmt: skip
    assert found["a red circle", 0] != found["a red circle", 1], "they are other pictures"
    assert table["task"].tolist()[:3] == ["plain", "comma", "plain"]
    folder = tmp_path / "made"
    for line, fault in ((5, f"{folder / 'e.png'} is missing"), (6, f"../x.png lies outside of {folder}"), (7, "a.png is listed twice"),
                        (8, "prompt is empty")):  # fmt: skip
        assert f"not scored: prompts.csv line {line}: {fault}" in said
    (folder / "f.webp").touch()
    shutil.copy(folder / "a.png", folder / "g.png")
    _, again = score(folder, "--verifier", "toy-judge")
    assert f"{folder / 'g.png'}: not named in prompts.csv, left out" in again
    assert f"{folder / 'f.webp'}: not named in prompts.csv, left out" in again


def test_what_a_flat_folder_lacks_is_said(tmp_path: Path) -> None:
    def said(folder: Path, *more: object) -> str:
        result = call("score", folder, "--domain", "shapes", *more)
        assert result.exit_code == 2, result.output
        return result.stderr

    judged = ("--verifier", "toy-judge")
    assert "name a verifier with --verifier" in said(flat_folder(tmp_path / "one", ["a.png,a red circle,"]))
    assert "names no picture: add a column file" in said(flat_folder(tmp_path / "two", ["a red circle"], "prompt"), *judged)
    assert "has no column of prompts (it has file, words)" in said(flat_folder(tmp_path / "three", ["a.png,x"], "file,words"), *judged)
    (tmp_path / "two/prompts.csv").unlink()
    assert "holds no prompts.csv, prompts.tsv, prompts.jsonl: write one" in said(tmp_path / "two", "--layout", "flat", *judged)


def test_a_suites_prompts_in_a_flat_folder_are_graded_as_a_run_does(tmp_path: Path) -> None:
    made = call("run", "geneval", *RUN, "--budget", "6", "--prompts", "12", "--seed", "0", "--seed", "1", "--out", tmp_path / "run")
    assert made.exit_code == 0, made.output
    exported = call("export", tmp_path / "run", "--layout", "flat", "--out", tmp_path / "out")
    assert "`vistas score FOLDER --suite geneval --domain shapes` scores it" in exported.stdout
    (folder,) = (tmp_path / "out").iterdir()
    table, _ = score(folder, "--suite", "geneval")
    key = ["prompt_id", "task", "sample"]
    run_scores = pd.read_parquet(tmp_path / "run/scores.parquet").query("metric == 'grade'").assign(sample=lambda rows: rows["seed"])
    both = run_scores.merge(table, on=key, how="outer", suffixes=("_run", "_folder"))
    assert len(both) == 24
    assert both["value_run"].equals(both["value_folder"])
