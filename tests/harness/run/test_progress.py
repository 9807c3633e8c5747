"""What a person sees of a run in work: which unit, how many of how many are done, and how long it takes."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from harness.compute.ledger import Budget, Unit
from harness.run.progress import RunProgress
from harness.run.units import WorkUnit
from models.base import ModelCard
from suites.base import Prompt
from verifiers.base import VerifierCard


def unit(*ids: str) -> WorkUnit:
    prompts = tuple(Prompt(name, "a red circle", "colors") for name in ids)
    budgets = {"shapes-reward": (Budget(5e9, Unit.FLOPS), Budget(1.3e10, Unit.FLOPS))}
    card = ModelCard("shapes-infinity", "ar", "shapes", 6, (64, 64), 1, "0" * 64, "none")
    judges = {"shapes-reward": VerifierCard("shapes-reward", "shapes", (0.0, 1.0), ("shapes-reward",), "1" * 64, "none")}
    return WorkUnit(model="shapes-infinity", card=card, search="beam:width=2,score=preview", verifiers=judges, metrics={},
                    suite="geneval@shapes", suite_version="1", budgets=budgets, seed=0, prompts=prompts, keep=frozenset(),
                    planned_flops=1.0)  # fmt: skip


def shown(title: str, terminal: bool, width: int = 80) -> list[str]:
    """Lines after the first of two units, of twelve of which three were there before."""
    console = Console(file=io.StringIO(), force_terminal=terminal, width=width, soft_wrap=not terminal)
    with RunProgress(console, 12, 3, 9.0) as progress:
        progress.begin(title)
        progress.finish(title, 24, 1.0)
        progress.begin(title)
    assert isinstance(console.file, io.StringIO)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", console.file.getvalue()).replace("\r", "\n").splitlines()


def test_a_unit_is_named_by_model_search_verifier_budget_seed_and_prompts() -> None:
    title = "shapes-infinity beam:width=2,score=preview by shapes-reward at 5, 13 GFLOP, seed 0, "
    assert unit("colors-00001").title == title + "prompt colors-00001"
    assert replace(unit("colors-00001"), seed=7).title == title.replace("seed 0", "seed 7") + "prompt colors-00001"
    assert unit("colors-00001", "colors-00002", "counting-00003").title == title + "3 prompts, colors-00001 to counting-00003"


@pytest.mark.parametrize("width", [80, 120])
def test_a_terminal_shows_the_unit_and_has_room_for_the_figures(width: int) -> None:
    lines = shown(unit(*(f"a-rather-long-prompt-{n}" for n in range(24))).title, terminal=True, width=width)
    assert [line for line in lines if line.startswith("shapes-infinity beam:width=2,score=preview by shapes-reward at 5, 13 ")]
    assert re.search(r" 4/12 units [0-9.]+ images/s, [0-9]+ s left [0-9]:[0-9:]+$", lines[-1].rstrip()), lines[-1]
    assert all(len(line) <= width for line in lines)


def test_elsewhere_one_line_names_the_first_unit() -> None:
    assert shown("a unit", terminal=False) == ["unit 4 of 12: a unit"]


def test_what_is_only_measured_tells_nothing_of_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 100.0, 120.0, 220.0])
    monkeypatch.setattr("harness.run.progress.time.perf_counter", lambda: now)
    now = next(clock)
    console = Console(file=io.StringIO(), width=200)
    with RunProgress(console, 4, 0, 2.0) as progress:
        for images, flops in ((50, 0.0), (8, 1.0), (50, 0.0)):
            now = next(clock)
            progress.finish("a unit", images, flops)
    first, second, third = console.file.getvalue().splitlines() if isinstance(console.file, io.StringIO) else []
    assert first == "1 of 4 units, time left not known yet (last: a unit)"
    assert third == "3 of 4 units, 0.4 images/s, 20 s left (last: a unit)", second
