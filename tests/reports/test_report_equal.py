"""Reading curves at equal compute, and the words made of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reports import numbers
from reports.answer import answer
from reports.equal import common_range, compare, read_at
from reports.load import read_runs
from reports.points import Summary, summarise
from reports.style import round_ticks, slug


@pytest.fixture(scope="module")
def summary(make_run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Summary:
    run = make_run(tmp_path_factory.mktemp("equal") / "run", budgets=(14, 56, 224), prompts=6, picture_px=12)
    return summarise(read_runs([run]))


def test_a_measured_point_is_read_as_it_is(summary: Summary) -> None:
    for method in summary.methods:
        for _, point in summary.curve(method, "shapes-clip", "grade").iterrows():
            values = read_at(summary, method, "flops", point["flops"], "shapes-clip")
            assert summary.bootstrap.overall(values) == pytest.approx((point["mean"], point["low"], point["high"]))


def test_between_points_the_curve_is_linear_in_the_logarithm(summary: Summary) -> None:
    method = summary.methods[0]
    curve = summary.curve(method, "shapes-clip", "grade")
    middle = math.sqrt(curve["nfe"].iloc[0] * curve["nfe"].iloc[1])
    values = read_at(summary, method, "nfe", middle, "shapes-clip")
    assert np.mean(values) == pytest.approx(curve["mean"].iloc[:2].mean())
    assert read_at(summary, method, "nfe", curve["nfe"].max() * 1.01, "shapes-clip") is None


def test_all_methods_reach_the_common_range(summary: Summary) -> None:
    for unit in ("nfe", "flops", "seconds"):
        low, high = common_range(summary, unit, "shapes-reward")
        for amount in (low, high):
            found = compare(summary, unit, amount, "shapes-reward")
            assert len(found.standings) == len(summary.methods)
            assert found.best.behind == (0.0, 0.0, 0.0)
            assert [s.mean for s in found.standings] == sorted((s.mean for s in found.standings), reverse=True)


def test_the_answer_names_every_unit_with_numbers(summary: Summary) -> None:
    found = answer(summary)
    assert [verdict.unit for verdict in found.verdicts] == ["NFE", "FLOPs", "seconds"]
    text = " ".join(found.sentences)
    assert "36 prompts" in text
    assert "Guided by shapes-clip instead" in text
    for comparison, verdict in zip(found.comparisons[2::3], found.verdicts, strict=True):
        assert verdict.clear == all(s.behind[1] > 0 for s in comparison.standings[1:])


def test_a_method_out_of_reach_is_left_out_and_named(make_run: Callable[..., Path], tmp_path: Path) -> None:
    few = {"tasks": ("colors",), "verifiers": ("shapes-clip",)}
    most = make_run(tmp_path / "a", budgets=(14, 56), searches=("random",), **few)
    dear = make_run(tmp_path / "b", budgets=(448,), searches=("beam",), models={"shapes-infinity": "ar"}, **few)
    found = answer(summarise(read_runs([most, dear])))
    assert len(found.verdicts) == 3
    assert all("not comparable there: shapes-infinity + beam (spent" in text for text in found.sentences[-3:])


def test_methods_without_a_common_amount_are_not_compared(
    make_run: Callable[..., Path], tmp_path: Path
) -> None:
    cheap = make_run(tmp_path / "a", models={"shapes-infinity": "ar"}, budgets=(14,), searches=("random",), tasks=("colors",))
    dear = make_run(tmp_path / "b", models={"shapes-flux": "diffusion"}, budgets=(112,), searches=("random",), tasks=("colors",))
    found = answer(summarise(read_runs([cheap, dear])))
    assert "share no amount of compute" in found.headline
    assert not found.verdicts


@pytest.mark.parametrize(("low", "high"), [(13, 16), (10, 1000), (0.3, 4e6), (1e9, 6e10), (99, 101)])
def test_round_ticks_are_few_and_inside(low: float, high: float) -> None:
    ticks = round_ticks(low, high)
    assert 1 <= len(ticks) <= 6
    assert all(low <= tick <= high for tick in ticks)


def test_numbers_in_words() -> None:
    assert numbers.amount(1.23e9, "flops") == "1.23 GFLOP"
    assert numbers.amount(0.012, "seconds") == "12 ms"
    assert numbers.amount(112.0, "nfe") == "112"
    assert numbers.score(0.712, 0.6, 0.8) == "0.71 [0.60, 0.80]"
    assert numbers.score(0.5) == "0.50"
    assert numbers.score(math.nan) == "–"
    assert numbers.difference(-0.101, -0.2, 0.001) == "−0.10 [−0.20, 0.00]"
    assert slug("../Ä b/<x>") == "b-x"
