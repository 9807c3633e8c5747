"""A repository of two small files, and its folder as a copy and as the hub's client keeps it."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from harness.weights.repository import Repository

TOY = Repository(
    "someone/toy", "main", ("config.json", "part/*.safetensors"), 4_200_000_000, "MIT", gated=True, approximate=True
)


def fill(folder: Path) -> Path:
    """The files of TOY."""
    (folder / "part").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    save_file({"weight": torch.arange(12.0).reshape(3, 4)}, folder / "part" / "model.safetensors")
    return folder


def fill_cache(cache: Path) -> Path:
    """TOY as the hub's client keeps it."""
    repository = cache / "models--someone--toy"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("1" * 40)
    return fill(repository / "snapshots" / ("1" * 40))
