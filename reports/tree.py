"""One guided search drawn as the tree it grew: step by step, every scored branch with its score, survivors framed, edges to parents."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from harness.assignments import name_of
from harness.compute import amounts
from reports import numbers
from reports.grades import VERDICTS
from reports.keys import IDENTITY
from reports.pictures import enlarged, exists, thumbnail
from reports.style import GRID, INK, QUIET, draw_grade, draw_mark
from reports.summary import Summary
from results.schema import GRADE

_MOST_NODES = 72
"""Of several budgets the largest tree up to this size is drawn: more cannot be seen on a page."""
_SEARCH = ["search", "model", "budget_unit", "budget", "seed", "prompt_id"]
"""What names one search by one verifier."""
_TILE_PX = 128
_CHOSEN = "#b58a00"
_FIRST_RANK = -1.0
"""The highest score that an ensemble gives: ranks, negated."""


@dataclass(frozen=True, slots=True)
class Tree:
    """The scored branches of one search on one prompt; `nodes` are candidate rows with `x`, `y` and `chosen` added."""

    nodes: pd.DataFrame
    prompt: str
    caption: str
    kind: str = VERDICTS
    """Whether the grades of these branches say right or wrong or are scores."""


def find_tree(summary: Summary) -> Tree | None:
    """The tree to draw: a beam search if there is one, guided by the first verifier, on a prompt whose pictures were kept.

    Of several prompts the last is taken: a suite's later tasks are its harder ones. None when no search branched or no
    pictures were kept.
    """
    runs = summary.runs
    grown = (runs.candidates["verifier"] == runs.verifiers[0]) & (runs.candidates["step"] > 0)
    table = runs.candidates.loc[grown, _SEARCH].assign(
        nodes=1, branched=runs.candidates["parent"] != "", pictured=runs.candidates["image"] != ""
    )
    found = table.groupby(_SEARCH).agg({"nodes": "sum", "branched": "any", "pictured": "mean"})
    found = found[found["branched"] & (found["pictured"] > 0.9)]
    if found.empty:
        return None
    # max takes the first of equals, here the last prompt.
    key, _ = max(reversed([*found["nodes"].items()]), key=lambda one: _drawn_first(str(one[0][0]), one[1]))
    named = (runs.candidates[name] == value for name, value in zip(_SEARCH, key, strict=True))
    nodes = runs.candidates[np.logical_and.reduce([grown, *named])]
    return _placed(summary, nodes.sort_values("order").reset_index(drop=True))


def _drawn_first(search: str, nodes: int) -> tuple[bool, bool, int]:
    """Sort key that puts last what is drawn."""
    fits = nodes <= _MOST_NODES
    return name_of(search) == "beam", fits, nodes if fits else -nodes


def _placed(summary: Summary, nodes: pd.DataFrame) -> Tree:
    """Columns are steps; within one, branches stand in the order of their parents, then of scoring."""
    first = nodes.iloc[0]
    nodes = nodes.assign(x=nodes["step"].rank(method="dense") - 1, y=0.0, above=-1)
    row_of: dict[str, int] = {}
    for _, column in nodes.groupby("x", sort=True):
        above = column["parent"].map(row_of).fillna(-1).astype(int)
        height = above.map(nodes["y"]).fillna(0.0)
        order = column.assign(height=height).sort_values(["height", "order"], kind="stable").index
        nodes.loc[order, "y"] = np.arange(len(order)) - (len(order) - 1) / 2
        nodes.loc[column.index, "above"] = above
        row_of |= dict(zip(column["candidate"], column.index, strict=True))
    selections = summary.runs.selections
    same = np.logical_and.reduce([selections[name] == first[name] for name in IDENTITY])
    chosen = selections[same].iloc[0]
    nodes["chosen"] = (nodes["candidate"] == chosen["candidate"]) & np.isclose(nodes["score"], chosen["score"])
    scores = summary.runs.scores
    grade = scores[(scores["metric"] == GRADE) & (scores[IDENTITY] == chosen[IDENTITY]).all(axis=1)]["value"]
    # Candidates of a guided search need not be graded; the picture that was returned is.
    nodes["truth"] = nodes["truth"].mask(nodes["chosen"], grade.iloc[0] if len(grade) else np.nan)
    kinds = "finished rollouts" if nodes["complete"].all() else "previews" if not nodes["complete"].any() else "previews and rollouts"
    budget = amounts.budget(float(first["budget"]), str(first["budget_unit"]))
    _, best = summary.runs.manifests[int(first["run"])]["verifiers"][first["verifier"]]["score_range"]
    ranked = (
        "Scores are ranks among all of these, as an ensemble gives them; the search compared ranks within a round, so what it "
        "carried on may stand below what it dropped. "
    )
    kind = summary.grades.kind(str(chosen["task"]))
    told = "Ticks and crosses: right and wrong by the grader" if kind == VERDICTS else "Numbers on pictures: the grader's score"
    caption = (
        f"{first['model']} + {first['search']}, guided by {first['verifier']}, budget {budget}: "
        f"{len(nodes)} {kinds}, each with its score. Framed and not faded: carried on. Gold: the picture returned. "
        f"{ranked if best == _FIRST_RANK else ''}"
        f"{told}, where graded; the search never saw its verdict."
    )
    return Tree(nodes, str(chosen["prompt"]), caption, kind)


def tree_figure(summary: Summary, tree: Tree) -> Figure:
    """Draw a tree from left to right."""
    nodes = tree.nodes
    # Heights are given in rows of branches, so that a tile is the same size in every tree.
    columns, rows = int(nodes["x"].max()) + 1, int(nodes.groupby("x").size().max())
    across, down = 1.28, 0.86
    figure = Figure(figsize=(max(columns * across, 4.0), rows * down + 0.42))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=(-0.22, max(columns, 4.0 / across) - 0.3), ylim=(rows / 2 + 0.05, -rows / 2 - 0.42))
    family = summary.families[nodes["model"].iloc[0]]
    word = "scale" if family == "ar" else "step"
    for place in range(columns):
        column = nodes[nodes["x"] == place]
        head = f"{word} {column['step'].iloc[0]}: {column['kept'].sum()} of {len(column)} kept"
        axes.text(place + 0.26, -rows / 2 - 0.16, head, fontsize=7.5, color=QUIET, ha="center")
    digits = 3 if nodes["score"].abs().max() < 10 else 1
    for _, node in nodes.iterrows():
        if node["above"] >= 0:
            _draw_edge(axes, nodes.loc[node["above"]], node)
        _draw_node(axes, summary, node, digits, tree.kind)
    return figure


def _draw_edge(axes: Axes, parent: pd.Series, child: pd.Series) -> None:
    t = np.linspace(0, 1, 24)
    start, end = parent["x"] + 0.54, child["x"] - 0.02
    y = parent["y"] + (child["y"] - parent["y"]) * (3 * t**2 - 2 * t**3)
    strong = bool(child["kept"] or child["chosen"])
    axes.plot(start + (end - start) * t, y, color=INK if strong else GRID, linewidth=1.4 if strong else 1.0, zorder=1)


def _draw_node(axes: Axes, summary: Summary, node: pd.Series, digits: int, kind: str) -> None:
    x, y, half = float(node["x"]), float(node["y"]), 0.36
    extent = (x, x + 0.52, y + half - 0.06, y - half - 0.06)
    if exists(summary.runs, int(node["run"]), str(node["image"])):
        pixels = enlarged(thumbnail(summary.runs, int(node["run"]), str(node["image"])), _TILE_PX)
        faded = 1.0 if node["kept"] or node["chosen"] else 0.62
        axes.imshow(pixels, extent=extent, aspect="auto", interpolation="none", alpha=faded, zorder=2)
    colour, width = (_CHOSEN, 2.8) if node["chosen"] else (INK, 1.8) if node["kept"] else (GRID, 1.0)
    axes.add_patch(Rectangle((x, y - half - 0.06), 0.52, 2 * half, fill=False, edgecolor=colour, linewidth=width, zorder=3))
    # A score with a reason is only a place below those that a cascade's expensive stage judged.
    score = "cheap stage only" if node["reason"] else f"{node['score']:.{digits}f}".replace("-", "−")
    score = "unscored" if np.isnan(node["score"]) else score
    axes.text(x + 0.26, y + half + 0.07, score, fontsize=7, color=INK if node["kept"] else QUIET, ha="center", va="center")
    if np.isnan(node["truth"]):
        return
    if kind == VERDICTS:
        draw_mark(axes, x + 0.46, y - half + 0.02, right=bool(node["truth"] == 1))
    else:
        draw_grade(axes, x + 0.5, y - half + 0.02, numbers.score(float(node["truth"])))
