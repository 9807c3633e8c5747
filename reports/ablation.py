"""The table of an ablation: every line of its run, and by how much it differs from what it is set against."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.ablation import Ablation
from harness.compute import amounts
from reports import numbers
from reports.certainty import YES, intervals_sentence, settled
from reports.deadlines import after_deadline
from reports.load import read_runs
from reports.notes import SHAPES_NOTICE
from reports.statistics import OVERALL
from reports.summary import Summary, summarise
from reports.tables import Table, escape_markdown, filled

_WHO = ["model", "search", "verifier"]
_SPENT = ("nfe", "flops", "images", "seconds")


def write_ablation(ablation: Ablation, folder: Path, out: Path) -> Table:
    """Write `ablation.md` and `tables/ablation.csv` (and `.tex`) of a finished run into `out`; returns the table."""
    summary = summarise(read_runs([folder]))
    table = ablation_table(summary, ablation)
    table.write(out / "tables")
    notice = f"> {SHAPES_NOTICE}\n\n" if summary.runs.domain == "shapes" else ""
    text = f"# Ablation: {ablation.name}\n\n{escape_markdown(ablation.question)}\n\n{notice}{table.markdown()}"
    (out / "ablation.md").write_text(text, encoding="utf-8")
    return table


def ablation_table(summary: Summary, ablation: Ablation) -> Table:
    """One line for each model, search, verifier and budget."""
    truth = str(summary.truth)
    points = summary.points[(summary.points["metric"] == truth) & (summary.points["task"] == OVERALL)]
    lines = [dict(zip(map(str, points.columns), line, strict=True)) for line in points.itertuples(index=False)]
    order = {name: place for place, name in enumerate(_asked(summary, ablation))}
    lines.sort(key=lambda line: (line["budget"], order.get(_varied(ablation, line), len(order))))
    rows, raw, late = [], [], after_deadline(summary)
    for line, found in zip(lines, _against(summary, ablation, truth, lines), strict=True):
        own = _own_score(summary, line)
        budget = amounts.budget(line["budget"], line["budget_unit"])
        rows.append({
            **{name: line[name] for name in _WHO}, "budget": budget,
            "truth": numbers.score(line["mean"], line["low"], line["high"]),
            f"against {ablation.against}": numbers.NOTHING if found is None else numbers.difference(*found) + _other(ablation, line),
            "verdict": numbers.NOTHING if found is None else _verdict(found),
            "its verifier": numbers.NOTHING if own is None else numbers.score(own),
            **{name: amounts.amount(line[name], name) for name in _SPENT}, **late(line),
        })  # fmt: skip
        difference, *ends = found or (float("nan"),) * 3
        low, high = numbers.with_width(*ends)
        raw.append({
            **{name: line[name] for name in (*_WHO, "budget_unit", "budget", "mean", "low", "high", "prompts", *_SPENT)},
            "against": ablation.reference(_varied(ablation, line)), "difference": difference, "difference_low": low,
            "difference_high": high, "own_score": own,
        })  # fmt: skip
    caption = (
        f"Truth is the {summary.metric_phrase(truth)} on {amounts.counted(len(summary.values), 'prompt')}. {intervals_sentence(summary)} "
        "Differences are paired by prompt; their intervals hold together for all rows. Costs are means per prompt, verification included."
    )
    return Table("ablation", ablation.question, caption, filled(rows), pd.DataFrame(raw))


def _verdict(found: tuple[float, float, float]) -> str:
    sure = settled(*found[1:])
    return sure if sure != YES else "more" if found[0] > 0 else "less"


def _other(ablation: Ablation, line: dict[str, Any]) -> str:
    """Names what a line is set against where it is not what the column says."""
    reference = ablation.reference(_varied(ablation, line))
    return "" if reference == ablation.against else f" (against {reference})"


def _asked(summary: Summary, ablation: Ablation) -> list[str]:
    if ablation.vary == "method":
        return [" ".join(method[:2]) for method in summary.methods]
    key = {"model": "models", "search": "searches", "verifier": "verifiers"}[ablation.vary]
    return [ablation.against, *summary.runs.manifests[0]["configuration"][key]]


def _varied(ablation: Ablation, line: dict[str, Any]) -> str:
    return f"{line['model']} {line['search']}" if ablation.vary == "method" else str(line[ablation.vary])


def _reference(ablation: Ablation, line: dict[str, Any]) -> dict[str, Any]:
    """The line that this one is set against."""
    if ablation.vary != "method":
        return {**line, ablation.vary: ablation.reference(_varied(ablation, line))}
    model, _, search = ablation.reference(_varied(ablation, line)).partition(" ")
    return {**line, "model": model, "search": search}


def _against(
    summary: Summary, ablation: Ablation, truth: str, lines: Sequence[dict[str, Any]]
) -> list[tuple[float, float, float] | None]:
    """Each line's paired difference to its reference at the same budget; None for a reference and where there is none."""
    differences = {}
    for place, line in enumerate(lines):
        other = _column(truth, _reference(ablation, line))
        if _varied(ablation, line) != ablation.against and other in summary.values.columns:
            differences[place] = summary.whole[_column(truth, line)] - summary.whole[other]
    if not differences:
        return [None] * len(lines)
    told = summary.sample.together(np.column_stack(list(differences.values())).astype(float), summary.ends(truth))
    ends = zip(told.mean_G.tolist(), told.low_G.tolist(), told.high_G.tolist(), strict=True)
    found = dict(zip(differences, ends, strict=True))
    return [found.get(place) for place in range(len(lines))]


def _own_score(summary: Summary, line: dict[str, Any]) -> float | None:
    """Mean score under the verifier that has guided, over tasks as all means are; None for an ensemble, whose ranks are no score."""
    column = _column(line["verifier"], line)
    if column not in summary.values.columns:
        return None
    return summary.sample.overall(summary.values[column].to_numpy(dtype=float))[0]


def _column(metric: str, line: dict[str, Any]) -> tuple[Any, ...]:
    return (metric, line["model"], line["search"], line["budget_unit"], line["verifier"], line["budget"])
