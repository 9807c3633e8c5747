"""Before a model's first unit: every operation once, where its first time is slow; nothing of it is charged, and no row differs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import toy_world
from rich.console import Console
from toy_runs import BASE, assert_equal, run, tables
from toy_world import ToyGenerator

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
    start = ToyGenerator.start
    monkeypatch.setattr(ToyGenerator, "start", lambda model, text, rows: found.append(len(rows)) or start(model, text, rows))
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


def test_on_a_gpu_the_largest_batch_of_all_units_is_done_before_the_first(
    tmp_path: Path, started: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As far as memory holds it; what has no room there may have in a search, and sets no limit."""
    both = {**ONE, "models": ("toy-diffusion",), "budgets": (6, 30)}
    plain = run(tmp_path / "plain", **both)
    own = started.copy()
    started.clear()
    monkeypatch.setattr("harness.run.session.allocates", lambda generator: True)
    assert_equal(plain, run(tmp_path / "card", **both))
    assert started == [max(own), *own]
    assert max(own) > BASE["chunk"]
    started.clear()
    start = ToyGenerator.start

    def full(model: ToyGenerator, text: Any, rows: Any) -> Any:
        if not started and len(rows) > max(own) // 2:
            raise torch.OutOfMemoryError
        return start(model, text, rows)

    monkeypatch.setattr(ToyGenerator, "start", full)
    assert_equal(plain, run(tmp_path / "full", **both))
    assert started == [max(own) // 2, *own]


def test_of_denoising_steps_two_are_enough_for_a_size() -> None:
    took: list[tuple[str, list[int]]] = []
    for make in (toy_world.toy_ar, toy_world.toy_noisy):
        generator: Any = make()
        predict, steps = generator.predict, list[int]()
        generator.predict = lambda state, predict=predict, steps=steps: steps.append(state.step) or predict(state)
        judge: Any = toy_world.toy_judge()
        score, scored = judge.score, list[int]()
        judge.score = lambda images, texts, score=score, scored=scored: scored.append(len(images)) or score(images, texts)
        if generator.card.family == "diffusion":
            generator.start_image = lambda *_: pytest.fail("previews may be smaller than the images that it takes")
        warm_up.warm_up_largest(generator, [judge], ["a", "b"], 5)
        assert scored == [5]
        took.append((generator.card.name, steps))
    assert took == [("toy-ar", [0, 1, 2]), ("toy-noisy", [0, 1])]


def test_a_gpu_is_warmed_and_a_processor_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Any] = []
    monkeypatch.setattr(warm_up, "_once", lambda *asked: done.append(asked))
    card = SimpleNamespace(settings={})
    for device in ("cpu", "cuda"):
        generator: Any = SimpleNamespace(card=card, device=SimpleNamespace(type=device))
        warm_up.warm_up(generator, [], ["a", "b"], 2)
        assert warm_up.allocates(generator) == (device == "cuda")
    assert [(generator.device.type, rows) for generator, _, _, rows in done] == [("cuda", 2)]
