"""Presets: every one is a search as it is written in tables, and a run has the search and not the name."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.config import RunConfig, load_settings
from harness.errors import WrongInput
from harness.presets import Preset, expanded, presets
from harness.registry import SEARCHES
from harness.search.spec import parse, shortest


@pytest.mark.parametrize(("name", "preset"), presets().items(), ids=list(presets()))
def test_every_preset_is_a_search(name: str, preset: Preset) -> None:
    assert shortest(parse(preset.search)) == preset.search
    assert name not in SEARCHES
    assert preset.source


def test_a_run_has_the_search_itself() -> None:
    named = RunConfig(searches=("random", "published-rbf", "rbf:looks=250", "adaptive:rounds=2,search=published-lookahead"))
    assert named.searches == ("random", "rbf:looks=250", "adaptive:rounds=2,search=lookahead:width=5,candidates=10")
    assert named.run_name() == RunConfig(searches=named.searches).run_name()


def test_a_preset_takes_no_parameters() -> None:
    with pytest.raises(WrongInput, match="a preset takes no parameters; write what published-rbf stands for, rbf:looks=250, and"):
        expanded("published-rbf:first=0.2")
    with pytest.raises(WrongInput, match="published-rbf stands for"):
        load_settings(None, ["searches=published-rbf:first=0.2"], {})


def test_presets_are_listed() -> None:
    shown = CliRunner().invoke(app, ["list", "searches"])
    assert all(f"{name}  {preset.search}" in shown.output for name, preset in presets().items())
