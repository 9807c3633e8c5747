"""Published diffusion models from folders in diffusers' format: checked before they are loaded, safetensors only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch

from harness.entry import resolve
from harness.errors import WrongInput, first_line
from harness.memory import out_of_memory
from models.attention import SETTING, kernel_of, prefer
from models.compiling import asks_to_compile, how_it_runs, prepare_compiler
from models.diffusion.generator import DiffusionGenerator, diffusion_generator
from models.diffusion.noise_schedule import check_sampler_fits, check_schedule
from models.diffusion.pipeline_folder import check_components, check_published, published_config, weight_files
from models.diffusion.pipeline_index import CLASS, INDEX, check_classes, named_parts, read_index
from models.diffusion.published_sizes import check_size, check_skipping
from models.diffusion.tokenizers import check_tokenizers
from models.hashes import weights_sha256
from models.multi_device import Networks, place, top_blocks
from models.offload import Offload, Turns
from models.published import PublishedModel
from models.settings import dtype_of, number
from models.text_length import refuse_unread_negative
from models.transformers_folder import from_folder, reader_from_folder


@dataclass(frozen=True, slots=True)
class Family:
    """The adapter of one kind of pipeline."""

    adapter: str
    """ "module:class"."""
    settings: str
    flow: bool
    """Whether it predicts a velocity of flow matching; otherwise noise."""


FAMILIES: Mapping[str, Family] = {
    "FluxPipeline": Family("models.diffusion.flux:FluxAdapter", "models.diffusion.flux:FluxSettings", flow=True),
    "StableDiffusion3Pipeline": Family("models.diffusion.sd3:Sd3Adapter", "models.diffusion.sd3:Sd3Settings", flow=True),
    "StableDiffusionXLPipeline": Family("models.diffusion.sdxl:SdxlAdapter", "models.diffusion.guided:GuidedSettings", flow=False),
    "PixArtSigmaPipeline": Family("models.diffusion.pixart:PixArtAdapter", "models.diffusion.pixart:PixArtSettings", flow=False),
    "SanaPipeline": Family("models.diffusion.sana:SanaAdapter", "models.diffusion.sana:SanaSettings", flow=True),
}
"""By the class that a folder's model_index.json names; a new family is one line here and one file."""


def load(
    model: PublishedModel, folders: Mapping[str, Path], device: torch.device, settings: Mapping[str, Any],
    offload: Offload = "none", devices: Sequence[torch.device] = (),
) -> DiffusionGenerator:
    """The generator of a row of models/published.toml, its networks on `device` as `offload` says, or divided over several.

    Raises:
        WrongInput: the folder is another model's, or the settings do not fit the model.
        DamagedWeights: a weight file is cut short.
    """
    folder, dtype = folders["weights"], dtype_of(settings["dtype"])
    family = _family(folder, read_index(folder), model.name)
    settings_of(model.name, family, settings)  # refused before anything is read
    check_folders(model, folders)
    how_it_runs(settings, devices or [device], offload)
    pipeline = load_pipeline(folder, torch.device("cpu") if devices else device, dtype, model.variant, offload)
    check_schedule(folder, pipeline.scheduler, family.flow)
    check_tokenizers(folder, pipeline.components)
    return assembled(model, pipeline, settings, weights_sha256(weight_files(folder, model.variant)), devices or [device])


def check_folders(model: PublishedModel, folders: Mapping[str, Path]) -> None:
    """Refuse a folder that is another model's or contradicts itself, before it is loaded. Raises WrongInput, DamagedWeights."""
    folder = folders["weights"]
    index = read_index(folder)
    _family(folder, index, model.name)
    check_classes(folder, named_parts(index, folder / INDEX), model.name, published_config(model.name) or {})
    check_published(folder, model.name)
    check_components(folder, model.variant)


def assembled(
    model: PublishedModel, pipeline: Any, settings: Mapping[str, Any], sha256: str, devices: Sequence[torch.device]
) -> DiffusionGenerator:
    """The generator of a pipeline that has its weights, divided over several devices if there are. Raises WrongInput."""
    family = FAMILIES[type(pipeline).__name__]
    compiled, kernel = how_it_runs(settings, devices)
    if len(devices) > 1:
        place(networks_of(pipeline.components), devices, model.name)
    adapter = adapted(model.name, family, pipeline, settings_of(model.name, family, settings))
    adapter.settings |= {"dtype": settings["dtype"], "variant": model.variant, SETTING: kernel, "compile": compiled}
    if compiled:
        compile_blocks(adapter.transformer)
    prefer(adapter.transformer, kernel)
    return diffusion_generator(adapter, name=model.name, domain=model.domain, licence=model.licence, weights_sha256=sha256)


def check(model: PublishedModel, settings: Mapping[str, Any]) -> None:
    """Refuse settings that the published model cannot have, before anything is looked for. Raises WrongInput."""
    config = published_config(model.name)
    dtype_of(settings["dtype"])
    kernel_of(settings)
    if config is None:
        return
    family = FAMILIES[config["_class_name"]]
    settings_of(model.name, family, settings)
    _check_negative(model.name, settings)
    check_size(model.name, config, settings)
    check_skipping(model.name, config, settings)
    try:
        check_sampler_fits(settings.get("scheduler", "published"), family.flow)
    except ValueError as error:
        raise WrongInput(f"model {model.name}: {error}") from error


def check_placing(model: PublishedModel, settings: Mapping[str, Any], offload: str, divided: bool) -> None:
    """Refuse what compiled blocks do not go with. Raises WrongInput."""
    asks_to_compile(settings, offload, divided)


def _check_negative(name: str, settings: Mapping[str, Any]) -> None:
    """Raise WrongInput for a negative prompt without classifier-free guidance, which FLUX has under another name than the others."""
    key = next(key for key in ("true_cfg_scale", "guidance_scale") if key in settings)
    scale = number(key, settings[key])
    refuse_unread_negative(name, settings["negative_prompt"], scale > 1, f"{key} is {scale:g}", f"{key} above 1")


def load_pipeline(
    folder: Path, device: torch.device, dtype: torch.dtype, variant: str = "", offload: Offload = "none"
) -> Any:
    """The folder's pipeline, tokenizers and text encoders whole; nothing is downloaded. Raises WrongInput, DamagedWeights."""
    import diffusers
    import transformers

    index = read_index(folder)
    kinds = {name: getattr(transformers, called) for name, (library, called) in named_parts(index, folder / INDEX).items()
             if library == "transformers"}  # fmt: skip
    texts = {name: reader_from_folder(kind, folder / name) for name, kind in kinds.items() if name.startswith("tokenizer")}
    texts |= {name: from_folder(kind, folder / name, dtype, variant=variant)
              for name, kind in kinds.items() if name.startswith("text_encoder")}  # fmt: skip
    try:
        pipeline = getattr(diffusers, index[CLASS]).from_pretrained(
            folder, dtype=dtype, use_safetensors=True, local_files_only=True, variant=variant or None, **texts
        )
    except Exception as error:
        if out_of_memory(error):
            raise
        raise WrongInput(f"{folder} cannot be loaded as {index[CLASS]} ({first_line(error)}): give the published folder") from error
    if offload == "none":
        return pipeline.to(device)
    take_turns(pipeline, offload, device)
    return pipeline


def networks_of(components: Mapping[str, Any]) -> Networks:
    """A pipeline's networks as what can be divided over several devices."""
    network: torch.nn.Module = components.get("transformer") or components["unet"]
    encoders = {name: part for name, part in components.items() if name.startswith("text_encoder") and part is not None}
    return Networks(network, top_blocks(network), encoders, components["vae"])


def take_turns(pipeline: Any, offload: Offload, device: torch.device) -> None:
    """Let a pipeline's networks come to `device` in turn and rest in host memory else, as `offload` says."""
    turns = Turns(device)
    for name, part in pipeline.components.items():
        if not isinstance(part, torch.nn.Module):
            continue
        if name.startswith("text_encoder"):
            turns.add(part, leaves=True)
        elif offload == "model":
            turns.add(part, methods=("encode", "decode") if name == "vae" else ())
        else:
            part.to(device)


def _family(folder: Path, index: Mapping[str, Any], name: str) -> Family:
    kind, published = index[CLASS], published_config(name)
    if published is not None and kind != published["_class_name"]:
        raise WrongInput(
            f"{folder} is another model's than {name}: it holds a {kind} instead of a {published['_class_name']}; give the folder "
            "of this model"
        )
    if kind not in FAMILIES:
        raise WrongInput(f"{folder} holds a {kind}, for which there is no adapter; known are {', '.join(FAMILIES)}")
    return FAMILIES[kind]


def settings_of(name: str, family: Family, settings: Mapping[str, Any]) -> Any:
    """The family's settings, without those of the networks that come with them. Raises WrongInput."""
    networks = ("dtype", SETTING, "compile")
    kind, options = resolve(family.settings), {key: value for key, value in settings.items() if key not in networks}
    known = {field.name: field.default for field in fields(kind)}
    unknown = [key for key in options if key not in known]
    if unknown:
        raise WrongInput(f"model {name} has no setting {unknown[0]!r}; its settings are {', '.join(known)}")
    try:
        return kind(**{key: number(key, value) if isinstance(known[key], float) else value for key, value in options.items()})
    except ValueError as error:
        raise WrongInput(f"model {name}: {error}") from error


def compile_blocks(network: torch.nn.Module) -> None:
    """Fuse the elementwise work of every transformer block (torch.compile), which all blocks of one kind share."""
    prepare_compiler()
    for name, blocks in network.named_modules():
        if name.endswith("transformer_blocks"):
            for block in blocks.children():
                block.compile()


def adapted(name: str, family: Family, pipeline: Any, settings: Any) -> Any:
    """The family's adapter over a pipeline. Raises WrongInput for settings, or a scheduler, that it cannot have."""
    try:
        return resolve(family.adapter)(pipeline, settings)
    except (ValueError, TypeError) as error:
        raise WrongInput(f"model {name}: {error}") from error
