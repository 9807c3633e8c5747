"""One small plot of score against compute: a line a method, bands of 95 % intervals over prompts."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import offset_copy
from numpy.typing import NDArray

from reports.statistics import OVERALL
from reports.strata import Floats
from reports.style import QUIET, SURFACE, Look, log_axis
from reports.summary import Method, Summary, is_random

AXIS_LABELS = {
    "images": "images per prompt (finished ones; previews not counted)",
    "nfe": "NFE per prompt (transformer passes)",
    "flops": "FLOPs per prompt (model, decoder, text, verifier)",
    "seconds": "seconds per prompt (verification included)",
}
_SHARE = (-0.06, 1.06)
"""Range of a share of images, with room for whole markers."""
_MARKER, _RIM, _FAINT = 5.4, 3.2, 3.4
"""Size of a marker in points, what it grows by for each that lies upon it, and the size where a method does not stand out."""

_NEAR, _BESIDE = 1.06, 6.0
"""Single points whose amounts differ by less than this factor stand side by side, so many points apart."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One small plot: which unit, guiding verifier, metric and task it shows, and its heading."""

    title: str
    unit: str
    verifier: str
    metric: str
    task: str = OVERALL


class _Curve(NamedTuple):
    """What a panel draws of a method, ordered along its unit: `single` points are one image of random search."""

    x: Floats
    mean: Floats
    low: Floats
    high: Floats
    single: NDArray[np.bool_]

    @property
    def points(self) -> list[tuple[float, float]]:
        """Spent amount and mean of each point."""
        return list(zip(self.x.tolist(), self.mean.tolist(), strict=True))


def draw(axes: Axes, summary: Summary, panel: Panel, styles: Mapping[Method, Look]) -> None:
    """Draw the curves of these methods, whose x axis `share_x` sets; those that do not stand out lie beneath, thin and without bands."""
    curves = {method: curve for method in styles if len((curve := _curve(summary, panel, method)).x)}
    if not curves:
        axes.text(0.5, 0.5, "no score", transform=axes.transAxes, ha="center", va="center", color=QUIET)
        axes.set_xticks([])
        return
    points = {method: curve.points for method, curve in curves.items()}
    means = [mean for each in points.values() for _, mean in each]
    range_, strong = (min(means), max(means)), [method for method in curves if styles[method].stands_out]
    for method in (method for method in curves if method not in strong):
        look, curve = styles[method], curves[method]
        axes.plot(curve.x, curve.mean, color=look.colour, linewidth=0.9, marker=look.marker, markersize=_FAINT, zorder=2)
    barred = [method for method in strong if len(curves[method].x) == 1 and not np.isnan(curves[method].low[0])]
    shifts = _side_by_side({method: points[method][0][0] for method in barred})
    for place, method in enumerate(strong):
        over = [point for other in strong[place + 1 :] for point in points[other]]
        _strong(axes, styles[method], curves[method], 3 + place / 100, shifts.get(method, 0))
        for point in points[method] if not shifts.get(method) else ():
            if above := sum(_upon(point, other, range_) for other in over):
                axes.plot(*point, markersize=_MARKER + _RIM * above, **_line(styles[method], 3 + place / 100))
    if len(means) > 2 and range_[1] - range_[0] < 1e-9:
        # Lines upon lines: which is which cannot be seen, that they agree can be said.
        axes.text(0.5, 0.5, f"every method at every budget: {means[0]:.2f}", transform=axes.transAxes, ha="center", va="center",
                  color=QUIET, fontsize=8.5)  # fmt: skip


def _side_by_side(spent: Mapping[Method, float]) -> dict[Method, float]:
    """By how many points to shift methods that have one point each: those that spent about the same would hide one another's bars."""
    groups: list[list[Method]] = []
    order = list(spent)
    for method in sorted(spent, key=lambda method: (spent[method], order.index(method))):
        if groups and spent[method] < spent[groups[-1][-1]] * _NEAR:
            groups[-1].append(method)
        else:
            groups.append([method])
    return {method: _BESIDE * (place - (len(group) - 1) / 2) for group in groups for place, method in enumerate(group)}


def _curve(summary: Summary, panel: Panel, method: Method) -> _Curve:
    # As arrays, of which a figure needs hundreds: sorting and filtering tables took a quarter of the time of drawing them.
    table = summary.curve(method, panel.verifier, panel.metric, panel.task)
    x, mean, low, high, considered = (table[name].to_numpy(dtype=float) for name in (panel.unit, "mean", "low", "high", "considered"))
    order = np.argsort(x, kind="stable")
    order = order[~np.isnan(mean[order]) & (x[order] > 0)]
    return _Curve(x[order], mean[order], low[order], high[order], (considered[order] == 1) & is_random(method.search))


def _strong(axes: Axes, look: Look, curve: _Curve, zorder: float, shift: float) -> None:
    """A line with its band, or a point with its bar, `shift` points aside, and a ring around one image of random search."""
    x, mean, low, high, single = curve
    figure = axes.get_figure(root=True)
    aside: dict[str, Any] = {"transform": offset_copy(axes.transData, figure, x=shift, units="points")} if shift else {}
    if shift:  # what is drawn aside has no part in matplotlib's limits
        axes.update_datalim([(x[0], end[0]) for end in (low, mean, high)])
    if len(x) == 1:
        axes.errorbar(x, mean, yerr=np.vstack([mean - low, high - mean]), color=look.colour, capsize=3, linewidth=1.2, **aside)
    elif not np.isnan(low).all():
        axes.fill_between(x, low, high, color=look.colour, alpha=0.09, linewidth=0)
        for end in (low, high):  # bands that lie upon one another are told apart by their edges
            axes.plot(x, end, color=look.colour, alpha=0.4, linewidth=0.6, linestyle=look.line)
    axes.plot(x, mean, linewidth=1.7, linestyle=look.line, markersize=_MARKER, **_line(look, zorder), **aside)
    if single.any():
        axes.plot(
            x[single], mean[single], linestyle="none", marker="o", markersize=8.5, markerfacecolor=SURFACE,
            markeredgecolor=look.colour, markeredgewidth=1.8, zorder=5, **aside,
        )  # fmt: skip


def _line(look: Look, zorder: float) -> dict[str, Any]:
    return {"color": look.colour, "marker": look.marker, "markeredgecolor": SURFACE, "markeredgewidth": 0.7, "zorder": zorder}


def _upon(point: tuple[float, float], other: tuple[float, float], range_: tuple[float, float]) -> bool:
    """Whether two points would hide one another: each method's then has a rim around those above it."""
    low, high = range_
    return abs(math.log(point[0] / other[0])) < 0.02 and abs(point[1] - other[1]) <= 0.01 * (high - low)


def share_y(summary: Summary, drawn: Sequence[tuple[Panel, Axes]], whole: bool) -> None:
    """One y range for all panels of a scale; a share of right images stays within 0 and 1, with `whole` it spans them.

    Enlarging a part of that range without bands to measure it by would make noise look like a finding.
    """
    shown: dict[Hashable, list[tuple[Panel, Axes]]] = {}
    for panel, axes in drawn:
        shown.setdefault(summary.scale(panel.metric, panel.task), []).append((panel, axes))
    for panels in shown.values():
        panel, group = panels[0][0], [axes for _, axes in panels]
        limits = [axes.get_ylim() for axes in group if axes.lines]
        if not limits:
            continue
        low, high = min(low for low, _ in limits), max(high for _, high in limits)
        # Each panel has left room for its own markers only.
        low, high = low - 0.04 * (high - low), high + 0.04 * (high - low)
        if summary.says_right(panel.metric, panel.task):
            low, high = _SHARE if whole else (max(low, _SHARE[0]), min(high, _SHARE[1]))
        for axes in group:
            axes.set_ylim(low, high)


def share_x(drawn: Sequence[tuple[Panel, Axes]]) -> None:
    """One x range of each unit for all panels, so that they can be compared by eye."""
    for unit in {panel.unit for panel, _ in drawn}:
        group = [axes for panel, axes in drawn if panel.unit == unit and axes.lines]
        spent = [np.asarray(line.get_xdata(), dtype=float) for axes in group for line in axes.lines]
        for axes in group:
            log_axis(axes, float(min(map(np.min, spent))), float(max(map(np.max, spent))))
