"""Graders that are not on this machine are said with everything else that is not, before anything is loaded or run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import toy_world
from command_line import call
from PIL import Image

from harness import registry
from harness.errors import DamagedWeights, WrongInput
from harness.run.evaluator import Evaluator, grading_notes
from harness.weights.absent import MissingWeights
from harness.weights.local import LocalWeights, absent_graders, some_grader
from suites.base import CannotGrade, Grade, Prompt
from suites.t2i_compbench.prompts import CATEGORIES

GENEVAL = (("geneval-grader", "geneval-grader-hf"),)


@pytest.fixture(autouse=True)
def _nothing_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    model, verifier = toy_world.MODELS["toy-ar"], toy_world.VERIFIERS["toy-judge"]
    monkeypatch.setitem(registry.MODELS, "toy-photo", replace(model, domain="photo"))  # type: ignore[arg-type]
    monkeypatch.setitem(registry.VERIFIERS, "toy-photo-judge", replace(verifier, domain="photo"))  # type: ignore[arg-type]


def folder_of(tmp_path: Path, suite: str) -> Path:
    samples = tmp_path / "made" / ("00000" if suite == "geneval" else "color") / "samples"
    samples.mkdir(parents=True)
    record = {"tag": "single_object", "include": [{"class": "bench", "count": 1}], "prompt": "a photo of a bench"}
    (samples.parent / "metadata.jsonl").write_text(json.dumps(record))
    Image.new("RGB", (64, 64), "red").save(samples / ("00000.png" if suite == "geneval" else "a green bench and a red car_000000.png"))
    return tmp_path / "made"


class Failing:
    """A suite whose evaluator fails before it has seen a picture."""

    card = None

    def __init__(self, error: Exception) -> None:
        self._error = error

    def prompts(self, domain: str) -> tuple[()]:
        return ()

    def grade(self, images: object, prompts: object, domain: str) -> list[Grade]:
        raise self._error


@pytest.mark.parametrize(
    ("error", "absent"), [(CannotGrade("no evaluator"), False), (MissingWeights("its weights are not here"), True)]
)
def test_only_what_is_not_there_leaves_a_run_without_grades(error: Exception, absent: bool) -> None:
    evaluator = Evaluator({}, Failing(error), "photo")
    assert evaluator.cannot_grade == str(error)
    assert evaluator.notes == [f"not graded: {error}"]
    [found] = evaluator.measure(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), [Prompt("0", "a cat", "")], [{}])
    assert found.metrics["grade"][1] == str(error)
    assert found.ungraded == absent


@pytest.mark.parametrize("error", [DamagedWeights("cut short"), WrongInput("does not see what is there"), ValueError("of another shape")])
def test_a_grader_that_is_there_and_fails_is_no_missing_one(error: Exception) -> None:
    with pytest.raises(type(error), match=str(error)):
        Evaluator({}, Failing(error), "photo")


@pytest.mark.parametrize("command", ["run", "plan --unit seconds"])
def test_one_line_names_models_verifiers_and_graders(command: str, tmp_path: Path) -> None:
    """A plan of seconds has to measure them; other plans need no weights (test_outlines.py)."""
    options = ["--search", "random", "--budget", "13", "--out", tmp_path / "run"]
    name, *unit = command.split()
    options += unit
    result = call(name, "geneval", "--model", "infinity-2b", "--verifier", "clip-score", *options)
    assert result.exit_code == 2
    (line,) = (one for one in result.stderr.splitlines() if one.startswith("vistas:"))
    assert "clip-score and geneval-grader.clip: timm/vit_large_patch14_clip_224.openai is not on this machine" in line
    assert "geneval-grader.detector: mask2former_swin" in line
    fetch = "`vistas fetch infinity-2b clip-score geneval-grader` (geneval-grader: for the suite's own grades alone)"
    assert fetch in line


@pytest.mark.parametrize("suite", ["geneval", "t2i-compbench"])
def test_a_run_without_graders_says_so_before_it_begins(suite: str, tmp_path: Path) -> None:
    for name in CATEGORIES:
        (tmp_path / f"{name}_val.txt").write_text("a green bench and a red car\n")
    prompts = ["--prompts-from", tmp_path] if suite == "t2i-compbench" else []
    options = ["--model", "toy-photo", "--verifier", "toy-photo-judge", "--search", "random", "--budget", "3", "--set", "metrics=[]"]
    result = call("plan", suite, *options, *prompts)
    assert result.exit_code == 0, result.output
    first = "geneval-grader.clip" if suite == "geneval" else "t2i-blip-vqa and t2i-3-in-1-owlv2.vqa"
    assert f"not graded: {first}: " in result.output


@pytest.mark.parametrize("suite", ["geneval", "t2i-compbench"])
def test_photographs_without_graders_are_one_line_at_once(suite: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is asked of the hub for it."""
    asked: list[object] = []
    monkeypatch.setattr("suites.sources.rows", lambda *named: asked.append(named))
    folder = folder_of(tmp_path, suite)
    result = call("score", folder, "--suite", suite)
    assert result.exit_code == 2
    assert "name a verifier with --verifier" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    result = call("score", folder, "--suite", suite, "--verifier", "clip-score", "--verifier", "hps-v2.1")
    assert result.exit_code == 2
    assert "hps-v2.1: xswu/HPSv2 is not on this machine" in result.stderr
    assert ("geneval-grader.detector: " if suite == "geneval" else "t2i-spatial-3d-owlv2.depth: ") in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert asked == []


def test_a_folder_is_looked_at_before_weights_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "no folder with a number for a name" in call("score", tmp_path / "empty").stderr
    assert "no images named PROMPT_000000.png" in call("score", tmp_path / "empty", "--suite", "t2i-compbench").stderr


def test_without_graders_verifiers_score_and_it_is_said_first(tmp_path: Path) -> None:
    result = call("score", folder_of(tmp_path, "geneval"), "--verifier", "toy-photo-judge")
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith("not graded: geneval-grader.clip: ")
    assert "toy-judge single_object: " in result.stdout
    assert "grade" not in [line.split(" ")[0] for line in result.stdout.splitlines()]


def test_what_only_guides_scores_no_folder(tmp_path: Path) -> None:
    result = call("score", folder_of(tmp_path, "geneval"), "--verifier", "likelihood")
    assert result.exit_code == 2
    assert "verifier likelihood cannot be read off a picture" in result.stderr


def test_of_a_group_the_first_is_missed_only_where_none_is_here(tmp_path: Path) -> None:
    every = absent_graders((*GENEVAL, ("t2i-blip-vqa",)), LocalWeights())
    assert [one.key for one in every] == ["geneval-grader.clip", "geneval-grader.detector", "t2i-blip-vqa"]
    other = tmp_path / "hf"
    other.mkdir()
    for name in ("config.json", "model.safetensors", "open_clip_config.json", "open_clip_model.safetensors"):
        (other / name).write_bytes(b"{}" if name.endswith(".json") else b"\x02\0\0\0\0\0\0\0{}")
    local = LocalWeights.parse([f"geneval-grader-hf={other}"])
    assert some_grader(GENEVAL, local)
    assert absent_graders(GENEVAL, local) == []
    assert not some_grader(GENEVAL, LocalWeights())
    (wrong := tmp_path / "wrong").mkdir()
    with pytest.raises(MissingWeights, match=r"wrong is no copy of .* it lacks "):
        absent_graders(GENEVAL, LocalWeights.parse([f"geneval-grader={wrong}"]))


def test_graders_of_some_prompts_are_said_where_others_are_here() -> None:
    absent = absent_graders((("t2i-blip-vqa",),), LocalWeights())
    assert grading_notes("", []) == []
    (note,) = grading_notes("", absent)
    assert note.startswith("not graded by t2i-blip-vqa: Salesforce/blip-vqa-capfilt-large is not on this machine")
    assert grading_notes("nothing to look with", absent) == ["not graded: nothing to look with"]
