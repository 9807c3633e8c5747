"""The description of the tables follows their declaration."""

from __future__ import annotations

from pathlib import Path

import torch

from results.document import document
from results.manifest import manifest
from results.store import Store

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_is_current() -> None:
    page = (ROOT / "docs" / "tables.md").read_text(encoding="utf-8")
    assert page == document(), "write it anew: python -m results.document > docs/tables.md"


def test_every_file_of_a_run_folder_is_described(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.open(manifest({}, {"name": "s"}, {}, {}, {}, {}, []))
    store.keep_units(["a"])
    store.keep_calibration({"model": 1.0})
    store.save_image(torch.zeros(3, 4, 4, dtype=torch.uint8))
    store.save("a", {})
    store.compact(["a"])
    page = document()
    for entry in tmp_path.iterdir():
        assert f"`{entry.name}{'/' if entry.is_dir() else ''}`" in page or f"## {entry.name}" in page
