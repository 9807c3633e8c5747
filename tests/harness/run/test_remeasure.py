"""A run that takes another's pictures and measures them otherwise: its tables are those of a run that drew them itself."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import call
from rich.console import Console
from toy_runs import BASE, assert_equal, before_each, run, tables
from toy_world import VERIFIERS, ToyGenerator, ToyVerifier

from harness import registry
from harness.config import Settings
from harness.run.prepared import prepare_run
from harness.run.remeasure import remeasure
from harness.run.runner import finish_run
from harness.run.setbacks import UnitsFailed
from harness.weights.absent import MissingWeights
from models.blank import NO_NUMBERS, blank
from results.store import Store
from suites.geneval.suite import GenEvalSuite

pytestmark = pytest.mark.usefixtures("toys")
SMALL: dict[str, Any] = {**BASE, "models": ("toy-ar",), "searches": ("random", "beam"), "keep": 1}
MORE: dict[str, Any] = {**SMALL, "metrics": ("toy-other",)}


def taken(folder: Path, *reused: Path, **settings: Any) -> str:
    """Make a run of which nothing may be drawn; returns what it says."""
    said = Console(file=StringIO(), width=400)
    ready = prepare_run(Settings(**{**settings, "reuse": tuple(map(str, reused))}), folder)
    with before_each(lambda unit: pytest.fail(f"drawn again: {unit.title}")):
        finish_run(ready, said)
    return said.file.getvalue()


def without_grades(monkeypatch: pytest.MonkeyPatch, folder: Path, **settings: Any) -> None:
    def refuse(*_: object) -> None:
        raise MissingWeights("the weights of geneval-grader are not here")

    with monkeypatch.context() as patch:
        patch.setattr("suites.geneval.suite.GenEvalSuite.grade", refuse)
        run(folder, **settings)


def test_what_comes_later_measures_what_is_there(tmp_path: Path) -> None:
    alone, before = run(tmp_path / "alone", **MORE), run(tmp_path / "small", **SMALL)
    said = taken(tmp_path / "large", tmp_path / "small", **MORE)
    assert f"pictures of 4 units of 4 are taken from {tmp_path / 'small'}: what is missing of metrics is measured\n" in said
    assert_equal(alone, tables(tmp_path / "large"))
    assert set(alone["scores"]["metric"]) - set(before["scores"]["metric"]) == {"toy-other"}
    seconds = [tables(tmp_path / name)["candidates"]["seconds"].tolist() for name in ("small", "large")]
    assert seconds[0] == seconds[1], "these are of the search that was"
    assert all((tmp_path / "large" / image).stat().st_size for image in tables(tmp_path / "large")["selections"]["image"])


def test_a_metric_is_left_out_and_asks_no_verifier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = run(tmp_path / "alone", **SMALL)
    run(tmp_path / "more", **MORE)
    monkeypatch.setattr(ToyVerifier, "score", lambda *_: pytest.fail("scored again"))
    taken(tmp_path / "less", tmp_path / "more", **SMALL)
    assert_equal(alone, tables(tmp_path / "less"))


def test_under_other_weights_it_is_measured_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = run(tmp_path / "small", **MORE)["scores"]
    made, score = ToyVerifier.__init__, ToyVerifier.score

    def other(self: ToyVerifier, name: str, *rest: Any) -> None:
        made(self, name, *rest)
        if name == "toy-other":
            object.__setattr__(self.card, "weights_sha256", "f" * 64)

    def scored(self: ToyVerifier, *given: Any) -> Any:
        found = score(self, *given)
        found.values_NM[:] += 1
        return found

    monkeypatch.setattr(ToyVerifier, "__init__", other)
    monkeypatch.setattr(ToyVerifier, "score", scored)
    taken(tmp_path / "large", tmp_path / "small", **MORE)
    after = tables(tmp_path / "large")["scores"]
    changed = (after["value"] - before["value"]).groupby(after["metric"]).mean().round(6).to_dict()
    assert changed == {"toy-judge": 0, "toy-other": 1, "grade": 0}, "what guided has guided by what it scored then"


def test_what_no_grader_saw_is_graded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = run(tmp_path / "alone", **SMALL)
    without_grades(monkeypatch, tmp_path / "small", **SMALL)
    said = Console(file=StringIO(), width=400)
    finish_run(prepare_run(Settings(**SMALL), tmp_path / "small"), said)
    left = f"18 images stay without a grade, as weights of the grader were not here then: --reuse {tmp_path / 'small'} with another --out"
    assert left in said.file.getvalue()
    assert "images stay without a grade" not in taken(tmp_path / "graded", tmp_path / "small", **SMALL)
    graded = tables(tmp_path / "graded")
    assert_equal({**alone, "candidates": alone["candidates"].drop(columns="truth")},
                 {**graded, "candidates": graded["candidates"].drop(columns="truth")})  # fmt: skip
    assert graded["candidates"]["truth"].isna().all(), "most candidates have no file"


def test_without_a_grader_it_stays_ungraded_and_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_grades(monkeypatch, tmp_path / "small", **SMALL)
    without_grades(monkeypatch, tmp_path / "large", **{**MORE, "reuse": (str(tmp_path / "small"),)})
    store = Store(tmp_path / "large")
    assert store.ungraded(store.units()) == Store(tmp_path / "small").ungraded(Store(tmp_path / "small").units()) > 0


def test_where_nothing_was_selected_every_metric_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decode = ToyGenerator.decode

    def half_blank(self: ToyGenerator, state: Any) -> torch.Tensor:
        images = decode(self, state)
        return torch.where(state.values_BC[:, 0, None, None, None] > -1, blank(*images.shape[2:]), images)

    monkeypatch.setattr(ToyGenerator, "decode", half_blank)
    alone, _ = run(tmp_path / "alone", **MORE), run(tmp_path / "small", **SMALL)
    assert {"", f"no candidate could be scored: {NO_NUMBERS}"} <= set(alone["scores"]["reason"])
    taken(tmp_path / "large", tmp_path / "small", **MORE)
    assert_equal(alone, tables(tmp_path / "large"))


def test_what_is_damaged_is_drawn_and_what_is_no_picture_is_named(tmp_path: Path) -> None:
    alone = run(tmp_path / "alone", **MORE)
    run(tmp_path / "small", **SMALL)
    parts = sorted((tmp_path / "small" / "parts").glob("*.part"))
    parts[0].write_bytes(parts[0].read_bytes()[:-3])
    drawn: list[str] = []
    with before_each(lambda unit: drawn.append(unit.title)):
        run(tmp_path / "large", **MORE, reuse=(str(tmp_path / "small"),))
    assert len(drawn) == 1
    assert_equal(alone, tables(tmp_path / "large"))
    image = tmp_path / "small" / alone["selections"]["image"].iloc[0]
    content = image.read_bytes()
    image.write_bytes(content[:8] + b"\0" * (len(content) - 20) + content[-12:])
    with pytest.raises(UnitsFailed, match=f"{image.name}: file cannot be read as a picture"):
        run(tmp_path / "other", **MORE, reuse=(str(tmp_path / "small"),))


def test_it_goes_on_where_it_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone, _ = run(tmp_path / "alone", **MORE), run(tmp_path / "small", **SMALL)
    measured: list[str] = []

    def stopping(unit: Any, *rest: Any) -> Any:
        if len(measured) == 2:
            raise KeyboardInterrupt
        measured.append(unit.key)
        return remeasure(unit, *rest)

    with monkeypatch.context() as patch:
        patch.setattr("harness.run.work.remeasure", stopping)
        with pytest.raises(KeyboardInterrupt):
            taken(tmp_path / "large", tmp_path / "small", **MORE)
    assert "2 of 4 units are there" in taken(tmp_path / "large", tmp_path / "small", **MORE)
    assert_equal(alone, tables(tmp_path / "large"))


def test_a_plan_says_what_is_not_drawn(tmp_path: Path) -> None:
    run(tmp_path / "small", **SMALL)
    options = ["--model", "toy-ar", "--search", "random", "--search", "beam", "--verifier", "toy-judge", "--budget", "6,24"]
    settings = ["--prompts", "6", "--set", "chunk=4", "--set", "keep=1", "--set", "metrics=[toy-other]"]
    said = " ".join(call("plan", "geneval", *options, *settings, "--reuse", str(tmp_path / "small")).output.split())
    assert f"pictures taken from {tmp_path / 'small'}: 4 units of 4, 100.0% of the FLOPs; what is missing of metrics is measured" in said
    taken(tmp_path / "large", tmp_path / "small", **MORE)
    again = call("plan", "geneval", *options, *settings, "--reuse", str(tmp_path / "small"), "--out", str(tmp_path / "large")).output
    assert f"done in {tmp_path / 'large'}: 4 units of 4, 100.0% of the FLOPs" in " ".join(again.split())
    assert "taken from" not in again


def test_no_suite_is_asked_twice_for_a_grade_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path / "small", **SMALL)
    grade = GenEvalSuite.grade

    def of_nothing(self: GenEvalSuite, images: torch.Tensor, *rest: Any) -> Any:
        assert not len(images)
        return grade(self, images, *rest)

    monkeypatch.setattr(GenEvalSuite, "grade", of_nothing)
    taken(tmp_path / "large", tmp_path / "small", **MORE)


def test_the_manifest_names_where_the_pictures_were_drawn(tmp_path: Path) -> None:
    run(tmp_path / "small", **SMALL)
    path = tmp_path / "small" / "manifest.json"
    path.write_text(path.read_text().replace('"cores":', '"of_the_test": true, "cores":'))
    taken(tmp_path / "large", tmp_path / "small", **MORE)
    assert [one.get("hardware", one).get("of_the_test") for one in Store(tmp_path / "large").manifest()["environments"]] == [None, True]


def test_of_several_folders_one_with_grades_is_taken_and_a_damaged_one_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = run(tmp_path / "alone", **MORE)
    without_grades(monkeypatch, tmp_path / "ungraded", **SMALL)
    run(tmp_path / "graded", **SMALL)
    taken(tmp_path / "large", tmp_path / "ungraded", tmp_path / "graded", **MORE)
    assert_equal(alone, tables(tmp_path / "large"))
    for part in (tmp_path / "graded" / "parts").glob("*.part"):
        part.write_bytes(part.read_bytes()[:-3])
    said = taken(tmp_path / "other", tmp_path / "ungraded", tmp_path / "graded", **MORE)
    assert "drawn anew" not in said, "the other folder has them whole"
    assert f"0 units of 4 are taken from {tmp_path / 'ungraded'}: another folder has them" in said


def test_that_a_damaged_unit_is_drawn_is_said(tmp_path: Path) -> None:
    run(tmp_path / "small", **SMALL)
    next((tmp_path / "small" / "parts").glob("*.part")).write_bytes(b"")
    said = Console(file=StringIO(), width=400)
    finish_run(prepare_run(Settings(**{**MORE, "reuse": (str(tmp_path / "small"),)}), tmp_path / "large"), said)
    assert said.file.getvalue().count(f"drawn anew, as it is damaged in {tmp_path / 'small'}: toy-ar ") == 1


def test_what_cannot_be_graded_any_more_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_grades(monkeypatch, tmp_path / "small", **SMALL)
    assert "candidates that were not have no file and stay without a grade" in taken(tmp_path / "large", tmp_path / "small", **MORE)
    again = taken(tmp_path / "large", tmp_path / "small", **MORE)
    assert "are taken from" not in again, "all units are there"


def test_a_metric_of_another_package_measures_and_its_next_version_measures_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def version(text: str) -> None:
        monkeypatch.setitem(registry.VERIFIERS, "toy-other", replace(VERIFIERS["toy-other"], package=text))

    run(tmp_path / "small", **SMALL)
    version("plug 1.0")
    taken(tmp_path / "first", tmp_path / "small", **MORE)
    version("plug 1.1")
    monkeypatch.setattr(ToyVerifier, "score", lambda self, images, prompts: pytest.fail("asked again"))
    with pytest.raises(pytest.fail.Exception, match="asked again"):
        taken(tmp_path / "second", tmp_path / "first", **MORE)
