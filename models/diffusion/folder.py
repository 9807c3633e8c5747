"""A pipeline's folder, looked through before anything is loaded: whose it is, and whether configuration and weights agree."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from harness.errors import DamagedWeights
from models.configuration import CONFIG, check_size, read_config
from models.files import check_keys, check_whole

CONFIGS = "published_configs"
NETWORKS = ("transformer", "unet", "vae")
RENAMED = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
TELLING = (
    "num_layers", "num_single_layers", "num_attention_heads", "attention_head_dim", "block_out_channels", "in_channels",
    "transformer_layers_per_block", "joint_attention_dim", "cross_attention_dim", "caption_channels", "guidance_embeds",
)  # fmt: skip
"""What tells one size of a network from another, whatever else a configuration says."""


def published_config(name: str) -> dict[str, Any] | None:
    """The published configuration of every part of a model, by folder; None for a model that has none on record."""
    path = files("models.diffusion") / CONFIGS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def check_published(folder: Path, name: str) -> None:
    """Compare the folder's configurations with the published ones. Raises WrongInput naming the first that differ."""
    published = published_config(name) or {}
    for part in {"transformer", "unet"} & set(published):
        check_size(folder, name, f"{part}/{CONFIG}", read_config(folder / part), published[part], TELLING)


def check_components(folder: Path, variant: str = "") -> None:
    """Check that every weight file is whole, and that the networks' names and shapes are those of their configurations.

    Raises:
        DamagedWeights: a file is missing or cut short.
        WrongInput: a configuration contradicts its weights; the first names are given.
    """
    for path in [*weight_files(folder, variant), *_indices(folder, variant)]:
        check_whole(path)
    for part in NETWORKS:
        if (folder / part).is_dir():
            found: dict[str, tuple[int, ...]] = {}
            for path in _files(folder / part, variant):
                found |= {_today(name): shape for name, shape in shapes(path).items()}
            check_keys(folder / part, expected_shapes(folder / part), found)


def weight_files(folder: Path, variant: str = "") -> list[Path]:
    """The weight files of every part, those of the variant where there are any. Raises DamagedWeights where there are none."""
    parts = sorted(path for path in folder.iterdir() if path.is_dir() and (path / "config.json").is_file())
    return [path for part in parts for path in _files(part, variant)]


def shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a safetensors file, from its header alone."""
    with path.open("rb") as stream:
        header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
    return {name: tuple(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__"}


def expected_shapes(part: Path) -> Mapping[str, tuple[int, ...]]:
    """Names and shapes of the weights that a configuration asks for; no memory is used."""
    import diffusers
    import torch

    config = read_config(part)
    kind = getattr(diffusers, config["_class_name"])
    with torch.device("meta"):
        network = kind.from_config(config)
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def _today(name: str) -> str:
    """A weight's name since diffusers renamed the attention of its VAEs, which it does when it loads."""
    for before, after in RENAMED.items():
        if f".attentions.0.{before}." in name:
            return name.replace(f".{before}.", f".{after}.")
    return name


def _indices(folder: Path, variant: str) -> list[Path]:
    """Indices of shards, those of the variant."""
    ending = f".safetensors.index.{variant}.json" if variant else ".safetensors.index.json"
    return sorted(folder.glob(f"*/*{ending}"))


def _files(part: Path, variant: str) -> list[Path]:
    """Those of the variant; without one, those that name no variant."""
    chosen = list(_matching(part, rf"\.{re.escape(variant)}\b" if variant else r"^[^.]+\.safetensors$"))
    if not chosen:
        which = f" of the variant {variant}" if variant else ""
        raise DamagedWeights(f"{part} holds no safetensors{which}: fetch it again, or give a whole folder")
    return chosen


def _matching(part: Path, pattern: str) -> Iterator[Path]:
    return (path for path in sorted(part.glob("*.safetensors")) if re.search(pattern, path.name))
