"""A run that is killed or interrupted as a process of its own, at different moments, and finished by the same command."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from toy_runs import untimed

import harness.run.runner  # imported here once, so that every fork has them
import harness.search.beam
import harness.search.random  # noqa: F401
import suites.geneval.suite  # noqa: F401
from harness import cli
from harness.commands.exits import Terminated, end_at_sigterm

pytestmark = pytest.mark.usefixtures("toys", "unreported")

COMMAND = [
    "run", "geneval", "--model", "toy-ar", "--search", "random", "--search", "beam", "--verifier", "toy-judge",
    "--budget", "6,24", "--prompts", "6", "--set", "chunk=2", "--set", "metrics=[]",
]  # fmt: skip
PARTS = 6
SECONDS = 240
"""Far above what a busy machine needs."""


class Process:
    """The command in a fork of this process, which has everything imported; its stderr goes to a file."""

    def __init__(self, folder: Path, delay: float, log: Path) -> None:
        self.folder, self.log = folder, log
        self.pid = os.fork()
        if not self.pid:
            self._run(delay)

    def _run(self, delay: float) -> None:
        """In the child, which never returns to the tests."""
        code = 99
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            end_at_sigterm()
            sys.stderr = open(self.log, "w", buffering=1)  # noqa: SIM115
            os.environ["TOY_DELAY"] = str(delay)
            cli.app([*COMMAND, "--out", str(self.folder)], prog_name="vistas")
        except SystemExit as left:
            code = int(left.code or 0)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)

    def when_finished(self, units: int, signal_number: int) -> int:
        """Send a signal once so many units are finished; returns the exit code, negative for a signal."""
        deadline = time.monotonic() + SECONDS
        while self.parts() < units or not (self.folder / "images").exists():
            assert os.waitpid(self.pid, os.WNOHANG) == (0, 0), self.said()
            assert time.monotonic() < deadline
            time.sleep(0.002)
        os.kill(self.pid, signal_number)
        return self.wait()

    def wait(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def said(self) -> str:
        return self.log.read_text()

    def parts(self) -> int:
        return len(list((self.folder / "parts").glob("*.part")))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[Path, float], Process]]:
    processes: list[Process] = []

    def starter(folder: Path, delay: float) -> Process:
        processes.append(Process(folder, delay, tmp_path / f"{len(processes)}.log"))
        return processes[-1]

    yield starter
    for process in processes:
        try:
            os.kill(process.pid, signal.SIGKILL)
            os.waitpid(process.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass


def test_killed_and_interrupted_then_resumed_equals_uninterrupted(
    tmp_path: Path, start: Callable[[Path, float], Process]
) -> None:
    stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    terminated = start(stopped, 0.05)
    assert terminated.when_finished(1, signal.SIGTERM) == 143, terminated.said()
    assert re.search(rf"vistas: terminated: [12] finished units? (is|are) kept in {stopped};", terminated.said())
    for moment in (1, 2, 3):
        killed = start(stopped, 0.05)
        assert killed.when_finished(moment, signal.SIGKILL) < 0
        assert moment <= killed.parts() < PARTS

    interrupted = start(stopped, 0.05)
    assert interrupted.when_finished(4, signal.SIGINT) == 130, interrupted.said()
    said = interrupted.said()
    assert re.search(rf"vistas: interrupted: [45] finished units are kept in {stopped}; give the same command again to go on", said)
    assert "Traceback" not in said
    assert not (stopped / "selections.parquet").exists()

    resumed = start(stopped, 0)
    assert resumed.wait() == 0, resumed.said()
    assert re.search(r"going on: ([45]) of 6 units are there\n(.*\n)*.* units done now, \1 were there", resumed.said())
    assert start(whole, 0).wait() == 0
    for name, table in untimed(whole).items():
        pd.testing.assert_frame_equal(table, untimed(stopped)[name])
    assert not list(stopped.rglob("*.tmp"))


def test_two_processes_do_not_write_to_one_folder(tmp_path: Path, start: Callable[[Path, float], Process]) -> None:
    folder = tmp_path / "run"
    first = start(folder, 0.5)
    deadline = time.monotonic() + SECONDS
    while not (folder / "manifest.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.002)
    second = start(folder, 0)
    assert second.wait() == 2
    assert f"vistas: another process is writing to {folder}" in second.said()
    assert first.when_finished(0, signal.SIGKILL) < 0


def test_a_second_sigterm_does_not_cut_short_how_a_process_ends() -> None:
    """A scheduler may signal a job's processes and its shell, which passes the signal on."""
    pid = os.fork()
    if not pid:
        code = 1
        try:
            end_at_sigterm()
            os.kill(os.getpid(), signal.SIGTERM)
        except Terminated:
            os.kill(os.getpid(), signal.SIGTERM)
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
