"""Before a model's first unit: every operation once, where its first time is slow; nothing of it is charged, and no row differs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import toy_world
from rich.console import Console
from toy_runs import BASE, assert_equal, run, tables

from harness.compute import warm_up
from harness.config import Settings
from harness.run.prepared import prepare_run
from harness.run.runner import finish_run

pytestmark = pytest.mark.usefixtures("toys")
ONE = {"models": ("toy-ar",), "searches": ("random",), "budgets": (6,)}


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows of every batch of a run that is started."""
    found: list[int] = []
    start = toy_world.ToyGenerator.start
    monkeypatch.setattr(toy_world.ToyGenerator, "start", lambda model, text, rows: found.append(len(rows)) or start(model, text, rows))
    return found


def test_a_compiled_model_is_warm_before_its_first_unit(tmp_path: Path, started: list[int]) -> None:
    plain = run(tmp_path / "plain", **ONE)
    own = started.copy()
    started.clear()
    prepared = prepare_run(Settings(**{**BASE, **ONE}), tmp_path / "compiled")
    for model in prepared.session.models.values():
        model.card = replace(model.card, settings={**model.card.settings, "compile": True})
    finish_run(prepared, Console(quiet=True))
    assert started == [4, 2, 1, *own], "once for both units, a row for each of the first one's prompts"
    assert_equal(plain, tables(tmp_path / "compiled"))
    assert prepared.watch.operations["encode"] < prepared.watch.sections["load"]


def test_a_gpu_is_warmed_and_a_processor_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Any] = []
    monkeypatch.setattr(warm_up, "_once", lambda *asked: done.append(asked))
    card = SimpleNamespace(settings={})
    for device in ("cpu", "cuda"):
        warm_up.warm_up(SimpleNamespace(card=card, device=SimpleNamespace(type=device)), [], ["a", "b"], 2)  # type: ignore[arg-type]
    assert [(generator.device.type, rows) for generator, _, _, rows in done] == [("cuda", 2)]
