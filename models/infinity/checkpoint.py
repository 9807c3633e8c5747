"""Infinity's networks with weights of every published layout, whatever their names: flat and training files, the VAE's own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from harness.errors import WrongInput
from models.infinity.config import TransformerConfig, VAEConfig
from models.infinity.stored import outline, read_weights
from models.infinity.training import initial_unconditional
from models.infinity.transformer import InfinityTransformer
from models.infinity.vae import InfinityVAE
from models.outlining import outlining
from models.weight_files import check_keys

WRAPPERS = ("module.", "_fsdp_wrapped_module.", "_orig_mod.")
"""What DDP, FSDP and torch.compile put into key names; a chunk's own `.module.` is kept."""
TRAINED = ("gpt_fsdp", "gpt_wo_ddp")
AVERAGED = ("gpt_ema_fsdp", "gpt_ema_for_vis")
"""With FSDP and without, as of the above."""
TRAINED_BESIDE = "vae_local"
"""The VAE in a training checkpoint's trainer."""
BUFFERS = ("zero_k_bias", "lfq.mask")
"""Constants that a file may leave out."""
BLOCK = re.compile(r"(?:blocks|block_chunks\.\d+\.module)\.\d+\.")
"""Begins the name of every weight of a block, and says which block."""

Model = TypeVar("Model", bound=nn.Module)


def load_transformer(config: TransformerConfig, source: Path, *, device: torch.device | str = "cpu",
                     block_dtype: torch.dtype = torch.float32, averaged: bool = False) -> InfinityTransformer:
    """The transformer with the weights of a .pth file, a .safetensors file, or shards (their folder or index).

    averaged takes the EMA copy of a training checkpoint, whole or cut down to its trainer's weights. block_dtype is the type of the
    blocks, the rest is float32.
    Raises WrongInput for missing keys, surplus blocks, wrong shapes, or a file of another kind, and DamagedWeights.
    """
    model, weights = _transformer(config, read_weights(source), source, averaged)
    if block_dtype != torch.float32:
        model.cast_blocks(block_dtype)
    return assign(model, weights, source, device)


def check_transformer(config: TransformerConfig, source: Path) -> None:
    """Refuse what `load_transformer` refuses of names and shapes, without reading the weights. Raises WrongInput, DamagedWeights."""
    state = outline(source)
    averaged = not any(isinstance(_trainer(state).get(key), Mapping) for key in TRAINED) and _is_training(state)
    _check_names(*_transformer(config, state, source, averaged), source)


def _transformer(
    config: TransformerConfig, state: Mapping[str, Any], source: Path, averaged: bool
) -> tuple[InfinityTransformer, dict[str, Tensor]]:
    """An empty transformer, and its weights by name."""
    if _is_training(state):
        state = _trained(_trainer(state), averaged, source)
    elif averaged:
        raise WrongInput(f"{source} is no training checkpoint and holds no averaged weights: leave averaged out")
    weights = strip_wrappers(state)
    with outlining():
        model = InfinityTransformer(config)
    if "cfg_uncond" in weights:
        weights["cfg_uncond"] = _fit_rows(weights["cfg_uncond"], config.text_maxlen)
    _refuse_surplus(weights, model.state_dict(), source)
    return model, weights


def _trainer(state: Mapping[str, Any]) -> Mapping[str, Any]:
    return state["trainer"] if isinstance(state.get("trainer"), Mapping) else state


def _is_training(state: Mapping[str, Any]) -> bool:
    trainer = _trainer(state)
    return trainer is not state or any(isinstance(state.get(key), Mapping) for key in (*TRAINED, *AVERAGED))


def load_vae(config: VAEConfig, source: Path, *, device: torch.device | str = "cpu") -> InfinityVAE:
    """The VAE with the weights of its .pth (under 'vae'), a training checkpoint (trainer.vae_local) or a .safetensors file.

    Unknown keys are ignored. Raises WrongInput for missing keys, wrong shapes, or a file of another kind, and DamagedWeights.
    """
    return assign(*_vae(config, read_weights(source)), source, device).to(memory_format=torch.channels_last)


def check_vae(config: VAEConfig, source: Path) -> None:
    """Refuse what `load_vae` refuses of names and shapes, without reading the weights. Raises WrongInput, DamagedWeights."""
    _check_names(*_vae(config, outline(source)), source)


def _vae(config: VAEConfig, state: Mapping[str, Any]) -> tuple[InfinityVAE, dict[str, Tensor]]:
    """An empty VAE, and its weights by name."""
    trainer = state.get("trainer")
    if isinstance(state.get("vae"), Mapping):
        state = state["vae"]
    elif isinstance(trainer, Mapping) and isinstance(trainer.get(TRAINED_BESIDE), Mapping):
        state = trainer[TRAINED_BESIDE]
    with outlining():
        model = InfinityVAE(config)
    return model, rename_bare(strip_wrappers(state), model.state_dict())


def _trained(trainer: Mapping[str, Any], averaged: bool, source: Path) -> Mapping[str, Any]:
    wanted = AVERAGED if averaged else TRAINED
    for key in wanted:
        if isinstance(trainer.get(key), Mapping):
            return trainer[key]
    if not any(isinstance(trainer.get(key), Mapping) for key in (*TRAINED, *AVERAGED)):
        raise WrongInput(f"{source} is no training checkpoint of a transformer: its trainer holds only {', '.join(map(str, trainer))}; "
                         "give the file of this model")
    raise WrongInput(f"{source} holds none of {', '.join(wanted)}, only {', '.join(map(str, trainer))}: "
                     f"set averaged to {not averaged}")


def strip_wrappers(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Tensors under their bare names, without the prefixes of DDP, FSDP and torch.compile at any level."""
    weights = {}
    for key, value in state.items():
        if not isinstance(value, Tensor):
            continue
        for wrapper in WRAPPERS[1:]:
            key = key.replace(wrapper, "")
        while key.startswith(WRAPPERS[0]):
            key = key.removeprefix(WRAPPERS[0])
        weights[key] = value
    return weights


def rename_bare(weights: Mapping[str, Tensor], known: Iterable[str]) -> dict[str, Tensor]:
    """Give convolutions and norms saved as `x.weight` the wrapped names `x.conv.weight`, `x.norm.weight`."""
    renamed = dict(weights)
    for name in known:
        bare = re.sub(r"\.(conv|norm)\.(weight|bias)$", r".\2", name)
        if name not in weights and bare in weights:
            renamed[name] = weights[bare]
    return renamed


def _fit_rows(table_LC: Tensor, rows: int) -> Tensor:
    """Truncate the unconditional features, or extend them with what training begins with, to the model's text length."""
    if len(table_LC) >= rows:
        return table_LC[:rows]
    beyond = initial_unconditional(rows, table_LC.shape[1])[len(table_LC):]
    return torch.cat([table_LC, beyond.to(table_LC)])


def _refuse_surplus(weights: Mapping[str, Tensor], wanted: Mapping[str, Tensor], source: Path) -> None:
    """A deeper model's file has every weight of a shallower one, and blocks besides; other names too many are let through."""
    known = {"", *map(_block, wanted)}
    surplus = [name for name in weights if _block(name) not in known]
    if surplus and all(name in weights for name in wanted if not name.endswith(BUFFERS)):
        raise WrongInput(f"{source} contradicts the configuration: {len(surplus)} of its weights are of blocks that have no place in "
                         f"it, first {', '.join(surplus[:3])}; the configured size is another model's")


def _block(name: str) -> str:
    """What the names of one block begin with, "" outside of the blocks."""
    found = BLOCK.match(name)
    return found.group() if found else ""


def assign(model: Model, weights: Mapping[str, Tensor], source: Path, device: torch.device | str) -> Model:
    """Give a model built on the meta device its weights, in its own types; constant buffers may be missing."""
    wanted = _wanted(model)
    whole = [name for name in wanted if name in weights and not weights[name].is_floating_point()]
    if whole:
        raise WrongInput(f"{source} holds {whole[0]} as {weights[whole[0]].dtype}: quantised weights are not read; give the published "
                         "file")
    _check_names(model, weights, source)
    state = {name: weights[name].to(device, tensor.dtype) for name, tensor in wanted.items()}
    model.load_state_dict(state, strict=False, assign=True)
    return with_constants(model, device).eval()


def _wanted(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in model.state_dict().items() if not name.endswith(BUFFERS)}


def _check_names(model: nn.Module, weights: Mapping[str, Tensor], source: Path) -> None:
    check_keys(source, {name: tensor.shape for name, tensor in _wanted(model).items()},
               {name: tensor.shape for name, tensor in weights.items() if not name.endswith(BUFFERS)})


def with_constants(model: Model, device: torch.device | str) -> Model:
    """The model with its `BUFFERS`: powers of two, high bit first, for the quantiser's mask, else zeros."""
    for name, buffer in list(model.named_buffers(remove_duplicate=False)):
        owner, _, leaf = name.rpartition(".")
        if name.endswith(BUFFERS):
            value = 2 ** torch.arange(len(buffer) - 1, -1, -1) if leaf == "mask" else torch.zeros(buffer.shape, dtype=buffer.dtype)
            model.get_submodule(owner).register_buffer(leaf, value.to(device))
    return model
