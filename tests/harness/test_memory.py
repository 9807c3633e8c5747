"""Out of memory: batches shrink, and no table changes by a byte."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import toy_world
from rich.console import Console

from harness.config import Settings
from harness.errors import RunFailed
from harness.memory import Parts, out_of_memory, with_fewer_rows
from harness.run import session
from harness.run.prepared import prepare_run
from harness.run.runner import finish_run
from results.schema import MEASURED
from suites.geneval.suite import GenEvalSuite

pytestmark = pytest.mark.usefixtures("toys")

BASE: dict[str, Any] = {
    "searches": ("random", "beam", "zero-order"), "verifiers": ("toy-judge",), "metrics": (), "budgets": (36,),
    "prompts": 6, "chunk": 6, "models": ("toy-ar", "toy-diffusion"),
}  # fmt: skip


def hungry(kind: type[toy_world.ToyGenerator], name: str, family: str, limits: dict[str, int]) -> Any:
    """A generator whose operations run out of memory above a number of rows; keeps how many rows they had."""

    class Hungry(kind):  # type: ignore[misc, valid-type]
        rows: dict[str, list[int]]

        def __init__(self) -> None:
            super().__init__(name, family)
            self.rows = {operation: [] for operation in limits}

    def limited(operation: str) -> Any:
        original = getattr(kind, operation)

        def call(self: Any, state: Any, *rest: Any) -> Any:
            if len(state.rows) > limits[operation]:
                raise torch.OutOfMemoryError(f"CUDA out of memory at {len(state.rows)} rows")
            self.rows[operation].append(len(state.rows))
            return original(self, state, *rest)

        return call

    for operation in limits:
        setattr(Hungry, operation, limited(operation))
    return Hungry()


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, limits: dict[str, int], **changes: Any) -> tuple[dict, list, str]:
    """Tables, the generators, and what was said."""
    made: list[Any] = []

    def build(kind: type[toy_world.ToyGenerator], name: str, family: str) -> Any:
        return lambda device: made.append(hungry(kind, name, family, limits)) or made[-1]

    for name, kind, family in (("toy-ar", toy_world.ToyPrefixed, "ar"), ("toy-diffusion", toy_world.ToyGenerator, "diffusion")):
        monkeypatch.setattr(toy_world, name.replace("-", "_"), build(kind, name, family))
    console = Console(record=True, width=200, file=StringIO())
    finish_run(prepare_run(Settings(**{**BASE, **changes}), folder), console)
    tables = {path.stem: pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))}
    return {name: table.drop(columns=list(MEASURED), errors="ignore") for name, table in tables.items()}, made, console.export_text()


def test_a_run_that_runs_out_of_memory_gives_the_same_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected, _, quiet = run(tmp_path / "a", monkeypatch, {"predict": 1000, "draw": 1000})
    found, models, said = run(tmp_path / "b", monkeypatch, {"predict": 9, "draw": 5})
    assert "out of memory" not in quiet
    assert "out of memory: toy-diffusion goes on with max_rows=4, results are the same" in said
    assert all(max(model.rows["draw"]) <= 5 for model in models)
    assert list(found) == ["candidates", "scores", "selections"]
    for name, table in expected.items():
        pd.testing.assert_frame_equal(table, found[name], check_exact=True)


def test_images_are_made_in_parts_before_anything_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = {"searches": ("random",), "budgets": (18,)}
    expected, _, _ = run(tmp_path / "a", monkeypatch, {"decode": 1000, "predict": 1000}, **one)
    found, models, said = run(tmp_path / "b", monkeypatch, {"decode": 3, "predict": 1000}, **one)
    assert "out of memory" not in said
    assert all(max(model.rows["decode"]) <= 3 < max(model.rows["predict"]) for model in models)
    for name, table in expected.items():
        pd.testing.assert_frame_equal(table, found[name], check_exact=True)


def test_one_row_that_does_not_fit_fails_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunFailed, match="toy-ar runs out of memory with one row: take a smaller size"):
        run(tmp_path, monkeypatch, {"predict": 0}, searches=("random",))


def test_only_lack_of_memory_is_tried_again() -> None:
    tried: list[int] = []

    def attempt(rows: int) -> int:
        tried.append(rows)
        if rows > 4:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        with_fewer_rows(attempt, 20, tried.append, "it")
    assert tried == [20, 10, 10, 5, 5, 2, 2]
    assert not out_of_memory(RuntimeError("size mismatch"))


def test_parts_are_joined_in_order() -> None:
    seen: list[int] = []

    def work(rows: Sequence[int]) -> torch.Tensor:
        if len(rows) > 2:
            raise torch.OutOfMemoryError("out of memory")
        assert len(rows) == 1
        seen.append(len(rows))
        return torch.tensor(list(rows))

    parts = Parts()
    assert parts.join(work, 7).tolist() == list(range(7))
    assert parts.join(work, 2).tolist() == [0, 1]
    assert seen == [1] * 7 + [1] * 2


def test_verifiers_metrics_and_grades_are_made_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a search has made is not lost to a judge of many pictures, and a judge's memory does not shrink the model's batches."""
    wide = {"predict": 1000, "draw": 1000}
    expected, _, _ = run(tmp_path / "a", monkeypatch, wide, metrics=("toy-other",))
    score, grade, asked = toy_world.ToyVerifier.score, GenEvalSuite.grade, Counter[str]()

    def scored(self: Any, images: torch.Tensor, prompts: Sequence[str]) -> Any:
        if len(prompts) > 2:
            raise torch.OutOfMemoryError(f"CUDA out of memory at {len(prompts)} images")
        asked[self.card.name] += 1
        return score(self, images, prompts)

    def graded(self: Any, images: torch.Tensor, prompts: Sequence[Any], domain: Any) -> Any:
        if len(prompts) > 3:
            raise torch.OutOfMemoryError(f"CUDA out of memory at {len(prompts)} images")
        asked["grade"] += 1
        return grade(self, images, prompts, domain)

    monkeypatch.setattr(toy_world.ToyVerifier, "score", scored)
    monkeypatch.setattr(GenEvalSuite, "grade", graded)
    found, models, said = run(tmp_path / "b", monkeypatch, wide, metrics=("toy-other",))
    assert "out of memory" not in said
    assert all(asked[name] > 1 for name in ("toy-judge", "toy-other", "grade"))
    assert max(models[0].rows["predict"]) > 2
    for name, table in expected.items():
        pd.testing.assert_frame_equal(table, found[name], check_exact=True)


def test_a_calibration_goes_on_with_half_of_its_own_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []
    honest = session.calibrate
    monkeypatch.setattr(session, "calibrate", lambda *given: tried.append(given[-1]) or honest(*given))
    one = {"models": ("toy-diffusion",), "searches": ("random:candidates=3",), "budgets": (60.0,), "unit": "seconds"}
    run(tmp_path, monkeypatch, {"predict": 5}, **one)
    assert tried == [16, 8, 4]


def test_text_that_does_not_fit_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def encode(self: Any, prompts: Sequence[str]) -> Any:
        tried.append(len(prompts))
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(toy_world.ToyGenerator, "encode", encode)
    with pytest.raises(RunFailed, match=r"toy-ar runs out of memory encoding the text of 6 prompts at once: .*chunk=N in another folder"):
        run(tmp_path, monkeypatch, {}, models=("toy-ar",), searches=("random",))
    assert tried == [6]


def test_half_of_the_batch_that_was_too_large_is_tried_next() -> None:
    tried: list[int] = []

    def attempt(rows: int) -> int:
        tried.append(rows)
        if min(rows, 6) > 2:
            raise torch.OutOfMemoryError("out of memory")
        return rows

    assert with_fewer_rows(attempt, 64, lambda rows: None, "it", lambda: min(tried[-1], 6)) == 1
    assert tried == [64, 3, 1]
