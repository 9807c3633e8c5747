"""Units that fail: the others are run, what failed is noted and told, and what would hit every unit ends the run at once."""

from __future__ import annotations

import errno
import itertools
import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import call
from rich.console import Console
from toy_runs import BASE, assert_equal, before_each, run, tables

from harness import devices
from harness.config import Settings
from harness.devices import is_lost
from harness.run import setbacks, work
from harness.run.prepared import Run, prepare_run, run_manifest
from harness.run.runner import finish_run, finish_shard
from harness.run.setbacks import IN_A_ROW, UnitsFailed
from harness.run.shard import Shard
from harness.run.units import WorkUnit
from reports.load import read_runs
from results.claims import Claims
from results.files import Unwritten
from results.store import Store
from suites.base import UndeclaredGrade

pytestmark = pytest.mark.usefixtures("toys")
SMALL: dict[str, Any] = {"models": ("toy-ar",), "searches": ("random", "beam"), "budgets": (24,), "prompts": 6, "chunk": 1}
"""Six units of random, then six of beam."""
COMMAND = ["run", "geneval", "--model", "toy-ar", "--search", "random", "--search", "beam", "--verifier", "toy-judge", "--budget", "24",
           "--prompts", "6", "--set", "chunk=1", "--set", "metrics=[]"]  # fmt: skip


def prepared(folder: Path) -> Run:
    return prepare_run(Settings(**{**BASE, **SMALL}), folder)


def failing(which: Callable[[WorkUnit], bool], tried: list[WorkUnit] | None = None, message: str = "boom {}") -> Callable[[WorkUnit], None]:
    number = itertools.count()

    def step(unit: WorkUnit) -> None:
        if tried is not None:
            tried.append(unit)
        if which(unit):
            raise ZeroDivisionError(message.format(next(number)))

    return step


def parts(folder: Path) -> int:
    return len(list((folder / "parts").glob("*.part")))


def test_a_unit_that_fails_leaves_the_others_and_is_tried_again_by_the_next_command(tmp_path: Path) -> None:
    ready, said = prepared(tmp_path / "run"), StringIO()
    bad = ready.units[2]
    with before_each(failing(lambda unit: unit.key == bad.key)), pytest.raises(UnitsFailed) as failed:
        finish_run(ready, Console(file=said, width=400))
    notes = tmp_path / "run" / "failed"
    assert str(failed.value) == (
        f"1 unit: {bad.title} (ZeroDivisionError: boom 0); what is finished is kept, and {notes} has the traceback of each: see to that "
        "and give the same command again, which tries what is missing"
    )
    assert f"failed: {bad.title}: ZeroDivisionError: boom 0; the run goes on" in said.getvalue()
    note = json.loads((notes / f"{bad.key}.json").read_text())
    assert "in step\n" in note["traceback"]
    assert parts(tmp_path / "run") == len(ready.units) - 1
    assert f"11 of 12 units are there; 1 failed: {bad.title} (ZeroDivisionError: boom 0); the same" in " ".join(
        read_runs([tmp_path / "run"], unfinished=True).unfinished
    )
    run(tmp_path / "run", **SMALL)
    assert not list(notes.iterdir())
    run(tmp_path / "whole", **SMALL)
    assert_equal(tables(tmp_path / "run"), tables(tmp_path / "whole"))


def test_a_model_and_search_that_fail_alike_are_given_up_and_others_go_on(tmp_path: Path) -> None:
    ready, tried, said = prepared(tmp_path), [], StringIO()
    with before_each(failing(lambda unit: unit.search == "random", tried)), pytest.raises(UnitsFailed, match=r"; 3 more not tried; what"):
        finish_run(ready, Console(file=said, width=400))
    assert [unit.search for unit in tried] == ["random"] * IN_A_ROW + ["beam"] * 6
    assert said.getvalue().count("3 in a row, so toy-ar with random is given up") == 1


def test_failures_that_differ_or_are_not_in_a_row_give_nothing_up(tmp_path: Path) -> None:
    tried: list[WorkUnit] = []
    with before_each(failing(lambda unit: len(tried) % 3 != 0, tried)), pytest.raises(UnitsFailed, match=r"^8 units"):
        finish_run(prepared(tmp_path / "pairs"), Console(quiet=True))
    assert len(tried) == 12
    letters, tried = iter("abcdefghijkl"), []

    def step(unit: WorkUnit) -> None:
        tried.append(unit)
        raise ValueError(next(letters))

    with before_each(step), pytest.raises(UnitsFailed, match=r"^12 units"):
        finish_run(prepared(tmp_path / "letters"), Console(quiet=True))
    assert len(tried) == 12


@pytest.mark.parametrize("error", [Unwritten("no space"), OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
def test_what_would_hit_every_unit_ends_the_run_at_once(error: BaseException, tmp_path: Path) -> None:
    tried = []

    def step(unit: WorkUnit) -> None:
        tried.append(unit)
        if len(tried) == 2:
            raise error

    with before_each(step), pytest.raises(type(error)):
        finish_run(prepared(tmp_path), Console(quiet=True))
    assert (len(tried), parts(tmp_path)) == (2, 1)
    assert not (tmp_path / "failed").exists()


def test_a_lost_device_ends_the_run_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setbacks, "is_lost", lambda device: device.type == "cpu")
    with before_each(failing(lambda unit: True)), pytest.raises(ZeroDivisionError):
        finish_run(prepared(tmp_path), Console(quiet=True))


@pytest.mark.parametrize(("error", "lost"), [
    (None, False), (torch.OutOfMemoryError("CUDA out of memory"), False), (RuntimeError("CUDA error: an illegal memory access"), True),
])  # fmt: skip
def test_a_device_is_lost_that_answers_nothing_but_errors(error: Exception | None, lost: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def ones(*_: Any, **__: Any) -> torch.Tensor:
        if error:
            raise error
        return torch.zeros(1)

    monkeypatch.setattr(devices.torch, "ones", ones)
    assert is_lost(torch.device("cuda:0")) is lost
    assert not is_lost(torch.device("cpu"))


def test_the_loss_of_any_device_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setbacks, "is_lost", lambda device: device.index == 1)
    first, second = torch.device("cuda:0"), torch.device("cuda:1")
    assert setbacks.hits_all(RuntimeError(), [first, second])
    assert not setbacks.hits_all(RuntimeError(), [first])
    assert setbacks.hits_all(UndeclaredGrade("0.4"), [first]), "every unit has grades"


def test_a_unit_that_cannot_be_saved_is_one_that_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = prepared(tmp_path)
    first, save = ready.units[0].key, ready.store.save

    def broken(key: str, *rest: Any) -> None:
        if key == first:
            raise KeyError("a column")
        save(key, *rest)

    monkeypatch.setattr(ready.store, "save", broken)
    with pytest.raises(UnitsFailed, match="KeyError"):
        finish_run(ready, Console(quiet=True))
    assert parts(tmp_path) == len(ready.units) - 1


def test_no_shard_at_work_tries_a_failed_unit_again_and_a_later_command_does(tmp_path: Path) -> None:
    ready, tried = prepared(tmp_path), []
    bad = Shard(0, 2).of(ready.units)[1]
    ready.store.open(run_manifest(ready), shared=True)
    other = setbacks.Setbacks(ready.store, ready.units)
    fail, free = failing(lambda unit: unit.key == bad.key, tried), []

    def step(unit: WorkUnit) -> None:
        if any(one.key == bad.key for one in tried):
            with Claims(tmp_path) as claims:
                free.append(claims.take(bad.key))
        fail(unit)

    with before_each(step), pytest.raises(UnitsFailed):
        finish_shard(ready, Shard(0, 2), Console(quiet=True))
    assert [unit.key for unit in tried].count(bad.key) == 1
    assert all(free), "a shard that begins later has it"
    assert parts(tmp_path) == len(ready.units) - 1, "all others, of the other shard too"
    assert other.rules_out(bad), "a shard that was at work already"
    with pytest.raises(UnitsFailed):
        other.check()
    assert Claims(tmp_path).take(bad.key)
    assert finish_shard(prepared(tmp_path), Shard(1, 2), Console(quiet=True)) == ""


def test_a_unit_that_fails_as_it_is_claimed_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another shard had it until now: what is asked before it is free is asked again."""
    ready = prepared(tmp_path)
    ready.store.open(run_manifest(ready), shared=True)
    mine, theirs = (setbacks.Setbacks(ready.store, ready.units) for _ in range(2))
    take = Claims.take

    def late(claims: Claims, key: str) -> bool:
        theirs.note(ready.units[0], ValueError("boom"))
        return take(claims, key)

    monkeypatch.setattr(Claims, "take", late)
    with Claims(tmp_path) as claims:
        assert not work._free(ready, ready.units[0], claims, mine)


def test_the_command_reports_what_is_there_and_ends_with_the_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original, calls, reported = Store.save_image, itertools.count(), []

    def save(store: Store, image: Any) -> str:
        if next(calls) == 0:
            raise ValueError("boom")
        return original(store, image)

    monkeypatch.setattr(Store, "save_image", save)
    monkeypatch.setattr("harness.commands.finishing.build_report", lambda folders, out: reported.append((folders, out)))
    ended = call(*COMMAND, "--out", tmp_path)
    assert ended.exit_code == 1
    assert "vistas: failed: 1 unit: toy-ar random by toy-judge at 24 NFE" in ended.output
    assert reported == [([tmp_path], tmp_path / "report")]


def test_a_run_without_any_finished_unit_says_so_and_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "save_image", lambda *_: 1 / 0)
    ended = call(*COMMAND, "--out", tmp_path / "run")
    assert ended.exit_code == 1
    assert "no report: " in ended.output
    assert "vistas: failed: 6 units: " in ended.output
    assert "; and 3 more; 6 more not tried; what is finished" in ended.output
