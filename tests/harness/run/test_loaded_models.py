"""Published models of one run are in memory one at a time, and the tables are those of runs of their own."""

from __future__ import annotations

import gc
import sys
import types
import weakref
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import toy_world
from rich.console import Console

from harness import registry
from harness.config import Settings
from harness.model_spec import ModelSpec, parse_model
from harness.registry import Entry
from harness.run.loaded_models import LoadedModels
from harness.run.prepared import prepare_run
from harness.run.runner import finish_run
from harness.weights.repository import Repository
from models.published import PublishedModel
from results.schema import MEASURED, TABLES

pytestmark = pytest.mark.usefixtures("toys")

BASE: dict[str, Any] = dict(
    verifiers=("toy-judge",), searches=("random", "beam"), budgets=(6, 12), prompts=4, chunk=2, metrics=(), device="cpu"
)
ALIVE: weakref.WeakValueDictionary[str, toy_world.ToyGenerator] = weakref.WeakValueDictionary()
offloads: list[str] = []
events: list[tuple[str, tuple[str, ...]]] = []
"""Each loading, with what was in memory at its beginning."""


def load(
    model: PublishedModel, folders: Mapping[str, Path], device: torch.device, settings: Mapping[str, Any], offload: str = "none"
) -> toy_world.ToyGenerator:
    offloads.append(offload)
    events.append((model.name, tuple(ALIVE)))
    ALIVE[model.name] = made = toy_world.ToyPrefixed(model.name, model.family)
    return made


def entry(name: str, family: Any) -> Entry:
    row = PublishedModel(
        name, "", family, "toy_world:ToyPrefixed", "toy_shelf:load", "none", "", {},
        {"weights": Repository("none/none", "main", (), 0, "none")}, {}, domain="shapes",
    )  # fmt: skip
    return registry.published(row)


@pytest.fixture(autouse=True)
def _large(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    module = types.ModuleType("toy_shelf")
    module.load = load  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "toy_shelf", module)
    for name in ("large-ar", "large-other"):
        monkeypatch.setitem(registry.MODELS, name, entry(name, "ar"))  # type: ignore[arg-type]
    events.clear()
    yield
    gc.collect()
    assert not ALIVE  # the last one goes with its run


def run(folder: Path, *models: str, **changes: Any) -> dict[str, pd.DataFrame]:
    settings = Settings(**{**BASE, "models": models, "weights": tuple(f"{name}={folder.parent}" for name in models
                                                                      if name.startswith("large")), **changes})
    finish_run(prepare_run(settings, folder), Console(quiet=True))
    gc.collect()  # what the run has loaded last goes with it, as at the end of a process
    found = {name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLES}
    return {name: table.drop(columns=list(MEASURED), errors="ignore") for name, table in found.items()}


def test_never_two_and_each_for_its_planning_and_its_units(tmp_path: Path) -> None:
    both = run(tmp_path / "both", "large-ar", "large-other", "toy-diffusion")
    assert events == [(name, ()) for name in ("large-ar", "large-other") * 2]
    for name in ("large-ar", "large-other"):
        alone = run(tmp_path / name, name)
        assert [event[0] for event in events[-1:]] == [name]
        for table, rows in alone.items():
            mine = both[table].query("model == @name").reset_index(drop=True)
            pd.testing.assert_frame_equal(mine, rows)
    assert len(events) == 6  # one model alone is loaded once


def test_speeds_are_measured_and_kept_while_a_model_is_there(tmp_path: Path) -> None:
    prepared = prepare_run(Settings(**{**BASE, "models": ("large-ar", "large-other"), "unit": "seconds", "budgets": (5.0,),
                                       "weights": (f"large-ar={tmp_path}", f"large-other={tmp_path}")}), tmp_path / "run")
    assert set(prepared.session.calibrations) == {"large-ar", "large-other"}
    assert events == [("large-ar", ()), ("large-other", ())]
    assert tuple(ALIVE) == ("large-other",)
    assert {name: prepared.session.models.card(name).name for name in prepared.session.models} == {
        "large-ar": "large-ar", "large-other": "large-other"}
    assert tuple(ALIVE) == ("large-other",)


def test_a_finished_run_is_not_loaded_again_for_its_units(tmp_path: Path) -> None:
    run(tmp_path / "run", "large-ar", "large-other")
    events.clear()
    run(tmp_path / "run", "large-ar", "large-other")
    assert events == [("large-ar", ()), ("large-other", ())]


def test_the_setting_reaches_the_loader_and_changes_no_unit(tmp_path: Path) -> None:
    offloads.clear()
    run(tmp_path / "run", "large-ar")
    parts = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "run" / "parts").iterdir()}
    run(tmp_path / "run", "large-ar", offload="model")
    assert offloads == ["none", "model"]
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "run" / "parts").iterdir()} == parts


def test_outlines_stay_as_they_hold_nothing() -> None:
    made: list[str] = []

    def outline(spec: ModelSpec) -> Any:
        made.append(spec.text)
        return types.SimpleNamespace(card=spec.text, device=torch.device("meta"))

    names = ("large-ar", "large-other")
    models = LoadedModels({name: parse_model(name) for name in names}, outline)
    for name in names * 2:
        assert models[name].card == name
    assert made == list(names)
