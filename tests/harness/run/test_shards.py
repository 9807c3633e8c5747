"""Shards: real processes that share one run's folder leave what one process leaves."""

from __future__ import annotations

import errno
import fcntl
import io
import multiprocessing
import os
import re
import sys
import threading
import time
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import IO, Any

import pandas as pd
import pytest
from rich.console import Console
from toy_runs import before_each, untimed

import harness.run.runner  # imported here once, so that every fork has them
import harness.search.beam
import harness.search.random
import suites.geneval.suite  # noqa: F401
from harness import cli
from harness.commands import finishing
from harness.config import Settings
from harness.errors import WrongInput
from harness.run import work
from harness.run.prepared import prepare_run, run_manifest
from harness.run.runner import finish_shard
from harness.run.setbacks import Setbacks
from harness.run.shard import Shard, at_work, divided, or_join
from harness.run.units import WorkUnit
from results.claims import Claims
from results.files import InUse, alone, atomic, locked, locked_part, write_atomic
from results.store import Store

pytestmark = pytest.mark.usefixtures("toys")

COMMAND = [
    "run", "geneval", "--model", "toy-ar", "--search", "random", "--search", "beam", "--verifier", "toy-judge",
    "--budget", "6,24", "--prompts", "5", "--set", "chunk=1", "--set", "metrics=[]",
]  # fmt: skip
UNITS = 10


@pytest.fixture(autouse=True)
def _empty_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finishing, "build_report", lambda folders, out: out.mkdir(exist_ok=True))


def _command(arguments: list[str], delay: float, log: Path) -> None:
    os.environ["TOY_DELAY"] = str(delay)
    sys.stdout = sys.stderr = log.open("w")
    cli.app([*COMMAND, *arguments], prog_name="vistas")


def begin(folder: Path, *arguments: str, delay: float = 0.0) -> tuple[BaseProcess, Path]:
    log = folder.with_name(f"{folder.name}{'-'.join(arguments).replace('/', '-of-')}.log")
    process = multiprocessing.get_context("fork").Process(
        target=_command, args=([*arguments, "--out", str(folder)], delay, log)
    )
    process.start()
    return process, log


def end(process: BaseProcess, log: Path, code: int = 0) -> str:
    process.join(240)
    assert process.exitcode == code, log.read_text()
    return log.read_text()


def content(folder: Path) -> dict[str, bytes]:
    """Everything whose bytes no clock changes."""
    kept = [path for path in folder.rglob("*") if path.suffix == ".png" or path.name == "manifest.json"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in kept}


def test_two_processes_at_once_leave_what_one_leaves(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    both = [begin(two, "--shard", f"{number}/2", delay=0.02) for number in (0, 1)]
    seen = 0
    while all(process.is_alive() for process, _ in both):
        seen = max(seen, len(list((two / "parts").glob("*.part"))))
        time.sleep(0.005)
    assert seen  # while both were at work
    said = [end(*shard) for shard in both]
    assert sum("finished" in text and "shard" in text for text in said) == 1, said
    assert (two / "report").is_dir()
    end(*begin(one))
    for name, table in untimed(one).items():
        pd.testing.assert_frame_equal(table, untimed(two)[name])
    assert content(one) == content(two)
    assert [making.shards for making in Store(two).makings().values()] == [2] * UNITS
    assert not list(two.rglob("*.tmp"))


def test_a_shard_alone_does_what_others_never_begin(tmp_path: Path) -> None:
    one, folder = tmp_path / "one", tmp_path / "run"
    said = end(*begin(folder, "--shard", "1/3"))
    helped = r"helping other shards: 7 units not done, \d of shard 0/3 \(not at work\), \d of shard 2/3 \(not at work\)\n"
    assert re.search(helped, said)
    last = r"unit 1 of 7: toy-ar .*, of shard [02]/3, as nobody works on it\n"
    assert re.search(last, said), "of whom the unit is that is begun first"
    assert "7 units done to help" in said
    assert (folder / "report").is_dir()
    end(*begin(one))
    assert content(one) == content(folder)
    assert not list(folder.glob(".claim-*"))


SECONDS: dict[str, Any] = {
    "suite": "geneval", "models": ("toy-ar",), "searches": ("random:candidates=3",), "verifiers": ("toy-judge",), "budgets": (60,),
    "unit": "seconds", "prompts": 3, "chunk": 1, "metrics": (),
}  # fmt: skip


def _shard_under_seconds(folder: Path, number: int, log: Path) -> None:
    said: list[str] = []
    run = prepare_run(Settings(**SECONDS), folder, shared=True, say=said.append)
    finish_shard(run, Shard(number, 3), Console(quiet=True))
    log.write_text("\n".join(said))


def test_of_shards_begun_together_under_seconds_one_measures_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_DELAY", "0.02")
    logs = [tmp_path / f"{number}.log" for number in range(3)]
    fork = multiprocessing.get_context("fork")
    shards = [fork.Process(target=_shard_under_seconds, args=(tmp_path / "run", number, log)) for number, log in enumerate(logs)]
    for shard in shards:
        shard.start()
    said = [end(*one) for one in zip(shards, logs, strict=True)]
    assert sum("calibrating: " in text for text in said) == 1, said
    assert len(list((tmp_path / "run" / "parts").glob("*.part"))) == 3


def test_a_shard_waits_to_begin_while_another_measures(tmp_path: Path) -> None:
    run = prepare_run(Settings(**SECONDS), tmp_path, shared=True)
    waits: list[int] = []
    with pytest.raises(TimeoutError), alone(tmp_path, lambda: waits.append(1) or _give_up()):
        pass
    finish_shard(run, Shard(0, 2), Console(quiet=True))
    other = prepare_run(Settings(**SECONDS), tmp_path, shared=True, say=lambda line: None)
    assert other.session.calibrations == run.session.calibrations
    assert (len(waits), other.opening) == (1, None)
    with alone(tmp_path, _give_up):
        pass


def _give_up() -> None:
    raise TimeoutError


def test_a_unit_that_another_process_has_is_left_to_it(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    end(*begin(folder))
    parts = sorted((folder / "parts").glob("*.part"))
    for part in parts[:2]:
        part.unlink()
    (folder / f".claim-{parts[1].stem}").touch()  # left by a process that was killed
    claims = Claims(folder)
    assert claims.take(parts[0].stem)
    assert not Claims(folder).take(parts[0].stem)
    assert "shard 0/1 is finished, 1 unit of others is missing: give this command again" in end(*begin(folder, "--shard", "0/1"))
    assert [part.exists() for part in parts[:2]] == [False, True]
    claims.settle(parts[0].stem)
    assert "1 unit done now, 9 were there" in end(*begin(folder, "--shard", "0/1"))
    assert parts[0].exists()


def test_units_of_a_process_that_dies_are_done_by_who_is_still_at_work(tmp_path: Path) -> None:
    """It had one of another shard, helping, and the last of the run, which helpers come to first."""
    settings = Settings(suite="geneval", models=("toy-ar",), searches=("random",), verifiers=("toy-judge",), budgets=(6,), prompts=6,
                        chunk=1, metrics=())  # fmt: skip
    run = prepare_run(settings, tmp_path / "run")
    run.store.open(run_manifest(run), shared=True)
    mine, last = Shard(0, 2).of(run.units), run.units[-1]
    assert last not in mine
    dying, made = Claims(run.store.folder), []
    assert dying.take(mine[0].key)
    assert dying.take(last.key)

    def step(unit: WorkUnit) -> None:
        made.append(unit)
        if unit not in mine:
            dying.__exit__(None, None, None)

    with before_each(step):
        assert finish_shard(run, Shard(0, 2), Console(quiet=True)) == "", "nothing is missing"
    assert len(made) == 6
    assert made[-2:] == [mine[0], last], "once it is dead"


def test_a_shard_in_work_is_not_begun_twice_and_no_plain_run_joins(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    with locked_part(folder, Shard(0, 2).lock):
        joining = f"shard 0/2 is at work in {folder}: to join, give this command with --shard 1/2; or wait, or give another folder"
        assert joining in end(*begin(folder), code=2)
        again = f"another process is writing to {folder} as this very shard: wait"
        assert again in end(*begin(folder, "--shard", "0/2"), code=2)
        assert "others are in work" in end(*begin(folder, "--shard", "1/2"))


def test_whoever_finds_shards_at_work_is_told_how_to_join(tmp_path: Path) -> None:
    with locked_part(tmp_path, Shard(0, 3).lock), locked_part(tmp_path, Shard(1, 3).lock):
        assert at_work(tmp_path) == [Shard(0, 3), Shard(1, 3)]
        with pytest.raises(InUse, match=r"^shards 0/3, 1/3 are at work .* --shard 2/3; or wait"), or_join(tmp_path), locked(tmp_path):
            pass
        with locked_part(tmp_path, Shard(2, 3).lock), pytest.raises(InUse, match="--shard 3/4"), or_join(tmp_path), locked(tmp_path):
            pass
    assert at_work(tmp_path) == [], "their files are left, and nobody holds them"
    with locked(tmp_path), pytest.raises(InUse, match="another process is writing"), or_join(tmp_path), locked(tmp_path):
        pass
    with or_join(tmp_path), locked(tmp_path):
        pass


def test_a_helper_says_who_is_at_work_and_who_is_not(tmp_path: Path) -> None:
    settings = Settings(suite="geneval", models=("toy-ar",), searches=("random",), verifiers=("toy-judge",), budgets=(6,), prompts=6,
                        chunk=1, metrics=())  # fmt: skip
    run, said = prepare_run(settings, tmp_path / "run"), io.StringIO()
    run.store.open(run_manifest(run), shared=True)
    with locked_part(run.store.folder, Shard(1, 3).lock), locked_part(run.store.folder, Shard(0, 3).lock):
        work.help_others(run, Shard(0, 3), Console(file=said, width=200), Setbacks(run.store, run.units))
    assert "6 units not done, 2 of shard 0/3, 2 of shard 1/3, 2 of shard 2/3 (not at work)\n" in said.getvalue()


def test_of_shards_of_another_division_it_is_not_said_who_is_not_at_work(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    with locked_part(folder, Shard(0, 2).lock):
        said = end(*begin(folder, "--shard", "3/4"))
    assert re.search(r"helping other shards: \d units not done, \d of shard 0/4, \d of shard 1/4, \d of shard 2/4\n", said)


def test_a_shard_begins_while_another_looks_who_is_at_work(tmp_path: Path) -> None:
    looks = (tmp_path / ".lock-0-of-2").open("w+b")
    fcntl.flock(looks, fcntl.LOCK_SH)
    threading.Timer(0.1, looks.close).start()
    with locked_part(tmp_path, ".lock-0-of-2"):
        assert at_work(tmp_path) == [Shard(0, 2)]


def test_a_shard_waits_for_one_that_only_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("results.files.PATIENCE_SECONDS", 0.2)
    with locked(tmp_path), pytest.raises(WrongInput, match="another process is writing"), locked_part(tmp_path, ".lock-0-of-2"):
        pass
    with locked_part(tmp_path, ".lock-0-of-2"), locked_part(tmp_path, ".lock-1-of-2"), alone(tmp_path):
        pass


def test_locks_are_taken_as_nfs_gives_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There flock is a lock of bytes: shared on what is open for reading, exclusive on what is open for writing (flock(2))."""
    asked = []

    def over_nfs(file: IO[bytes], kind: int) -> None:
        asked.append(kind)
        if not (file.readable() if kind & fcntl.LOCK_SH else file.writable()):
            raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr(fcntl, "flock", over_nfs)
    with locked_part(tmp_path, ".lock-0-of-2"), alone(tmp_path), Claims(tmp_path) as claims:
        assert claims.take("unit")
    with locked(tmp_path):
        pass
    assert any(kind & fcntl.LOCK_SH for kind in asked)


def _write(path: Path, letter: bytes) -> None:
    for _ in range(200):
        write_atomic(path, letter * 20_000, sync=False)


def test_two_processes_may_write_one_file(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    both = [fork.Process(target=_write, args=(tmp_path / "image", letter)) for letter in (b"a", b"b")]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
    assert [process.exitcode for process in both] == [0, 0]
    assert (tmp_path / "image").read_bytes() in (b"a" * 20_000, b"b" * 20_000)


def test_two_machines_may_write_one_file_by_the_same_process_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getpid", lambda: 7)
    with atomic(tmp_path / "image") as one, atomic(tmp_path / "image") as other:
        one.write(b"a")
        other.write(b"b")
    assert (tmp_path / "image").read_bytes() in (b"a", b"b")
    assert [path.name for path in tmp_path.iterdir()] == ["image"]


@pytest.mark.parametrize("text", ["2/2", "-1/2", "1", "0/0", "a/b", "1/2/3", ""])
def test_a_wrong_shard_is_one_sentence(text: str) -> None:
    with pytest.raises(WrongInput, match="is not K/N with K from 0 to N - 1"):
        Shard.parse(text)


@dataclass(frozen=True)
class Unit:
    name: int
    planned_flops: float


def test_shards_are_all_units_once_in_the_order_of_the_run() -> None:
    units = [Unit(name, flops) for name, flops in enumerate([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5])]
    parts = [Shard(number, 4).of(units) for number in range(4)]
    assert sorted((unit for part in parts for unit in part), key=lambda unit: unit.name) == units
    assert all(part == sorted(part, key=lambda unit: unit.name) for part in parts)
    assert [sum(unit.planned_flops for unit in part) for part in parts] == [12, 11, 11, 10]


def test_units_that_cost_nothing_are_divided_by_number() -> None:
    assert [len(Shard(number, 3).of([Unit(name, 0.0) for name in range(8)])) for number in range(3)] == [3, 3, 2]


def test_a_unit_that_is_most_of_a_run_leaves_the_rest_to_other_shards(tmp_path: Path) -> None:
    """The prompts of `adaptive` share a total and are one unit."""
    settings = Settings(
        suite="geneval", models=("toy-ar",), searches=("random", "adaptive"), verifiers=("toy-judge",), budgets=(24,), prompts=5, chunk=1,
        metrics=(),
    )  # fmt: skip
    units = prepare_run(settings, tmp_path / "run").units
    one, other = divided(units, 2)
    assert [unit.search for unit in one] == ["adaptive"]
    assert [unit.search for unit in other] == ["random"] * 5
    assert [[unit.key for unit in part] for part in divided(prepare_run(settings, tmp_path / "again").units, 2)] == [
        [unit.key for unit in part] for part in (one, other)
    ], "every process comes to the same division"


def test_a_run_begun_under_another_division_is_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(Shard, "of", lambda shard, units: units[shard.number :: shard.count])
        patch.setattr(harness.run.runner, "help_others", lambda *given: None)
        end(*begin(folder, "--shard", "0/2"))
    old = {path.name: path.stat().st_mtime_ns for path in (folder / "parts").iterdir()}
    assert len(old) == UNITS // 2
    for number in range(2):
        end(*begin(folder, "--shard", f"{number}/2"))
    new = {path.name: path.stat().st_mtime_ns for path in (folder / "parts").iterdir()}
    assert len(new) == UNITS
    assert old.items() <= new.items(), "no unit was made twice"
    assert (folder / "report").is_dir()
