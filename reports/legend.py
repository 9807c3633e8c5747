"""Legends of figures: an entry a method, as it is drawn, in as many columns as there is room for."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from reports.style import QUIET, REST, SURFACE, looks
from reports.summary import Summary, is_single

NARROW = 3.6
"""Width in inches of a figure for a narrow screen: one plot with its margins. On a phone, 350 pixels, letters are a third larger."""


def handles(summary: Summary) -> list[Line2D]:
    """Legend entries of the methods that stand out: a line and a marker, or the marker alone where there is one budget and so no line.

    The others have one entry together.
    """
    budgets = summary.points.groupby(["model", "search", "budget_unit"])["budget"].nunique()
    styles = looks(summary)
    strong = [method for method, look in styles.items() if look.stands_out]
    entries = [
        Line2D([], [], color=styles[method].colour, linestyle=styles[method].line if budgets[method] > 1 else "none",
               marker=styles[method].marker, markersize=5, linewidth=1.8, label=summary.label(method))
        for method in strong
    ]  # fmt: skip
    faint = len(styles) - len(strong)
    return entries + faint_handle("" if not faint else "the other method" if faint == 1 else f"the other {faint} methods")


def faint_handle(label: str) -> list[Line2D]:
    """The entry of curves that do not stand out; none without a label."""
    return [Line2D([], [], color=REST, linewidth=0.9, marker=".", markersize=4, label=label)] if label else []


def fit_legend(entries: Sequence[Line2D], width: float) -> tuple[int, int]:
    """Columns and lines of a legend in a figure of this width in inches, at font sizes up to 8.5.

    Names that are longer than the figure is wide are broken before their search.
    """
    room = max(len(str(entry.get_label())) for entry in entries) * 0.064 + 0.75
    columns = max(1, min(len(entries), int(width / room)))
    if room > width:
        for entry in entries:
            entry.set_label(str(entry.get_label()).replace(" + ", "\n+ ", 1))
    lines = -(-len(entries) // columns)
    # Filled column by column: so many lines may need fewer columns.
    return -(-len(entries) // lines), lines * (2 if room > width else 1)


def single_handle(summary: Summary) -> list[Line2D]:
    """The entry of the ring around one image of random search; none where there is no such point."""
    if not is_single(summary.points).any():
        return []
    return [
        Line2D([], [], linestyle="none", marker="o", markersize=8, markerfacecolor=SURFACE, markeredgecolor=QUIET,
               markeredgewidth=1.8, label="one image, no search")
    ]  # fmt: skip


def draw_legend(figure: Figure, entries: Sequence[Line2D], columns: int) -> None:
    """Set a legend into the upper left corner of a figure of curves, in place of the one that is there."""
    for legend in tuple(figure.legends):
        legend.remove()
    corner = (0.1 / figure.get_figwidth(), 1 - 0.04 / figure.get_figheight())
    figure.legend(
        handles=entries, loc="upper left", ncols=columns, frameon=False, fontsize=8.5, handlelength=3.2, columnspacing=1.6,
        bbox_to_anchor=corner, borderaxespad=0, labelspacing=0.35,
    )  # fmt: skip
