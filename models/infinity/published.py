"""The published Infinity models: which sizes, resolutions and files belong together, loaded as a generator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from harness.errors import WrongInput
from models.attention import kernel_of, prefer
from models.compiling import asks_to_compile, how_it_runs
from models.configuration import CONFIG, check_size, read_config
from models.hashes import weights_sha256
from models.infinity.checkpoint import check_transformer, check_vae, load_transformer, load_vae
from models.infinity.config import PUBLISHED_TRANSFORMERS, PUBLISHED_VAES, TransformerConfig, VAEConfig
from models.infinity.generator import InfinityGenerator
from models.infinity.memory import most_row_bytes, pass_bytes
from models.infinity.pretrained import InfinityParts
from models.infinity.sampling import Sampling
from models.infinity.schedule import FULL_SCHEDULES, PN_SCALES, ScaleSchedule, nearest_ratio, published_schedule
from models.infinity.stored import weight_files
from models.infinity.text_encoder import T5TextEncoder
from models.multi_device import Networks, place
from models.offload import Offload, Turns
from models.published import PublishedModel
from models.settings import as_typed, dtype_of, number, numbers, whole
from models.text_length import refuse_unread_negative

TYPED = {"guidance": "cfg", "temperature": "tau", "insertion layer": "cfg_insertion_layer"}
"""The authors' names of what `Sampling` calls otherwise."""


@dataclass(frozen=True)
class PublishedSize:
    """A transformer with the VAE it was trained with, and the resolutions it was trained for."""

    transformer: TransformerConfig
    vae: VAEConfig
    resolutions: tuple[str, ...]


def _size(transformer: str, vae: str, *resolutions: str) -> PublishedSize:
    return PublishedSize(PUBLISHED_TRANSFORMERS[transformer], PUBLISHED_VAES[vae], resolutions)


SIZES: dict[str, PublishedSize] = {
    "infinity-125m": _size("infinity-125m", "vae-d16", "0.06M"),
    "infinity-2b": _size("infinity-2b", "vae-d32", *PN_SCALES),
    "infinity-8b": _size("infinity-8b", "vae-d56-patchify", "1M"),
    "infinity-8b-512": _size("infinity-8b", "vae-d56-patchify", "0.25M"),
}


def load(model: PublishedModel, folders: Mapping[str, Path], device: torch.device,
         settings: Mapping[str, Any], offload: Offload = "none", devices: Sequence[torch.device] = ()) -> InfinityGenerator:
    """A published Infinity from the folders that mirror its repositories, on `device` as `offload` says, or over several.

    With dtype bfloat16 the blocks and the prefix cache are bfloat16 and the rest is float32, as published.

    Raises:
        WrongInput: a file is another model's, or a setting has no such value.
        DamagedWeights: a weight file is missing or cut short.
    """
    if model.name not in SIZES:
        raise WrongInput(f"{model.name} has no size: add it to SIZES beside {', '.join(SIZES)}")
    size = SIZES[model.name]
    schedule, sampling = plan_of(model.name, size, settings)
    how_it_runs(settings, devices or [device], offload)  # refused before anything is read
    sources = {role: source_of(model, folders, role) for role in ("weights", "vae")}
    home = torch.device("cpu") if offload != "none" or devices else device
    own = home if offload == "model" or devices else device
    block_dtype, text_dtype = dtype_of(settings["dtype"]), dtype_of(settings["text_dtype"], "text_dtype")
    check_folders(model, folders)
    encoder = T5TextEncoder.load(
        folders["text_encoder"], folders["text_encoder"], size.transformer.text_maxlen, home, text_dtype)
    parts = InfinityParts(
        load_transformer(size.transformer, sources["weights"], device=own,
                         block_dtype=block_dtype, averaged=bool(settings["averaged"])),
        load_vae(size.vae, sources["vae"], device=own), schedule, sampling)
    files = [path for source in sources.values() for path in weight_files(source)]
    files += sorted(folders["text_encoder"].glob("*.safetensors"))
    return assembled(model, parts, encoder, settings, weights_sha256(files), devices or [device], offload)


def check_folders(model: PublishedModel, folders: Mapping[str, Path]) -> None:
    """Refuse another model's files before they are loaded, of the roles that are given. Raises WrongInput, DamagedWeights."""
    size = SIZES[model.name]
    if "text_encoder" in folders:
        check_size(folders["text_encoder"], f"the text encoder of {model.name}", CONFIG, read_config(folders["text_encoder"]),
                   {"d_model": size.transformer.text_channels}, ("d_model",))
    if "weights" in folders:
        check_transformer(size.transformer, source_of(model, folders, "weights"))
    if "vae" in folders:
        check_vae(size.vae, source_of(model, folders, "vae"))


def assembled(model: PublishedModel, parts: InfinityParts, encoder: T5TextEncoder, settings: Mapping[str, Any],
              sha256: str, devices: Sequence[torch.device], offload: Offload = "none") -> InfinityGenerator:
    """The generator of networks that have their weights, put where they run. Raises WrongInput where they cannot run so."""
    compiled, kernel = how_it_runs(settings, devices, offload)
    if compiled:
        parts.transformer.compile_blocks()
    prefer(parts.transformer, kernel, "predict")
    encoder.autocast = torch.bfloat16 if settings["text_autocast"] else None
    if offload != "none":
        _take_turns(parts, encoder, offload, devices[0])
    if len(devices) > 1:
        place(networks_of(parts, encoder.model), devices, model.name)
    precision = {key: settings[key] for key in ("dtype", "text_dtype", "text_autocast", "attention")} | {"compile": compiled}
    return InfinityGenerator(parts, encoder, name=model.name, domain=model.domain, licence=model.licence,
                             weights_sha256=sha256, negative_prompt=settings["negative_prompt"] or None,
                             precision=precision)


def networks_of(parts: InfinityParts, encoder: torch.nn.Module) -> Networks:
    """The networks as what can be divided over several devices, with what rows take beside them."""
    transformer = parts.transformer
    names = {id(module): name for name, module in transformer.named_modules()}
    blocks = tuple(names[id(block)] for block in transformer.ordered_blocks)
    dtype, plan = next(transformer.ordered_blocks[0].sa.parameters()).dtype, (transformer.config, parts.schedule, parts.sampling)
    kept = most_row_bytes(*plan, dtype.itemsize) // len(blocks)
    return Networks(transformer, blocks, {"text_encoder": encoder}, parts.vae, kept, pass_bytes(*plan, dtype))


def _take_turns(parts: InfinityParts, encoder: T5TextEncoder, offload: Offload, device: torch.device) -> None:
    turns = Turns(device)
    turns.add(encoder.model, leaves=True)
    if offload == "model":
        turns.add(parts.transformer, methods=("condition", "unconditional", "embed", "predict", "logits"))
        turns.add(parts.vae, methods=("encode", "decode"))


def plan_of(name: str, size: PublishedSize, settings: Mapping[str, Any]) -> tuple[ScaleSchedule, Sampling]:
    """The scales and how they are drawn, checked against one another and the model. Raises WrongInput."""
    schedule, sampling = schedule_of(name, size, settings), sampling_of(settings)
    try:
        return schedule, sampling.fitted(len(schedule), size.transformer.depth)
    except ValueError as error:
        raise WrongInput(f"{name}: {as_typed(str(error), TYPED)}") from error


def check(model: PublishedModel, settings: Mapping[str, Any]) -> None:
    """Refuse settings that the model cannot have, before anything is looked for. Raises WrongInput."""
    if model.name in SIZES:
        _, sampling = plan_of(model.name, SIZES[model.name], settings)
        _check_negative(model.name, settings, sampling)
    for key in ("dtype", "text_dtype"):
        dtype_of(settings[key], key)
    kernel_of(settings)


def check_placing(model: PublishedModel, settings: Mapping[str, Any], offload: str, divided: bool) -> None:
    """Refuse what compiled blocks do not go with. Raises WrongInput."""
    asks_to_compile(settings, offload, divided)


def _check_negative(name: str, settings: Mapping[str, Any], sampling: Sampling) -> None:
    """Raise WrongInput for a negative prompt where no scale is guided, or no layer mixes guidance in."""
    nowhere = all(layer > 0 for layer in sampling.insertion_layers)
    setting, instead = ("cfg_insertion_layer is 1", "cfg_insertion_layer=0") if nowhere else ("cfg is 1", "cfg above 1")
    refuse_unread_negative(name, settings["negative_prompt"], sampling.halves(0) == 2, setting, instead)


def schedule_of(name: str, size: PublishedSize, settings: Mapping[str, Any]) -> ScaleSchedule:
    """The scales of the asked resolution and aspect ratio. Raises WrongInput naming those that exist."""
    resolution, aspect = str(settings["pn"]), str(settings["aspect"])
    if resolution not in size.resolutions:
        others = [other for other, one in SIZES.items()
                  if one.transformer == size.transformer and resolution in one.resolutions]
        instead = f" ({resolution} is {', '.join(others)})" if others else ""
        raise WrongInput(f"pn={resolution} is no resolution of {name}: it has {', '.join(size.resolutions)}{instead}")
    if aspect not in FULL_SCHEDULES:
        near = nearest_ratio(aspect)
        hint = f"; nearest is aspect={near}" if near else "; 16 wide by 9 high is nearest to aspect=0.571"
        raise WrongInput(f"aspect={aspect} (height / width) has no schedule: use one of {', '.join(FULL_SCHEDULES)}{hint}")
    return published_schedule(resolution, aspect)


def sampling_of(settings: Mapping[str, Any]) -> Sampling:
    """Settings under the authors' names as sampling settings; lists are one value per scale. Raises WrongInput."""
    layers = numbers("cfg_insertion_layer", settings["cfg_insertion_layer"])
    layers = layers if isinstance(layers, tuple) else (layers,)
    return Sampling(
        guidance=numbers("cfg", settings["cfg"]), temperature=numbers("tau", settings["tau"]),
        insertion_layers=tuple(whole("cfg_insertion_layer", layer) for layer in layers),
        top_k=whole("top_k", settings["top_k"]), top_p=number("top_p", settings["top_p"]))


def source_of(model: PublishedModel, folders: Mapping[str, Path], role: str) -> Path:
    """The weight file, or the folder of shards, of a role: as published, or the given path itself."""
    path, published = folders[role], model.repositories[role].files[0].removesuffix("/*")
    return path / published if (path / published).exists() else path
