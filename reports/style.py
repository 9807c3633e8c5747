"""How figures look: one colour a model (of one model: a search), one line and marker a search, quiet axes, and files in PNG and SVG."""

from __future__ import annotations

import html
import io
import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from harness.compute import amounts
from reports.emphasis import emphasised
from reports.summary import Method, Summary, search_rank

INK, QUIET, REST, GRID, SURFACE = "#24292f", "#656d76", "#9ba4ae", "#dfe3e8", "#fefefe"
"""Text, secondary text, curves that do not stand out, grid lines, background; the page maps each to its light or dark value."""
RIGHT, WRONG = "#2da44e", "#cf222e"
_THEME = {INK: "var(--ink)", QUIET: "var(--quiet)", REST: "var(--rest)", GRID: "var(--grid)", SURFACE: "var(--panel)"}
_COLOURS = {
    "ar": ("#2f7de1", "#7a5cd6", "#12988c", "#4aa8d8", "#1f4e9c", "#a493f2", "#0b6b5f", "#7fb2f5"),
    "diffusion": ("#e0662a", "#c8418f", "#b58a00", "#d23b3b", "#8f3d14", "#f08fc0", "#7d6200", "#f5a184"),
    "pair": ("#5b8c3a", "#8a6d3b", "#2f5d1e", "#9bc46f"),
}
SEARCH_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8b3a8f")
"""Of the searches of a report of one model: Okabe and Ito's (2008), told apart with any colour vision, and a violet."""
_LINES: tuple[tuple[Any, Any], ...] = (
    ("-", "o"), ((0, (5, 1.6)), "s"), ((0, (1.2, 1.2)), "^"), ((0, (6, 1.5, 1.2, 1.5)), "D"),
    ((0, (3, 1)), "v"), ((0, (1, 2)), "P"), ((0, (8, 2)), "X"), ((0, (2, 1, 2, 3)), "*"),
    ((0, (4, 1, 1, 1, 1, 1)), "<"), ((0, (2, 2)), ">"), ((0, (10, 2, 2, 2)), (4, 1, 0)), ((0, (1, 1, 4, 1)), (3, 1, 0)),
    ((0, (7, 3)), "d"), ((0, (3, 1, 1, 1)), (3, 1, 180)),
)  # fmt: skip
"""Markers that are told apart at their size: polygons of five sides and more look like the circle there."""
_LETTERS = "'DejaVu Sans', Verdana, 'Bitstream Vera Sans', 'Segoe UI Symbol', sans-serif"
"""Fonts of figures in a browser: those as wide as the one that they are laid out in, then narrower ones."""
_WIDE = ("Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Zen Hei", "Arial Unicode MS", "PingFang SC", "Microsoft YaHei", "Unifont")
"""Fonts of more scripts than the figures' own, where a machine has them."""
DPI = 200
"""Of figures as PNG."""
_LEAST_SPAN = 4.0
"""Largest over smallest amount of a logarithmic axis, at least."""
_MANTISSAS = ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 5.0, 7.0), tuple(m / 10 for m in range(10, 100)))
_RC: dict[Any, Any] = {
    "font.sans-serif": ["DejaVu Sans"], "font.size": 9, "text.color": INK, "text.usetex": False, "text.parse_math": False,
    "axes.edgecolor": QUIET, "axes.labelcolor": INK, "axes.linewidth": 0.8, "axes.axisbelow": True,
    "axes.titlesize": 9.5, "axes.titleweight": "bold", "axes.titlecolor": INK, "axes.unicode_minus": True,
    "axes.facecolor": SURFACE, "figure.facecolor": SURFACE, "savefig.facecolor": SURFACE,
    "xtick.color": QUIET, "ytick.color": QUIET, "xtick.labelsize": 8.5, "ytick.labelsize": 8.5,
    "axes.grid": True, "axes.spines.top": False, "axes.spines.right": False,
    "xtick.bottom": False, "xtick.major.size": 0, "xtick.major.pad": 4, "ytick.left": False, "ytick.major.size": 0, "ytick.major.pad": 4,
    "grid.color": GRID, "grid.linewidth": 0.8, "svg.fonttype": "none", "svg.hashsalt": "vistas",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Look:
    """Colour, line and marker of one method."""

    colour: str
    line: Any
    marker: Any
    stands_out: bool = True
    """Whether it is drawn strongly, with its band."""


def looks(summary: Summary) -> dict[Method, Look]:
    """Colour by model (blues for AR, oranges for diffusion, greens for pairs), line and marker by search.

    Where there is one model only, searches have colours too. Of many methods only some stand out (`emphasised`), in their model's
    colour; the others are grey.
    """
    colours: dict[str, str] = {}
    for family, palette in _COLOURS.items():
        models = dict.fromkeys(method.model for method in summary.methods if summary.families[method.model] == family)
        colours |= {model: palette[place % len(palette)] for place, model in enumerate(models)}
    searches = sorted({_search(method) for method in summary.methods})
    lines = {search: _LINES[place % len(_LINES)] for place, search in enumerate(searches)}
    strong = emphasised(summary)
    coloured = [search for search in searches if search in {_search(method) for method in strong}]
    by_search = {search: SEARCH_COLOURS[place % len(SEARCH_COLOURS)] for place, search in enumerate(coloured)}
    found = {}
    for method in summary.methods:
        search, stands_out = _search(method), method in strong
        colour = by_search[search] if len(colours) == 1 and stands_out else colours[method.model]
        found[method] = Look(colour if stands_out else REST, *lines[search], stands_out)
    return found


def _search(method: Method) -> tuple[bool, str, str]:
    return (*search_rank(method.search), method.budget_unit)


@contextmanager
def context() -> Iterator[None]:
    """Matplotlib settings of every figure, for a `with` statement.

    In PNG, letters that the figures' own font lacks come from the first wide font that the machine has, or are boxes; SVG holds
    letters as text, for which the reader's browser finds a font.
    """
    here = set(font_manager.get_font_names())
    fonts = [*_RC["font.sans-serif"], *(name for name in _WIDE if name in here)]
    with matplotlib.rc_context({**_RC, "font.family": fonts}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        yield


def draw_mark(axes: Axes, x: float, y: float, right: bool) -> None:
    """A tick or a cross in a coloured dot: the grader's verdict on the picture beneath."""
    colour, sign = (RIGHT, "✓") if right else (WRONG, "✗")
    axes.text(x, y, sign, fontsize=6, color="white", ha="center", va="center", zorder=5, fontweight="bold",
              bbox={"boxstyle": "circle,pad=0.18", "facecolor": colour, "edgecolor": "white", "linewidth": 0.7})  # fmt: skip


def draw_grade(axes: Axes, x: float, y: float, text: str) -> None:
    """The grader's score of the picture beneath, its right end at x."""
    axes.text(x, y, text, fontsize=6.5, color=INK, ha="right", va="center", zorder=5,
              bbox={"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": GRID, "linewidth": 0.7})  # fmt: skip


def log_axis(axes: Axes, low: float, high: float) -> None:
    """Logarithmic x axis over the spent amounts, with at most six round ticks; never so narrow that no two are round."""
    widen = max(_LEAST_SPAN / (high / low), 1.0) ** 0.5
    low, high = low / widen, high * widen
    margin = max((high / low) ** 0.06, 1.06)
    axes.set_xscale("log")
    axes.set_xlim(low / margin, high * margin)
    axes.xaxis.set_major_locator(FixedLocator(round_ticks(low / margin, high * margin)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: amounts.tick(value)))
    axes.xaxis.set_minor_locator(NullLocator())


def round_ticks(low: float, high: float) -> list[float]:
    """Two to six round numbers between low and high, evenly spread on a logarithmic axis where they can be."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    choices = []
    for mantissas in _MANTISSAS:
        ticks = [float(f"{mantissa * 10.0**decade:.6g}") for decade in decades for mantissa in mantissas]
        choices.append([tick for tick in ticks if low <= tick <= high])
    fitting = [ticks for ticks in choices if 2 <= len(ticks) <= 6]
    finest = choices[-1]
    return max(fitting, key=len) if fitting else finest[:: max(1, math.ceil(len(finest) / 6))]


def save_png(figure: Figure, folder: Path, name: str) -> None:
    """Write `name`.png into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.png", dpi=DPI, pil_kwargs={"compress_level": 4})


def save(figure: Figure, folder: Path, name: str, label: str) -> str:
    """Write `name`.png and `name`.svg into `folder`; returns the SVG for a page (see `themed`)."""
    save_png(figure, folder, name)
    svg = as_svg(figure)
    (folder / f"{name}.svg").write_text(svg, encoding="utf-8")
    return themed(svg, name, label)


def as_svg(figure: Figure) -> str:
    """The figure as SVG; without a date, so that the same tables make the same file."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": "vistas"})
    return buffer.getvalue().replace("'DejaVu Sans'", _LETTERS)


def themed(svg: str, name: str, label: str) -> str:
    """An SVG fit to stand in a page: no XML prologue, colours that follow the page's theme, ids unique to the figure.

    `label` is what a screen reader says in place of its lines and letters.
    """
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    for colour, variable in _THEME.items():
        svg = svg.replace(colour, variable)
    svg = re.sub(r' id="image[0-9a-f]+"', "", svg)  # pictures have theirs of their content, and nothing refers to it
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = svg.replace("url(#", f"url(#{name}-").replace('href="#', f'href="#{name}-')
    # A page may shrink a figure, and enlarge it a little: its letters are to stay the size of the page's.
    width = float(re.search(r'width="([\d.]+)pt"', svg)[1])  # type: ignore[index]
    svg = re.sub(r' (?:width|height)="[\d.]+pt"', "", svg, count=2)
    return svg.replace("<svg", f'<svg role="img" aria-label="{html.escape(label)}" style="max-width: {1.45 * width:.0f}px"', 1)


def slug(text: str) -> str:
    """A file name part of letters, digits and dashes, whatever the text holds."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "x"
