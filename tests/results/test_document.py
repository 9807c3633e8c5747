"""The description of the tables follows their declaration."""

from __future__ import annotations

from pathlib import Path

from results.document import document

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_is_current() -> None:
    page = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
    assert page == document(), "write it anew: python -m results.document > docs/tables.md"
