"""Numbers printed in papers: `published/`, one CSV a paper, read and checked.

Nothing here was measured by this harness. Names are its own where it has them (models, suites, tasks, metrics), else those
of the paper; where a source does not name something, the cell is empty, or "not named" where a row needs one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from harness.errors import WrongInput, near, unknown
from harness.registry import entries

FOLDER = Path(__file__).parent / "published"
STATED, FIGURE, REPORTED = "stated", "figure", "reported"
EVIDENCE: Mapping[str, str] = {
    STATED: "printed in the paper, on its project page or in its authors' repository",
    FIGURE: "read off a figure",
    REPORTED: "quoted by a third party, the paper's own table not read",
}
COLUMNS: Mapping[str, str] = {
    "paper": "arXiv number; also the file's name",
    "where": "table, figure or page",
    "suite": "suite; empty where the source names no prompts",
    "metric": "grade for the suite's own evaluator, a verifier's name, or the paper's word where its scale is another",
    "task": "the suite's category, or overall",
    "model": "name here (vistas list models); the paper's word for any other",
    "search": "search in the paper's words; none for one image",
    "verifier": "what guided the search; empty where not named, and without a search",
    "budget": "budget as printed; empty where not named",
    "budget_unit": "nfe, n (the method's own N) or flux-images (the compute of one image of FLUX.1-dev)",
    "value": "the number with the digits that are printed",
    "evidence": "; ".join(f"{name}: {meaning}" for name, meaning in EVIDENCE.items()),
    "source": "where it can be read; of what notes without an address quote, the paper's address",
    "note": "what has to be known with it",
}
OPTIONAL = ("suite", "verifier", "budget", "budget_unit", "note")
"""Columns that may be empty."""
UNITS: Mapping[str, str] = {"nfe": "{:g} NFE", "n": "N = {:g}", "flux-images": "{:g} × a FLUX image"}
"""How a budget of each unit is written."""
GAIN = "grade gain"
"""A difference to no search, in points of 100: no score."""
METRICS: Mapping[str, tuple[float, float]] = {
    "grade": (0, 1),
    GAIN: (-100, 100),
    "image-reward": (-3, 3),
    "aesthetic": (0, 10),
    "pick-score": (0, 100),
    # Not `clip-score`: that is a raw cosine, and what papers print under this name need not be.
    "CLIPScore": (0, 1),
    "LLM grader": (0, 100),
    "VQAScore": (0, 1),
    "VQAScore (InstructBLIP)": (0, 1),
}
"""Range of every metric; of all, more is better."""
_KEY = [name for name in COLUMNS if name not in ("value", "evidence", "source", "note")]


def read_papers(folder: Path = FOLDER) -> pd.DataFrame:
    """All rows of the folder's CSV files, in the order of the files' names.

    All columns are text but `budget` (NaN where not named) and `value`; `printed` is the value's text.

    Raises:
        WrongInput: no file, or one that breaks a rule; the sentence names file, line, value and rule.
    """
    files = sorted(folder.glob("*.csv"))
    if not files:
        raise WrongInput(f"{folder} holds no CSV file of printed numbers: install the package anew")
    return pd.concat([_read(path) for path in files], ignore_index=True)


def chosen(rows: pd.DataFrame, suite: str | None, models: Sequence[str]) -> pd.DataFrame:
    """The rows of one suite and of some models; of all where None or none is named. `lacking` says which models have none there.

    Raises:
        WrongInput: a suite or model that no row has, or models that all have none of the suite.
    """
    every = rows
    for column, names in (("suite", [] if suite is None else [suite]), ("model", models)):
        known = [each for each in every[column].unique() if each]
        for name in names:
            if name not in known:
                hint = near(name, known)
                raise WrongInput(f"no {column} {name!r} among these numbers; {hint and hint + ' '}there are: {', '.join(known)}")
    rows = rows if suite is None else rows[rows["suite"] == suite]
    rows = rows[rows["model"].isin(models)] if models else rows
    if rows.empty:
        raise WrongInput(f"{'; '.join(lacking(every, suite, models))}; of {suite} there are: {_models(every[every['suite'] == suite])}")
    return rows.reset_index(drop=True)


def lacking(rows: pd.DataFrame, suite: str | None, models: Sequence[str]) -> list[str]:
    """A sentence for every model, known to `rows`, of which nothing of the suite is printed: where there is something."""
    there = set(rows.loc[rows["suite"] == suite, "model"])
    elsewhere = {name: rows.loc[rows["model"] == name, "suite"].unique() for name in models if suite is not None and name not in there}
    return [
        f"nothing of {suite} is printed of {name}, only of {', '.join(each or 'prompts that are not named' for each in suites)}"
        for name, suites in elsewhere.items()
    ]


def _models(rows: pd.DataFrame) -> str:
    return ", ".join(rows["model"].unique())


def _read(path: Path) -> pd.DataFrame:
    try:
        rows = pd.read_csv(path, dtype=str, keep_default_na=False).fillna("")  # a line that ends early has NaN
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        why = " ".join(str(error).split())
        raise WrongInput(f"{path.name} is no table ({why}): write CSV with the columns {', '.join(COLUMNS)}") from error
    if list(rows.columns) != list(COLUMNS):
        raise WrongInput(f"{path.name} has the columns {', '.join(rows.columns)}: write exactly {', '.join(COLUMNS)}")
    for line, row in enumerate(rows.to_dict("records"), start=2):
        complaint = _complaint({str(name): str(text) for name, text in row.items()}, path.stem)
        if complaint:
            raise WrongInput(f"{path.name}, line {line}: {complaint}")
    again = rows.duplicated(_KEY).to_numpy()
    if again.any():
        raise WrongInput(f"{path.name}, line {again.argmax() + 2}: a second value of one number: keep one, or part them by `where`")
    return rows.assign(printed=rows["value"], value=rows["value"].astype(float), budget=pd.to_numeric(rows["budget"]))


def _complaint(row: Mapping[str, str], paper: str) -> str:
    """What is wrong with a row, and what to write; "" where nothing is."""
    empty = [name for name, text in row.items() if not text.strip() and name not in OPTIONAL]
    if empty:
        return f"no {empty[0]}: write {COLUMNS[empty[0]]}"
    if row["paper"] != paper or not re.fullmatch(r"\d{4}\.\d{5}", paper):
        return f"paper {row['paper']!r}: write an arXiv number such as 2510.16751 and call the file after it"
    for column, known in (("suite", entries("suite")), ("metric", METRICS), ("evidence", EVIDENCE), ("budget_unit", UNITS)):
        if row[column] and row[column] not in known:
            return unknown(column, row[column], list(known))
    if bool(row["budget"]) != bool(row["budget_unit"]):
        return f"budget {row['budget']!r} with unit {row['budget_unit']!r}: write both or neither"
    if row["budget"] and not _number(row["budget"]) > 0:
        return f"budget {row['budget']!r} is no number above 0: write it, or leave budget and budget_unit empty"
    low, high = METRICS[row["metric"]]
    if not low <= _number(row["value"]) <= high:
        return f"value {row['value']!r} of {row['metric']} is no number from {low:g} to {high:g}: write it as printed, in that scale"
    if not re.fullmatch(r"https://\S+", row["source"]):
        return f"source {row['source']!r}: write an address that begins with https://"
    return ""


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def budget_text(amount: float, unit: str) -> str:
    """A budget as it is printed: "1365 NFE", "N = 8"; empty where the source names none."""
    return "" if pd.isna(amount) else UNITS[unit].format(amount)


def sources(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """Each place that rows are from, with its evidence and what has to be known of it, and its address."""
    found = []
    for (paper, where, evidence, source), part in rows.groupby(["paper", "where", "evidence", "source"], sort=False):
        notes = "; ".join(dict.fromkeys(said for note in part["note"] if note for said in note.split("; ")))
        found.append((f"arXiv {paper}, {where}, {evidence}" + (f" ({notes})" if notes else ""), str(source)))
    return found
