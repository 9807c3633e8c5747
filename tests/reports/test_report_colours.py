"""Figures tell methods apart: by colour whatever the reader's colour vision, and without a legend upon what is drawn."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reports import style
from reports.curves import main_figure
from reports.load import read_runs
from reports.reliability import reliability_figure
from reports.style import SEARCH_COLOURS, context, looks
from reports.summary import Summary, summarise
from reports.tables import Table

VISION = {
    "usual": np.eye(3),
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
"""On linear RGB, at full severity: Machado, Oliveira and Fernandes (2009)."""
TO_XYZ = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
SEARCHES = ("random", "beam:width=2", "greedy", "halving")


def lab(colour: str, vision: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of a colour as it is seen."""
    share = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    x, y, z = np.cbrt(np.asarray(TO_XYZ) @ np.clip(np.asarray(vision) @ linear, 0, 1) / [0.95047, 1, 1.08883])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("vision", VISION)
def test_colours_of_searches_are_told_apart_by_every_eye(vision: str) -> None:
    """A difference of 2.3 is just seen; half of these pairs' least would still be plain on thin lines."""
    seen = [lab(colour, VISION[vision]) for colour in SEARCH_COLOURS]
    assert min(np.linalg.norm(one - other) for one, other in combinations(seen, 2)) > 12


@pytest.fixture
def summary_of(make_tables: Callable[..., Path], tmp_path: Path) -> Callable[..., Summary]:
    def make(**models: str) -> Summary:
        run = make_tables(tmp_path / "run", models=models, searches=SEARCHES, prompts=3, budgets=(28, 56), picture_px=12)
        return summarise(read_runs([run]))

    return make


def test_searches_of_one_model_have_colours(summary_of: Callable[..., Summary]) -> None:
    summary = summary_of(infinity="ar")
    colours = {method.search: look.colour for method, look in looks(summary).items()}
    assert len(set(colours.values())) == len(SEARCHES)
    assert colours["random"] == SEARCH_COLOURS[0]
    with context():
        for axes in main_figure(summary, summary.runs.verifiers[0])(False).axes:
            assert {line.get_color() for line in axes.lines} == set(colours.values())
            assert len({tuple(band.get_facecolor()[0]) for band in axes.collections}) == len(SEARCHES)


def test_searches_of_one_model_have_markers_of_their_own() -> None:
    markers = [str(marker) for _, marker in style._LINES]
    assert len(set(markers)) == len(markers) >= 14
    assert not {"h", "H", "p", "8"} & set(markers), "as small as they are drawn these are circles"


@pytest.mark.parametrize("models", [["a"], ["a", "b"], ["a", "b", "c"]])
def test_points_of_reliability_stand_at_their_time(models: list[str]) -> None:
    """Side by side by a shift in points: the axis still says what was measured, and none is beyond it."""
    measured = dict(verifier="v", grades="verdicts", within=0.8, within_low=0.6, within_high=0.9, seconds=0.002)
    rows = [measured | {"model": model} for model in models]
    with context():
        figure = reliability_figure(Table("reliability", "", "", (), pd.DataFrame(rows)))
        figure.draw_without_rendering()
    (axes,) = figure.axes
    drawn = [container.lines[0] for container in axes.containers]
    assert {tuple(line.get_xdata()) for line in drawn} == {(2.0,)}
    seen = [line.get_transform().transform(line.get_xydata())[0] for line in drawn]
    assert len({round(float(x)) for x, _ in seen}) == len(models)
    assert np.mean([x for x, _ in seen]) == pytest.approx(axes.transData.transform((2.0, 0.8))[0])
    low, high = axes.get_ylim()
    assert low < 0.5 < 0.9 < high


def test_of_two_models_each_has_one_colour(summary_of: Callable[..., Summary]) -> None:
    colours = {(method.model, look.colour) for method, look in looks(summary_of(infinity="ar", flux="diffusion")).items()}
    assert len(colours) == len({colour for _, colour in colours}) == 2


@pytest.mark.parametrize("models", [["shapes-infinity"], [f"shapes-infinity:preview_shrink={n}" for n in range(4)]])
def test_the_legend_of_reliability_is_above_what_is_drawn(models: list[str]) -> None:
    """Verifiers no better than chance, down to the last."""
    rows = [dict(verifier=str(n), model=model, grades="verdicts", within=0.5, within_low=0.4, within_high=0.6, seconds=0.01 * (n + 1))
            for n in range(3) for model in models]  # fmt: skip
    with context():
        figure = reliability_figure(Table("reliability", "", "", (), pd.DataFrame(rows)))
        figure.draw_without_rendering()
    box, (legend,) = figure.axes[0].get_window_extent(), figure.legends
    assert legend.get_window_extent().y0 >= box.y1
    assert legend.get_window_extent().y1 <= figure.bbox.y1 + 1
    assert [text.get_text() for text in legend.get_texts()] == models
