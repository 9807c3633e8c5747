"""`vistas plan`: what is foretold is what a run does."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from harness import registry, run_commands
from harness.cli import app
from harness.ledger import COST_COLUMNS

sys.path.insert(0, str(Path(__file__).parent))
import toy_world

ASKED = ["geneval", "--model", "toy-ar", "--model", "toy-diffusion", "--verifier", "toy-judge", "--prompts", "6",
         "--seed", "0", "--seed", "1", "--set", "metrics=[]"]  # fmt: skip


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    for table, toys in ((registry.MODELS, toy_world.MODELS), (registry.VERIFIERS, toy_world.VERIFIERS)):
        for name, entry in toys.items():
            monkeypatch.setitem(table, name, entry)  # type: ignore[arg-type]


def call(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), prog_name="vistas")
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("budget", [["--budget", "6,26"], ["--budget", "800,2500", "--unit", "flops"]])
def test_the_totals_are_those_of_the_run(budget: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_commands, "_build_report", lambda *_: None)
    foretold = json.loads(call("plan", *ASKED, *budget, "--json"))["searches"]
    assert not list(tmp_path.iterdir())
    call("run", *ASKED, *budget, "--out", str(tmp_path))
    found = pd.read_parquet(tmp_path / "selections.parquet").groupby(["model", "search", "budget"])
    assert len(found) == len(foretold) > 5
    for one in foretold:
        rows = found.get_group((one["model"], one["search"], one["budget"]))
        assert one["prompts"] * one["seeds"] == len(rows)
        for column in (name for name in COST_COLUMNS if not name.endswith("seconds")):
            assert one["total"][column] == rows[column].sum(), column
            assert one["per_prompt"][column] == {"least": rows[column].min(), "most": rows[column].max()}
        left = one["budget"] - rows[one["unit"]]
        assert one["unused"] == {"least": pytest.approx(left.min()), "most": pytest.approx(left.max())}
        assert "seconds" not in one["total"]


def test_it_says_what_is_chosen_what_is_unused_and_what_is_skipped() -> None:
    shown = call("plan", *ASKED, "--search", "random", "--search", "beam", "--budget", "14")
    assert "toy-ar with random by toy-judge at 14 NFE a prompt" in shown
    assert "chosen      candidates 4" in shown
    assert "12 NFE" in shown
    assert "passes      9: 1 4 4 by step" in shown
    assert "unused      2 NFE (14.3%)" in shown
    assert "skipped toy-diffusion with beam: " in shown
    assert "skipped toy-ar with beam at 14 NFE" in shown
    assert "no time is estimated: --calibrate measures every operation first" in shown


def test_time_is_estimated_from_a_calibration() -> None:
    asked = ["plan", *ASKED, "--search", "random", "--budget", "6"]
    shown = call(*asked, "--calibrate")
    assert "no time is estimated" not in shown
    assert re.search(r"about \d+ s of searching in all; loading, grading and the report come on top", shown)
    values = json.loads(call(*asked, "--calibrate", "--json"))
    one = values["searches"][0]
    assert one["total"]["seconds"] > one["total"]["verifier_seconds"] > 0
    assert values["computed_seconds"] == pytest.approx(sum(each["total"]["seconds"] for each in values["searches"]))


def test_a_pool_that_serves_several_budgets_is_timed_once() -> None:
    asked = ["plan", *ASKED, "--search", "random", "--budget", "6,12", "--calibrate", "--json"]
    values = json.loads(call(*asked))
    largest = [one["total"]["seconds"] for one in values["searches"] if one["budget"] == 12]
    assert values["computed_seconds"] == pytest.approx(sum(largest))


def test_every_pair_is_in_one_line_of_the_overview() -> None:
    lines = call("plan", *ASKED, "--search", "random", "--search", "beam", "--budget", "14,28").splitlines()
    table = lines[next(n for n, line in enumerate(lines) if line.startswith("pair ")) :]
    assert table[0].split() == ["pair", "budget", "used", "FLOPs"]
    assert table[1].split()[:5] == ["toy-ar", "random", "14", "NFE", "86%"]
    assert table[2].split()[:4] == ["toy-ar", "random", "28", "NFE"]


def test_a_budget_reads_as_a_report_has_it_and_looks_are_accounted_for() -> None:
    asked = [*ASKED, "--search", "adaptive:search=beam:score=preview"]
    shown = call("plan", *asked, "--budget", "40", "--unit", "images")
    assert "toy-ar with adaptive:search=beam:score=preview by toy-judge at 40 images a prompt" in shown
    assert re.search(r"chosen      rounds \d, search \(width 2, candidates \d, score preview\)\n", shown)
    looks, images, unused = (
        int(found[1]) for pattern in (r"counted     (\d+) looks at previews, each as an image", r" (\d+) images, \d+ verifier calls",
                                      r"unused      about (\d+) image")
        if (found := re.search(pattern, shown))
    )  # fmt: skip
    assert looks + images + unused == 40
    timed = call("plan", *ASKED, "--search", "random", "--budget", "0.05", "--unit", "seconds")
    assert re.search(r"unused      [\d.]+ m?s( to [\d.]+ m?s)? \(", timed)
