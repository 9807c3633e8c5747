"""The tables' description as Markdown: `python -m results.document > docs/tables.md`."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from harness.markdown import table_lines
from results.papers import COLUMNS
from results.schema import MEASURED, OVERRUN, SCHEMA_VERSION, TABLES
from results.store import CALIBRATION, FINISHED, MANIFEST, UNITS

_ROWS = {
    "candidates": "One row per unit, verifier, prompt and scored image; costs are what the prompt had spent when the score was known.",
    "selections": "One row per unit, verifier, prompt and budget: what the search returned and what it had spent. Where nothing "
    "was scored within a budget in seconds, the costs are those of the first candidate, which has overspent. The totals are everything "
    "that was run for the prompt: more than the costs only where a search went on after its budget in seconds, and NaN where "
    f"`{OVERRUN}` is. Reports count the totals as spent.",
    "scores": "One row per selection and metric; prompts that could not be run have rows here alone. A mean over rows weighs every "
    "prompt the same. The overall of a report weighs as the suite's card says (docs/suites.md): of geneval and t2i-compbench it is the "
    "unweighted mean of the tasks' means, each a mean over prompts, and differs where tasks have different numbers of prompts.",
}
_FILES = {
    MANIFEST: "configuration, versions, commit, hardware, hashes of all weights",
    UNITS: "keys of the run's units in the order of the tables: what tells how much of an unfinished run is there",
    FINISHED: "hash of all that determined a run that has been finished: while it is the same, the same command loads nothing",
    CALIBRATION: "speeds that budgets in seconds were planned with; in such runs only",
    "parts/": "one file per finished unit, with its rows of all tables, which are made of these",
    "images/": "pictures that the tables point to, each named by its content",
}
_PAPERS = (
    "# Numbers printed in papers",
    "",
    "`results/published/` of the package, one CSV a paper: what papers, their project pages and those who quote them print; nothing of it "
    "was measured here. `vistas list published --suite NAME --model NAME` prints them, and the report of a run of photographs shows those "
    "of its suite and models.",
)


def document() -> str:
    """The page: every table with its columns, types, units and meanings."""
    lines = [
        "# Tables of a run",
        "",
        "Written by `python -m results.document > docs/tables.md` from `results/schema.py`.",
        "",
        f"A run folder holds one Parquet file per table (schema version {SCHEMA_VERSION}); units and meanings are in the files' "
        f"field metadata too. Two runs of one unit agree byte for byte in all columns but {', '.join(MEASURED[:-1])} and {MEASURED[-1]}. "
        "Rows stand unit by unit: units hold the prompts in the order in which they join a growing sample, each in the suite's own order.",
    ]
    for name, columns in TABLES.items():
        rows = [(f"`{one.name}`", one.kind, one.unit, one.meaning) for one in columns]
        lines += ["", f"## {name}.parquet", "", _ROWS[name], "", *table_lines(("column", "type", "unit", "meaning"), rows)]
    lines += ["", "## Beside the tables", "", *table_lines(("in the run folder", "what it is"), _named(_FILES))]
    lines += ["", *_PAPERS, "", *table_lines(("column", "meaning"), _named(COLUMNS))]
    return "\n".join(lines) + "\n"


def _named(meanings: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(f"`{name}`", meaning) for name, meaning in meanings.items()]


if __name__ == "__main__":
    sys.stdout.write(document())
