"""Published architectures as data: their networks as outlines, with shapes and without weights."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.resources import files
from typing import Any

import torch

FILE = "architectures.toml"
SHARED, PIPELINE = "shared", "pipeline"


@cache
def architectures() -> Mapping[str, Mapping[str, Any]]:
    """Model name to its components: each a class and its configuration, "pipeline" a class of diffusers."""
    table = tomllib.loads((files("models") / FILE).read_text(encoding="utf-8"))
    shared = table.pop(SHARED)
    return {
        name: {
            part: shared[given] if isinstance(given, str) and part != PIPELINE else given for part, given in row.items()
        }
        for name, row in table.items()
    }


def components(name: str) -> dict[str, Mapping[str, Any]]:
    """Networks of a model by their place in it, without its scheduler."""
    return {part: row for part, row in architectures()[name].items() if part not in (PIPELINE, "scheduler")}


def outline(row: Mapping[str, Any], dtype: torch.dtype = torch.float32) -> torch.nn.Module:
    """A network on the meta device: shapes without weights."""
    library, _, kind = row["class"].partition(".")
    made = getattr(import_module(library), kind)
    options = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items() if key != "class"}
    with torch.device("meta"):
        network: torch.nn.Module = made(**options) if library == "diffusers" else made(made.config_class(**options))
    torch.nn.Module.to(network, dtype)  # diffusers' own `to` warns of what is not so
    return network.eval()


def count(row: Mapping[str, Any]) -> int:
    """Parameters of a row of architectures.toml."""
    return parameters(outline(row))


def parameters(network: torch.nn.Module) -> int:
    """Number of parameters."""
    return sum(parameter.numel() for parameter in network.parameters())
