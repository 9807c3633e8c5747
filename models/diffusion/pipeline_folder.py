"""A pipeline's folder, looked through before anything is loaded: whose it is, and whether configuration and weights agree."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from harness.errors import DamagedWeights, WrongInput, first_line
from models.configuration import CONFIG, check_size, read_config
from models.diffusion.pipeline_index import class_of
from models.weight_files import check_keys, check_whole, shapes, shard_of_each

CONFIGS = "published_configs"
NETWORKS = ("transformer", "unet", "vae")
RENAMED = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
TELLING = (
    "num_layers", "num_single_layers", "num_attention_heads", "attention_head_dim", "block_out_channels", "in_channels",
    "transformer_layers_per_block", "joint_attention_dim", "cross_attention_dim", "caption_channels", "guidance_embeds",
    "latent_channels", "scaling_factor", "shift_factor", "hidden_size", "d_model", "num_hidden_layers", "projection_dim",
)  # fmt: skip
"""What tells one network from another of its kind, whatever else a configuration says."""


def published_config(name: str) -> dict[str, Any] | None:
    """The published configuration of every part of a model, by folder; None for a model that has none on record."""
    path = files("models.diffusion") / CONFIGS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def check_published(folder: Path, name: str) -> None:
    """Compare the folder's configurations with the published ones. Raises WrongInput naming the first that differ."""
    for part, published in (published_config(name) or {}).items():
        if isinstance(published, Mapping):
            config = read_config(folder / part)
            found = {**_defaults(class_of(config, folder / part / CONFIG)), **config} if part in NETWORKS else config
            check_size(folder, name, f"{part}/{CONFIG}", _plain(found), published, TELLING)


def check_components(folder: Path, variant: str = "") -> None:
    """Check that every weight file is whole, and that the networks' names and shapes are those of their configurations.

    Raises:
        DamagedWeights: a file is missing or cut short, or an index names a weight that its shard lacks.
        WrongInput: a configuration contradicts its weights; the first names are given.
    """
    for path in [*_indices(folder, variant), *weight_files(folder, variant)]:
        check_whole(path)
    for part in NETWORKS:
        if (folder / part).is_dir():
            found = {_today(name): shape for name, shape in _stored(folder / part, variant).items()}
            check_keys(folder / part, expected_shapes(folder / part), found)


def weight_files(folder: Path, variant: str = "") -> list[Path]:
    """The weight files of every part, those of the variant where there are any. Raises DamagedWeights where there are none."""
    parts = sorted(path for path in folder.iterdir() if path.is_dir() and (path / "config.json").is_file())
    return [path for part in parts for path in _files(part, variant)]


def expected_shapes(part: Path) -> Mapping[str, tuple[int, ...]]:
    """Names and shapes of the weights that a configuration asks for; no memory is used.

    Raises WrongInput for one that no network can be built of.
    """
    import diffusers

    from models.outlining import outlining

    config = read_config(part)
    kind = getattr(diffusers, class_of(config, part / CONFIG))
    try:
        with outlining():
            network = kind.from_config(config)
    except Exception as error:
        raise WrongInput(f"no {kind.__name__} can be built of {part / CONFIG} ({first_line(error)}): give the published folder") from error
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def _defaults(kind: str) -> dict[str, Any]:
    """What a network of diffusers takes for what its configuration does not say."""
    import diffusers

    parameters = inspect.signature(getattr(diffusers, kind).__init__).parameters
    return {name: one.default for name, one in parameters.items() if one.default is not inspect.Parameter.empty}


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """With lists as a JSON file has them."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in config.items()}


def _today(name: str) -> str:
    """A weight's name since diffusers renamed the attention of its VAEs, which it does when it loads."""
    for before, after in RENAMED.items():
        if f".attentions.0.{before}." in name:
            return name.replace(f".{before}.", f".{after}.")
    return name


def _indices(folder: Path, variant: str) -> list[Path]:
    """Indices of shards, those of the variant."""
    return sorted(path for part in folder.iterdir() if part.is_dir() for path in _index_of(part, variant))


def _index_of(part: Path, variant: str) -> list[Path]:
    return sorted(part.glob(f"*.safetensors.index.{variant}.json" if variant else "*.safetensors.index.json"))


def _stored(part: Path, variant: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a network's weights; of shards those that the index names, as only they are loaded."""
    found = {path.name: shapes(path) for path in _files(part, variant)}
    indices = _index_of(part, variant)
    if not indices:
        return {name: shape for tensors in found.values() for name, shape in tensors.items()}
    shards = shard_of_each(indices[0])
    lacking = [name for name, shard in shards.items() if name not in found[shard]]
    if lacking:
        raise DamagedWeights(f"{indices[0]} names {lacking[0]} in {shards[lacking[0]]}, which has no such weight: fetch or copy both again")
    return {name: found[shard][name] for name, shard in shards.items()}


def _files(part: Path, variant: str) -> list[Path]:
    """The shards that the index names, or the only file: of the variant; without one, those that name no variant."""
    which = f" of the variant {variant}" if variant else ""
    if indices := _index_of(part, variant):
        return [part / shard for shard in sorted(set(shard_of_each(indices[0]).values()))]
    chosen = list(_matching(part, rf"\.{re.escape(variant)}\b" if variant else r"^[^.]+\.safetensors$"))
    if not chosen:
        pickles = sorted(path.name for path in part.iterdir() if path.suffix in (".bin", ".pth", ".pt", ".ckpt"))
        instead = f", only {pickles[0]}, a pickle, which is not read" if pickles else ""
        if others := sorted(path.name for path in part.glob("*.safetensors")):
            which, instead = which or " without a variant", f", only {others[0]} of another variant"
        raise DamagedWeights(f"{part} holds no safetensors{which}{instead}: fetch it again, or give a whole folder")
    if len(chosen) > 1:
        raise DamagedWeights(f"{part} holds {len(chosen)} safetensors{which} and no index of them: fetch the index too, or leave one file")
    return chosen


def _matching(part: Path, pattern: str) -> Iterator[Path]:
    return (path for path in sorted(part.glob("*.safetensors")) if re.search(pattern, path.name))
