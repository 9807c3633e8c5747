"""Tables of docs/suites.md, made of the cards: `python -m suites.document` prints them."""

from __future__ import annotations

import sys
from typing import Any

from harness.markdown import table
from harness.registry import entries
from results.folder_scores import COLUMNS
from suites.base import display_name


def suites_table() -> str:
    """Every registered suite with its protocol."""
    rows = [
        (f"`{name}`", f"{card.source}; {card.version}", str(card.images_per_prompt or "as you like"), str(len(card.tasks)), card.licence,
         card.overall)
        for name, card in _cards()
    ]  # fmt: skip
    return table(("suite", "prompts from", "images a prompt", "tasks", "licence", "overall"), rows) + "\n"


def embedded_table() -> str:
    """What every task of an embedded version measures."""
    rows = [(f"`{name}@shapes`", *row) for name, card in _cards() for row in card.settings.get("shapes", {}).items()]
    return table(("suite", "task", "what it measures"), rows) + "\n"


def scores_table() -> str:
    """Tasks whose grades are scores, with their ends."""
    rows = [
        (f"`{display_name(name, domain)}`", task, *("none" if end is None else f"{end:g}" for end in ends))
        for name, card in _cards() for domain, tasks in card.scores.items() for task, ends in tasks.items()
    ]  # fmt: skip
    return table(("suite", "task", "least", "most"), rows) + "\n"


def columns_table() -> str:
    """Columns of a scored folder's table."""
    return table(("column", "type", "meaning"), [(f"`{one.name}`", one.kind, one.meaning) for one in COLUMNS]) + "\n"


def _cards() -> list[tuple[str, Any]]:
    return [(name, known.resolve()().card) for name, known in entries("suite").items()]


if __name__ == "__main__":
    sys.stdout.write("\n".join((suites_table(), embedded_table(), scores_table(), columns_table())))
