"""A unit whose pictures another run has: what only measures them is measured on its files, and nothing is drawn again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import torch

from harness.run.evaluator import Evaluator, Metrics
from harness.run.run_unit import FinishedUnit
from harness.run.units import WorkUnit
from models.base import Images
from results.parts import Making
from results.schema import GRADE
from suites.base import Grade
from suites.pictures import read_picture

Row: TypeAlias = dict[str, Any]
Place: TypeAlias = tuple[str, str, float]
"""Verifier, prompt and budget that a picture was selected for."""
Shown: TypeAlias = tuple[str, str]
"""A picture: its path within the run's folder, and its prompt."""


def remeasure(unit: WorkUnit, evaluator: Evaluator, tables: Mapping[str, pa.Table], making: Making, folder: Path) -> FinishedUnit:
    """The unit's rows from those of a unit with the same pictures: what the same verifiers have measured of them is kept.

    Grades are kept too, but for those that were missing as weights of the suite's graders were. Candidates that were not
    selected are not graded: most have no file.

    making: how the other was made; folder: of its run, with its images.

    Raises:
        ValueError: an image cannot be read.
    """
    old: dict[str, list[Row]] = {name: [{**row, "unit": unit.key} for row in table.to_pylist()] for name, table in tables.items()}
    scored: dict[Place, dict[str, Row]] = {}
    for row in old["scores"]:
        scored.setdefault(_place(row), {})[row["metric"]] = row
    shown = {_place(row): (row["image"], row["prompt_id"]) for row in old["selections"] if row["image"]}
    kept = _kept(unit, evaluator, making)
    values, grades, cut = _measured(unit, evaluator, scored, shown, kept, making, folder)
    rows = []
    for place, there in scored.items():
        for metric in evaluator.metrics:
            row, picture = there[GRADE], shown.get(place)
            if metric == GRADE and picture in grades:
                rows.append({**row, "value": grades[picture].value, "reason": grades[picture].reason})
            elif metric in kept:
                rows.append(there[metric])
            else:  # without a picture every metric is NaN for one reason
                value, reason = values[picture][metric] if picture else (row["value"], row["reason"])
                cut_short = metric in cut.get(place[1], ())
                rows.append({**row, "metric": metric, "value": value, "text_truncated": cut_short, "reason": reason})
    ungraded = sum(grades[one].absent for one in shown.values() if one in grades)
    return FinishedUnit({**old, "scores": rows}, len({*shown.values()}), ungraded)


def _place(row: Row) -> Place:
    return row["verifier"], row["prompt_id"], row["budget"]


def _kept(unit: WorkUnit, evaluator: Evaluator, making: Making) -> frozenset[str]:
    """The metrics that need not be measured: their verifiers, of the same weights, have measured them."""
    same = [name for name, judging in unit.judging.items() if making.metrics.get(name) == judging]
    return frozenset((GRADE, *(part for name in same for part in evaluator.verifiers[name].card.parts)))


def _measured(
    unit: WorkUnit, evaluator: Evaluator, scored: Mapping[Place, Mapping[str, Row]], shown: Mapping[Place, Shown], kept: Collection[str],
    making: Making, folder: Path,
) -> tuple[dict[Shown, Metrics], dict[Shown, Grade], dict[str, frozenset[str]]]:  # fmt: skip
    """Metrics of every picture, the grades of those that had none, and for every prompt the metrics that have not read it all."""
    places = {picture: place for place, picture in shown.items()}
    prompts = {prompt.id: prompt for prompt in unit.prompts}
    of_each = [prompts[prompt] for _, prompt in places]
    known = [{name: (row["value"], row["reason"]) for name, row in scored[place].items() if name in kept} for place in places.values()]
    cut = dict(zip(prompts, evaluator.cut(unit.prompts), strict=True))
    if not places:
        return {}, {}, cut
    images = _images(folder, [image for image, _ in places])
    values = dict(zip(places, evaluator.scores(images, of_each, known), strict=True))
    lost = [n for n, place in enumerate(places.values()) if making.ungraded and isnan(scored[place][GRADE]["value"])]
    grades = evaluator.grades(images[lost], [of_each[n] for n in lost])
    return values, dict(zip([[*places][n] for n in lost], grades, strict=True)), cut


def _images(folder: Path, paths: Sequence[str]) -> Images:
    pictures = [read_picture(folder / path) for path in paths]
    if faults := [one for one in pictures if one.image is None]:
        raise ValueError(f"{faults[0].path}: {faults[0].fault}; delete it, and its unit is made anew")
    return torch.stack([one.image for one in pictures if one.image is not None])
