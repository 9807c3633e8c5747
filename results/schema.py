"""The tables of a run, declared once: every column with its type, unit and meaning."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from harness.compute.ledger import MEANINGS

SCHEMA_VERSION = 6
GRADE = "grade"
"""The metric that is the suite's own grade: the truth where there is one."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: name, Arrow type, unit ("" for none) and meaning."""

    name: str
    type: pa.DataType
    unit: str
    meaning: str

    @property
    def kind(self) -> str:
        """Its type in plain words."""
        return {"string": "text", "int64": "whole number", "double": "number", "bool": "yes or no"}[str(self.type)]


def _text(name: str, meaning: str) -> Column:
    return Column(name, pa.string(), "", meaning)


def _integer(name: str, meaning: str, unit: str = "") -> Column:
    return Column(name, pa.int64(), unit, meaning)


def _real(name: str, meaning: str, unit: str = "") -> Column:
    return Column(name, pa.float64(), unit, meaning)


COST = tuple(Column(name, pa.float64() if name.endswith("seconds") else pa.int64(), *said) for name, said in MEANINGS.items())
OVERRUN = "overrun_seconds"
TOTALS = {name: f"total_{name}" for name in MEANINGS}
"""Ledger column to the column with all of it that was run, what came after a deadline included."""
MEASURED = ("seconds", "verifier_seconds", OVERRUN, TOTALS["seconds"], TOTALS["verifier_seconds"])
"""Columns that differ between two runs of the same unit; all others are equal byte for byte."""
ADDED = {OVERRUN: 4, **dict.fromkeys(TOTALS.values(), 5)}
"""Columns that tables of an older schema are read without, and the version from which on they are there."""

_UNIT = (
    _text("unit", "key of the unit: hash of everything that determines it"),
    _text("suite", "suite with its domain written out, such as geneval@shapes"),
    _text("prompt_id", "prompt within the suite"),
    _text("task", "the suite's category of the prompt"),
    _text("model", "generator"),
    _text("family", "ar or diffusion, or pair: an ar draft refined by diffusion"),
    _text("search", "search with its parameters as asked for, such as beam:width=2"),
    _text("verifier", "verifier whose scores these are and that guided the search"),
    _integer("seed", "run seed"),
)

CANDIDATES = (
    *_UNIT,
    _text("budget_unit", "unit of the budget the search ran under"),
    _real("budget", "budget of the search per prompt, in budget_unit; of random, whose pool serves all budgets, the largest"),
    _integer("order", "order of scoring within the prompt"),
    _text("candidate", "candidate path: 3 is the fourth independent candidate, 3.1 its second branch"),
    _text("parent", "path it branched from, empty for a root"),
    _integer("step", "draws done when the branch was made", "steps"),
    Column("complete", pa.bool_(), "", "finished image, or a preview of an unfinished one"),
    Column("kept", pa.bool_(), "", "whether the search carried the branch on"),
    _real(
        "score",
        "score by the verifier; an ensemble's is comparable within one prompt's pool only, finished images among themselves and "
        "previews among all; of what only the cheap stage of a "
        "cascade judged, the place below the worst that the expensive one did",
    ),
    _text(
        "reason",
        "why it is unscored (after the budget: not chosen from), or that the score is only a place, as a cascade's cheap stage "
        "alone judged it; empty otherwise",
    ),
    _real(
        "truth",
        "the suite's own grade of this image, 1 for right and 0 for wrong or, in the tasks that `scores` of the manifest's `suite` has, a "
        "score: on every finished image of random where the suite has a grader here, and what reports "
        "say of trust in verifiers is of these; NaN for all other searches, whose images are chosen by scores",
    ),
    _text("image", "path of the PNG within the run folder, empty where not kept"),
    *COST,
)
"""One row per (unit, verifier, prompt, scored image); costs are what the prompt had spent when the score was known."""

SELECTIONS = (
    *_UNIT,
    _text("prompt", "prompt text"),
    Column("text_truncated", pa.bool_(), "", "whether the prompt is longer than the generator's text encoders take, its end unread"),
    _text("budget_unit", "unit of the budget"),
    _real("budget", "budget per prompt, in budget_unit"),
    _text("parameters", "the plan's parameters as JSON"),
    _text("candidate", "path of the chosen candidate, empty where none was scored within the budget"),
    _real(
        "score",
        "its score by the verifier; an ensemble's is its rank among the candidates of this budget alone, so under several budgets of one "
        "pool it is not that of candidates, which ranks those of the largest",
    ),
    _integer("considered", "finished candidates it was chosen from", "images"),
    _text("image", "path of the PNG within the run folder"),
    *COST,
    _real(
        OVERRUN,
        "how long the search went on after its budget in seconds, or after what adaptive had allotted the prompt: what was scored "
        "then is not chosen from, and of all costs only the totals hold it; 0 where it ended in time and under other units; NaN "
        "where images of one pool serve several budgets or verifiers, none of which it was stopped by",
        "s",
    ),
    *(_real(TOTALS[name], f"{name} of all that was run for this prompt", unit) for name, (unit, _) in MEANINGS.items()),
)
"""One row per (unit, verifier, prompt, budget): what the search returned, what it had spent, and all that was run.

Where nothing was scored within a budget in seconds, the costs are those of the first candidate, which has overspent. Totals are
more than the costs only where a search went on after its budget in seconds, and NaN where `OVERRUN` is.
"""

SCORES = (
    *_UNIT,
    _text("budget_unit", "unit of the budget"),
    _real("budget", "budget per prompt, in budget_unit"),
    _text("metric", "a verifier's name, or grade for the suite's own evaluator"),
    _real("value", "the metric of the selected image; NaN where it could not be scored"),
    Column("text_truncated", pa.bool_(), "",
           "whether the prompt is longer than this verifier reads, its end unread; no for grade, of which it is not known"),
    _text("reason", "why there is no value, or why the suite's evaluator says it is wrong; empty otherwise"),
)
"""One row per (selection, metric), and per metric of every prompt that could not be run, which has no selection."""

TABLES: dict[str, tuple[Column, ...]] = {"candidates": CANDIDATES, "selections": SELECTIONS, "scores": SCORES}


def arrow_schema(columns: Iterable[Column]) -> pa.Schema:
    """Arrow schema of a table of these columns, units and meanings as field metadata."""
    return pa.schema([pa.field(one.name, one.type, metadata={"unit": one.unit, "meaning": one.meaning}) for one in columns])
