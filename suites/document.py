"""Tables of docs/suites.md, made of the cards: `python -m suites.document` prints them."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from harness.registry import entries
from results.folder_scores import COLUMNS

_TYPES = {"string": "text", "int64": "whole number", "double": "number", "bool": "yes or no"}


def suites_table() -> str:
    """Every registered suite with its protocol."""
    rows = ["| suite | prompts from | images a prompt | tasks | licence | overall |", "|---|---|---|---|---|---|"]
    for name, known in entries("suite").items():
        card = known.resolve()().card
        images = card.images_per_prompt or "as you like"
        rows.append(
            f"| `{name}` | {card.source}; {card.version} | {images} | {len(card.tasks)} | {card.licence} | {card.overall} |"
        )
    return "\n".join(rows) + "\n"


def embedded_table() -> str:
    """What every task of an embedded version measures."""
    rows = ["| suite | task | what it measures |", "|---|---|---|"]
    for name, known in entries("suite").items():
        for task, measures in _embedded(known.resolve()().card.settings):
            rows.append(f"| `{name}@shapes` | {task} | {measures} |")
    return "\n".join(rows) + "\n"


def _embedded(settings: object) -> Iterator[tuple[str, str]]:
    tasks = settings.get("shapes", {}) if isinstance(settings, dict) else {}
    yield from tasks.items()


def columns_table() -> str:
    """Columns of a scored folder's table."""
    rows = ["| column | type | meaning |", "|---|---|---|"]
    rows += [f"| `{one.name}` | {_TYPES[str(one.type)]} | {one.meaning} |" for one in COLUMNS]
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.stdout.write("\n".join((suites_table(), embedded_table(), columns_table())))
