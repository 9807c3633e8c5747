"""Published architectures as data: their networks as outlines, with shapes and without weights."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.resources import files
from typing import Any

import torch

from models.diffusion.pipeline_folder import published_config
from models.outlining import outlining

FILE = "architectures.toml"
KIND, SHARED = "_class_name", "shared"
_DIFFUSERS = ("Autoencoder", "Transformer2DModel", "UNet2D")
"""In the names of diffusers' classes; all others are transformers'."""


@cache
def _rows() -> Mapping[str, Mapping[str, Any]]:
    table = tomllib.loads((files("models") / FILE).read_text(encoding="utf-8"))
    shared = table.pop(SHARED)
    return {
        name: {part: shared[given] if isinstance(given, str) else given for part, given in row.items()}
        for name, row in table.items()
    }


def components(name: str) -> dict[str, Mapping[str, Any]]:
    """Configuration of every network of a model by its place, each with its class. Raises KeyError for an unknown model."""
    parts = published_config(name) or _rows()[name]
    return {part: row for part, row in parts.items() if isinstance(row, Mapping)}


def outline(row: Mapping[str, Any], dtype: torch.dtype = torch.float32) -> torch.nn.Module:
    """A network on the meta device: shapes without weights."""
    kind, options = row[KIND], {key: value for key, value in row.items() if not key.startswith("_")}
    from_diffusers = any(part in kind for part in _DIFFUSERS)
    made = getattr(import_module("diffusers" if from_diffusers else "transformers"), kind)
    with outlining():
        network: torch.nn.Module = made.from_config(options) if from_diffusers else made(made.config_class(**options))
    torch.nn.Module.to(network, dtype)  # diffusers' own `to` warns of what is not so
    return network.eval()


def parameters(network: torch.nn.Module) -> int:
    """Number of parameters."""
    return sum(parameter.numel() for parameter in network.parameters())
