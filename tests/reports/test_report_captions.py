"""What stands beside figures and tables: bands or bars, intervals that are too narrow, seconds that are too long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reports import curves, style
from reports.answer import answer
from reports.certainty import intervals_drawn
from reports.comparison_tables import equal_tables, paired_table
from reports.load import read_runs
from reports.overlap import TOO_NARROW
from reports.same_budget import shared
from reports.summary import Summary, summarise
from reports.tables import results_table

MakeRun = Callable[..., Path]


@pytest.fixture
def of_one_budget(make_tables: MakeRun, tmp_path: Path) -> Callable[..., Summary]:
    def made(folder: str = "run", **asked: object) -> Summary:
        few = {"budgets": (28,), "models": {"a": "ar"}, "searches": ("random", "greedy", "smc"), "verifiers": ("shapes-clip",)}
        return summarise(read_runs([make_tables(tmp_path / folder, **{**few, "tasks": ("colors", "counting"), "prompts": 8, **asked})]))

    return made


def test_bars_of_methods_that_spent_the_same_stand_side_by_side(of_one_budget: Callable[..., Summary]) -> None:
    summary = of_one_budget()
    same = replace(summary, points=summary.points.assign(nfe=28.0, mean=0.7, low=0.6, high=0.8))
    with style.context():
        figure = curves.main_figure(same, "shapes-clip")(False)
        figure.draw_without_rendering()
        axes = figure.axes[0]
        bars = [line for container in axes.containers for line in container.lines[2]]
        places = [float(bar.get_transform().transform(bar.get_paths()[0].vertices)[0, 0]) for bar in bars]
        assert len(places) == 3
        assert np.diff(sorted(places)) == pytest.approx([6 * figure.dpi / 72] * 2)
        assert np.mean(places) == pytest.approx(axes.transData.transform((28, 0.7))[0])
        apart = summary.points.assign(nfe=summary.points["search"].map({"random": 10.0, "greedy": 28.0, "smc": 90.0}))
        axes = curves.main_figure(replace(summary, points=apart), "shapes-clip")(False).axes[0]
        assert all(line.get_transform() == axes.transData for line in axes.lines if line.get_marker() == "o")


def test_what_is_drawn_aside_lies_within_the_axes(of_one_budget: Callable[..., Summary]) -> None:
    summary = of_one_budget()
    means = summary.points["search"].map({"random": 0.5, "greedy": 0.9, "smc": 0.2})
    points = summary.points.assign(nfe=28.0, mean=means, low=means - 0.1, high=means + 0.1)
    spread = replace(summary, points=points)
    low, high = curves.main_figure(spread, "shapes-clip")(False).axes[0].get_ylim()
    assert low <= 0.1
    assert high >= 1.0


def test_the_caption_says_what_is_drawn(of_one_budget: Callable[..., Summary]) -> None:
    bars = "Bars: 95 % intervals over prompts. Methods that spent about the same stand side by side, a little off what they spent."
    assert intervals_drawn(of_one_budget()) == bars
    assert intervals_drawn(of_one_budget("more", budgets=(28, 56))) == "Bands: 95 % intervals over prompts."
    assert intervals_drawn(of_one_budget("both", budgets=(14, 28))).startswith("Bands (bars where a method has one budget): 95 %"), "greedy"
    assert intervals_drawn(of_one_budget("few", prompts=2)) == "No bars: 4 prompts are too few (at least 5)."


def test_where_a_number_of_adaptive_is_its_interval_is_said_to_be_too_narrow(of_one_budget: Callable[..., Summary]) -> None:
    summary, plain = of_one_budget(searches=("random", "adaptive"), budgets=(14, 28)), of_one_budget("plain")
    assert intervals_drawn(summary) == "Bands: 95 % intervals over prompts; those of adaptive are too narrow."
    for one, told in ((summary, True), (plain, False)):
        captions = [equal_tables(one, "shapes-clip", shared(one, "shapes-clip"))[0].caption, paired_table(one).caption,
                    results_table(one, "shapes-clip", "results").caption]  # fmt: skip
        assert [TOO_NARROW in text for text in captions] == [told] * 3
        assert (TOO_NARROW in answer(one).sentences) == told
    few = of_one_budget("few", searches=("random", "adaptive"), prompts=2)
    assert TOO_NARROW not in answer(few).sentences, "there is no interval"
