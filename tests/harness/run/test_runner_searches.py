"""Every registered search, interrupted between units and in the middle of one, ends in the tables of a run that was not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import toy_world
from rich.console import Console
from toy_runs import stop_after

from harness import registry
from harness.config import Settings
from harness.run.pairing import pair_up
from harness.run.prepared import prepare_run
from harness.run.runner import finish_run
from harness.search.spec import parse_search
from results.schema import MEASURED, TABLES, TOTALS
from verifiers.features import Described

pytestmark = pytest.mark.usefixtures("toys")

MODELS = {"ar": "toy-ar", "diffusion": "toy-noisy", "pair": "toy-ar+toy-noisy"}
RUNS = [(name, MODELS[family]) for name in registry.SEARCHES for family in parse_search(name).families]
CASCADE = "cascade:cheap=toy-judge,expensive=toy-other,keep=2"
MORE = [
    ("adaptive:search=beam:score=preview", "toy-ar", "toy-judge"), ("adaptive:patience=1,search=smc", "toy-noisy", "toy-judge"),
    ("hybrid:search=greedy", "toy-ar+toy-noisy", "toy-judge"), ("published-tts-var", "toy-ar", "toy-judge"),
    ("random", "toy-ar", CASCADE), ("beam:score=preview", "toy-ar", CASCADE), ("smc", "toy-noisy", CASCADE),
    ("adaptive", "toy-noisy", CASCADE), ("hybrid", "toy-ar+toy-noisy", CASCADE),
]
"""What wraps another search, what has a name of its own, and searches under a cascade of verifiers."""
EVERYWHERE = ("random", "greedy", "zero-order", "adaptive", "hybrid")
"""Searches that are stopped between units and at their last score too, which is the runner's business: pools, guided ones, pairs."""


def settings(search: str, model: str, verifier: str = "toy-judge") -> Settings:
    return Settings(
        models=(model,), searches=(search,), verifiers=(verifier,), metrics=(), budgets=(36,), prompts=3, chunk=2,
    )  # fmt: skip


def run(asked: Settings, folder: Path) -> dict[str, pd.DataFrame]:
    finish_run(prepare_run(asked, folder), Console(quiet=True))
    found = {name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLES}
    return {name: table.drop(columns=[column for column in MEASURED if column in table]) for name, table in found.items()}


@pytest.mark.parametrize(("search", "model", "verifier", "moments"), [
    ("random", "toy-ar", "toy-judge", ("first",)),
    *((*run, "toy-judge", ("between", "middle", "last") if run[0] in EVERYWHERE else ("middle",)) for run in RUNS),
    *((*run, ("middle",)) for run in MORE),
])  # fmt: skip
def test_a_stopped_search_resumes_to_the_same_tables(
    search: str, model: str, verifier: str, moments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured = settings(search, model, verifier)
    asked: list[int] = []
    original = toy_world.ToyVerifier.score

    def counting(judge: Any, images: Any, prompts: Any) -> Any:
        asked.append(len(prompts))
        if len(asked) == stop:
            raise KeyboardInterrupt
        return original(judge, images, prompts)

    monkeypatch.setattr(toy_world.ToyVerifier, "score", counting)
    stop = 0
    whole = run(configured, tmp_path / "whole")
    assert len(whole["selections"]) == 3
    spent = [name for name in TOTALS if name not in MEASURED]
    pd.testing.assert_frame_equal(  # nothing is run after the last score, unless it is after a budget in seconds
        whole["selections"][spent], whole["selections"][[TOTALS[name] for name in spent]].set_axis(spent, axis=1), check_dtype=False
    )
    calls, units = len(asked), whole["selections"]["unit"].nunique()
    assert units == (1 if search.startswith("adaptive") else 2)  # a pool is one unit
    stops = {"between": 0, "first": 1, "middle": max(1, calls // 2), "last": calls}
    for name in moments:
        folder = tmp_path / name
        asked.clear()
        stop = stops[name]
        with pytest.raises(KeyboardInterrupt) if stop else stop_after(min(1, units - 1)):
            run(configured, folder)
        stop = 0
        assert stops[name] == 0 or len(list((folder / "parts").glob("*.part"))) < units
        again = run(configured, folder)
        for table in TABLES:
            pd.testing.assert_frame_equal(whole[table], again[table])


def test_all_searches_are_lined_up_with_all_that_they_fit() -> None:
    config = settings("all", "toy-ar").model_copy(update={"models": tuple(MODELS.values())}).run()
    found = pair_up(config)
    assert set(found.searches) == set(registry.SEARCHES)
    assert set(found.pairs) == {(model, name) for name, model in RUNS if (name, model) != ("adaptive", "toy-ar+toy-noisy")}
    skipped = {model: [note for note in found.notes if note.startswith(f"skipped {model} with ")] for model in MODELS.values()}
    for model, notes in skipped.items():
        assert sum("they do not search" in note for note in notes) == 1  # those for other families in one line
        for name in registry.SEARCHES:
            said = any(name in note.partition(" with ")[2].partition(":")[0].split(", ") for note in notes)
            assert said == ((model, name) not in found.pairs)


def test_the_weights_that_pictures_are_compared_by_are_in_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = settings("tts-var", "toy-ar").model_copy(update={"searches": ("tts-var", "random")})

    def keys() -> dict[str, list[str]]:
        units = prepare_run(both, tmp_path).units
        return {name: [unit.key for unit in units if unit.search == name] for name in both.searches}

    before = keys()
    assert keys() == before
    monkeypatch.setattr(Described, "features_sha256", "2" * 64)
    after = keys()
    assert after["random"] == before["random"]
    assert not set(after["tts-var"]) & set(before["tts-var"])
