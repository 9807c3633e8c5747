"""Adds to the cards of the embedded verifiers how well they agree with the grader on pictures that generators made."""

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from models.card_file import CARD_FILE
from verifiers.agreement import ALL_TASKS
from verifiers.load_embedded import weights_folder
from verifiers.shapes.cards import save_card

MEASURES = ("right", "auroc", "auroc_within")


def write_generated(table: pd.DataFrame, prompts: int, weights_sha256: dict[str, str]) -> list[str]:
    """Set `generated` in the card of each verifier of an agreement table that has one; returns their names.

    `weights_sha256` are the hashes of the generators' weights.
    """
    written = []
    for verifier, rows in table.groupby("verifier", sort=False):
        folder = weights_folder(str(verifier))
        if not (folder / CARD_FILE).is_file():  # an ensemble has no weights
            continue
        card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
        card["generated"] = {
            str(model): {"weights_sha256": weights_sha256[str(model)], "prompts": prompts, **_measured(its)}
            for model, its in rows.groupby("model", sort=False)
        }
        save_card(card, folder)
        written.append(str(verifier))
    return written


def _measured(rows: pd.DataFrame) -> dict[str, Any]:
    by_task = {row["task"]: row for row in rows.to_dict("records")}
    overall = by_task.pop(ALL_TASKS)
    return {
        "images": int(overall["images"]),
        **_figures(overall),
        "tasks": {task: _figures(row) for task, row in by_task.items()},
    }


def _figures(row: Mapping[Any, Any]) -> dict[str, float | None]:
    """AUROC is None where all images are right, or all wrong."""
    return {key: None if pd.isna(row[key]) else round(float(row[key]), 3) for key in MEASURES}
