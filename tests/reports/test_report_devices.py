"""Seconds of different devices in one report: it says so, and which methods are on which."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from reports.devices import UNKNOWN, device_notes, devices
from reports.load import read_runs
from reports.notes import notes
from reports.summary import Summary, summarise
from reports.tables import spent_table
from results.parts import Making

VERIFIER = "shapes-reward"


@pytest.fixture(scope="module")
def plain(make_tables: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Summary:
    folder = tmp_path_factory.mktemp("devices") / "run"
    return summarise(read_runs([make_tables(folder, searches=("random", "greedy"), verifiers=(VERIFIER,), budgets=(28,))]))


def made(plain: Summary, **computed_on: str) -> Summary:
    """The summary where units of a search, or the first unit of a model, were computed on these."""
    units = plain.runs.selections["unit"].unique()
    on = {unit: next((card for search, card in computed_on.items() if search in unit), "A") for unit in units}
    return replace(plain, runs=replace(plain.runs, makings={(0, unit): Making(computed_on=card) for unit, card in on.items()}))


def test_one_device_is_nothing_to_say(plain: Summary) -> None:
    for summary in (plain, made(plain)):  # of tables alone it is not known
        assert device_notes(summary) == []
        assert "one device" not in spent_table(summary, VERIFIER, "spent").caption


def test_methods_are_named_by_device(plain: Summary) -> None:
    summary = made(plain, greedy="B")
    assert {device: [method.search for method in methods] for device, methods in devices(summary).items()} == {
        "A": ["random", "random"], "B": ["greedy"],
    }  # fmt: skip
    (note,) = (note for note in notes(summary) if "same device" in note)
    assert "on A units of shapes-infinity + random and shapes-flux + random; on B units of shapes-infinity + greedy." in note
    assert "Seconds are not all of one device" in spent_table(summary, VERIFIER, "spent").caption


def test_units_of_older_runs_are_of_what_is_not_known(plain: Summary) -> None:
    assert f"on {UNKNOWN} units of shapes-infinity + greedy" in device_notes(made(plain, greedy=""))[0]


def test_only_units_of_runs_that_warm_up_are_said_to_be_warm(plain: Summary) -> None:
    for summary, warm in ((plain, False), (made(plain, greedy=""), False), (made(plain), True)):
        assert any("done before, unmeasured" in note for note in notes(summary)) == warm


def test_processes_side_by_side_are_named(plain: Summary) -> None:
    makings = {(0, unit): Making(computed_on="A", shards=2) for unit in plain.runs.selections["unit"]}
    summary = replace(plain, runs=replace(plain.runs, makings=makings))
    assert [note.partition(":")[0] for note in device_notes(summary)] == ["Units were divided among 2 processes (--shard)"]
