"""Verifiers against one another: searched by one and scored by all, and what their reliability costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import offset_copy

from harness.compute import amounts
from reports import numbers
from reports.certainty import has_intervals
from reports.grades import SCORES, VERDICTS
from reports.keys import POINT
from reports.legend import NARROW, fit_legend
from reports.statistics import OVERALL
from reports.style import INK, QUIET, log_axis
from reports.summary import Summary, is_single, of_random
from reports.tables import Table, filled
from reports.trust import told_apart, within_name
from results.schema import TOTALS

NOT_SEARCHED = "no search"
_WIDTH = 6.2
"""Of the figure, in inches."""
_BESIDE = 7
"""Points between models of one verifier."""


def cross_table(summary: Summary) -> Table:
    """Every metric of what each verifier chose, by method, at the largest budget; above them one image without search."""
    overall = summary.points[summary.points["task"] == OVERALL]
    rows, raw = [], []
    for method in summary.methods:
        mine = overall[np.logical_and.reduce([overall[name] == value for name, value in method._asdict().items()])]
        single = mine[is_single(mine)]
        # One image is the same whatever verifier looks at it, and under every budget that has no room for two.
        groups: list[tuple[str, Any]] = [(NOT_SEARCHED, single.sort_values("budget", kind="stable").drop_duplicates("metric"))]
        for verifier in summary.runs.verifiers:
            of_one = mine[(mine["verifier"] == verifier) & ~is_single(mine)]
            groups.append((verifier, of_one[of_one["budget"] == of_one["budget"].max()]))
        for guide, points in groups:
            if points.empty:
                continue
            found = points.set_index("metric")
            budget = amounts.budget(float(points["budget"].iloc[0]), method.budget_unit)
            cells = {summary.metric_name(one): _cell(found.loc[one], len(summary.values)) for one in summary.metrics if one in found.index}
            rows.append({"model": method.model, "search": method.search, "guided by": guide, "budget": budget, **cells})
            raw.append(points.assign(guide=guide)[["guide", *POINT, "metric", "mean", "low", "high", "prompts"]])
    fewer = any(" over " in str(cell) for row in rows for cell in row.values())
    caption = (
        "Mean of every metric over the images chosen at each method's largest budget"
        f"{', with its 95 % interval over prompts' if has_intervals(summary) else ''}. A verifier is no judge of the row it guided."
        f"{' “Over”: on how many of the prompts, where others have no score; a task without one leaves no mean.' if fewer else ''}"
    )
    frame = pd.concat(raw, ignore_index=True) if raw else pd.DataFrame()
    return Table("cross", "Searched by one, scored by all", caption, filled(rows), frame)


def reliability_table(summary: Summary, trust: Table) -> Table:
    """What a verifier's call costs next to how well it orders images of random search by their grades."""
    rows, raw, shown = [], [], summary.grades.kind()
    for verifier in summary.runs.verifiers:
        cost = _per_image(summary, verifier)
        areas = trust.frame[_is_random(trust.frame, verifier)] if len(trust.frame) else trust.frame
        unknown: dict[Any, Any] = {"model": "all", "grades": shown, **dict.fromkeys((*_WITHIN, "best", "chance"), np.nan)}
        entries = areas.to_dict("records") or [unknown]
        for area in entries:
            within, kind = (area["within"], area["within_low"], area["within_high"]), str(area["grades"])
            rows.append({
                "verifier": verifier, "model": str(area["model"]), "time an image": amounts.amount(cost["seconds"], "seconds"),
                "FLOPs an image": amounts.amount(cost["flops"], "flops"), "share of all time": numbers.share(cost["share"]),
                **told_apart(summary, kind), within_name(shown): numbers.score(*within), **_chosen(shown, area),
            })  # fmt: skip
            raw.append({"verifier": verifier, "model": area["model"], "grades": kind, **cost, **dict(zip(_WITHIN, within, strict=True))})
    measure, pools = _SAID[shown]
    caption = (
        f"Time and FLOPs of one image through the verifier next to its {measure}, all on images of random search. Time is "
        "measured, with a share of the prompt's text pass; FLOPs are what one more image adds, not known where all pools have as many. "
        f"“Share of all time” is over all searches that it guided. {pools} “One by chance”: what choosing blindly would give."
    )
    return Table("reliability", "Speed against reliability", caption, filled(rows), pd.DataFrame(raw))


def _chosen(kind: str, area: dict[Any, Any]) -> dict[str, str]:
    """What the best-scored image of a pool is worth, and one by chance."""
    if kind == VERDICTS:
        return {"best of a pool is right": numbers.share(area["best"]), "one by chance": numbers.share(area["chance"])}
    return {"grade of the best of a pool": numbers.score(area["best"]), "of one by chance": numbers.score(area["chance"])}


_WITHIN = ("within", "within_low", "within_high")
_SAID = {
    VERDICTS: ("AUROC", "“Best of a pool is right”: the image it scores highest, in pools that hold right and wrong images."),
    SCORES: ("concordance", "“Grade of the best of a pool”: of the image it scores highest, in pools whose grades differ."),
}
"""How a verifier's agreement with grades of either kind is measured, and what the caption says of it."""


def reliability_figure(table: Table, narrow: bool = False) -> Figure:
    """Time of an image against AUROC within a prompt, or concordance, one point a verifier and model."""
    frame = table.frame[table.frame["within"].notna() & (table.frame["seconds"] > 0)]
    kinds = list(dict.fromkeys(frame["grades"]))
    if len(kinds) > 1:
        frame = frame.assign(model=frame["model"] + ", " + frame["grades"])
    models = {str(model): "os^Dv"[place % 5] for place, model in enumerate(frame["model"].unique())}
    keys = [Line2D([], [], color=QUIET, marker=marker, markersize=5, linestyle="none", label=model) for model, marker in models.items()]
    width = NARROW if narrow else _WIDTH
    columns, lines = fit_legend(keys, width)
    height = 3.1 + 0.2 * lines
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0.68 / width, 0.55 / height, 1 - 0.86 / width, 2.4 / height))
    # Above the axes, where nothing is drawn.
    figure.legend(handles=keys, frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(0.1, 1), ncols=columns, labelcolor=QUIET)
    for place, (model, part) in enumerate(frame.groupby("model", sort=False)):
        bars = np.vstack([part["within"] - part["within_low"], part["within_high"] - part["within"]])
        # Models of one verifier have the same time: they stand side by side, by points, whatever the axis spans.
        beside = offset_copy(axes.transData, figure, x=_BESIDE * (place - (len(models) - 1) / 2), units="points")
        axes.errorbar(part["seconds"] * 1000, part["within"], yerr=bars, fmt=models[str(model)], color=QUIET, ecolor=QUIET,
                      capsize=2, markersize=5, linewidth=0.8, transform=beside)  # fmt: skip
    for verifier, part in frame.groupby("verifier", sort=False):
        x, top = float(part["seconds"].iloc[0]) * 1000, float(part["within_high"].fillna(part["within"]).max())
        axes.annotate(str(verifier), (x, top), xytext=(0, 5), textcoords="offset points", fontsize=8, color=INK, ha="center")
    axes.axhline(0.5, color=QUIET, linewidth=0.8, linestyle=":")
    axes.text(1, 0.5, "chance", transform=axes.get_yaxis_transform(), fontsize=7.5, color=QUIET, ha="right", va="bottom")
    log_axis(axes, float(frame["seconds"].min()) * 700, float(frame["seconds"].max()) * 1400)
    ends = [0.5, *frame[list(_WITHIN)].to_numpy(dtype=float).ravel()]
    least, most = float(np.nanmin(ends)), float(np.nanmax(ends))
    room = 0.14 * max(most - least, 0.1)
    axes.set_ylim(least - room, most + room)
    axes.set_xlabel("milliseconds an image, logarithmic", fontsize=8.5)
    axes.set_ylabel(within_name(VERDICTS if kinds == [VERDICTS] else SCORES), fontsize=9)
    return figure


def _per_image(summary: Summary, verifier: str) -> dict[str, float]:
    """Seconds and FLOPs of an image of random search, and the verifier's share of all seconds, over every search it guided.

    Other searches are charged, as the verifier's work, for what no image of theirs is scored by: the features of `tts-var`.
    """
    chosen = summary.runs.selections[summary.runs.selections["verifier"] == verifier]
    pools = chosen[of_random(chosen) & (chosen["verifier_calls"] > 0)]
    by_calls = pools.sort_values("verifier_calls")[["verifier_flops", "verifier_calls"]].to_numpy(dtype=float)
    flops, calls = by_calls[-1] - by_calls[0] if len(by_calls) else (0.0, 0.0)
    return {
        "seconds": numbers.quotient(pools["verifier_seconds"].sum(), pools["verifier_calls"].sum()),
        "flops": numbers.quotient(flops, calls),
        "share": numbers.quotient(*(chosen[TOTALS[name]].fillna(chosen[name]).sum() for name in ("verifier_seconds", "seconds"))),
    }


def _is_random(frame: pd.DataFrame, verifier: str) -> pd.Series:
    return (frame["verifier"] == verifier) & of_random(frame)


def _cell(point: pd.Series, prompts: int) -> str:
    score = numbers.score(point["mean"], point["low"], point["high"])
    return score + (f" over {point['prompts']} of {prompts}" if point["prompts"] < prompts else "")
