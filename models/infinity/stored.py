"""Weights of Infinity as files hold them: .pth, .safetensors, or shards of these with their index.

Only tensors are ever unpickled (weights_only=True), and files are mapped rather than read where their format allows.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from harness.errors import DamagedWeights, WrongInput
from models.weight_files import check_whole, header, load_pickle, shard_of_each

INDEX = ".safetensors.index.json"


def weight_files(source: Path) -> list[Path]:
    """The files that `read_weights` reads: the file itself, or the shards of a folder or of an index in it.

    Raises WrongInput, DamagedWeights.
    """
    if not source.exists():
        raise DamagedWeights(f"{source} does not exist: give a .pth or .safetensors file, or a folder of shards")
    if source.name.endswith(INDEX):
        return _indexed(source)
    return _shards(source) if source.is_dir() else [source]


def read_weights(source: Path) -> dict[str, Any]:
    """The raw content of a weight file, of a folder with `*.safetensors.index.json`, or of that index's shards.

    Raises WrongInput for a file of another kind or a pickle that needs code, DamagedWeights for a truncated file.
    """
    files = weight_files(source)
    if files[0].suffix != ".safetensors":
        content = load_pickle(source)
        if not isinstance(content, Mapping):
            raise WrongInput(f"{source} holds a {type(content).__name__}, not named weights: give another file")
        return dict(content)
    for path in files:
        check_whole(path)
    return {name: tensor for path in files for name, tensor in load_file(path).items()}


def outline(source: Path) -> dict[str, Any]:
    """What `read_weights` gives, nothing of it read that can be told from headers: pickles are mapped."""
    files = weight_files(source)
    if files[0].suffix != ".safetensors":
        return read_weights(source)
    for path in files:
        check_whole(path)
    return {name: torch.empty(tensor["shape"], device="meta") for path in files for name, tensor in header(path).items()}


def _shards(folder: Path) -> list[Path]:
    indices = sorted(folder.glob(f"*{INDEX}"))
    if not indices:
        alone = sorted(folder.glob("*.safetensors"))
        if len(alone) != 1:
            raise WrongInput(f"{folder} holds neither one .safetensors file nor an index: give the file itself")
        return alone
    return _indexed(indices[0])


def _indexed(index: Path) -> list[Path]:
    check_whole(index)
    return [index.parent / name for name in sorted(set(shard_of_each(index).values()))]
