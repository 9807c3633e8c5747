"""Data sheets of published diffusion models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import groupby
from typing import Any

import torch

from models.architecture import components, count, outline, parameters
from models.diffusion.dry_calls import decoder_call, denoiser_call, latent_shape
from models.diffusion.pipeline_folder import published_config
from models.diffusion.published import FAMILIES, parts_of, settings_of
from models.diffusion.published_flops import CLIP_TOKENS, check_size, made, published_flops
from models.dry_run import dry_run
from models.multi_device import Parts
from models.published import PublishedModel
from models.settings import dtype_of
from models.sheet import Sheet


def latent_size(model: PublishedModel, settings: Mapping[str, Any]) -> tuple[int, int]:
    """Rows and columns of one image's latents. Raises WrongInput for a size that the model cannot make."""
    config = published_config(model.name) or {}
    check_size(model.name, config, settings)
    _, rows, columns = latent_shape(outline(components(model.name)["vae"]), _at_made_size(model.name, config, settings))
    return rows, columns


def _at_made_size(name: str, config: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with the size that the networks work at."""
    height, width = made(name, config, settings)
    return {**settings, "height": height, "width": width}


def parts(model: PublishedModel, settings: Mapping[str, Any]) -> Parts:
    """Its networks without weights."""
    dtype = dtype_of(settings["dtype"])
    return parts_of({name: outline(row, dtype) for name, row in components(model.name).items()})


def sheet(model: PublishedModel, settings: Mapping[str, Any]) -> Sheet:
    """Every step costs the same; guidance that is true guidance passes two sequences."""
    config = published_config(model.name) or {}
    settings_of(model.name, FAMILIES[config["_class_name"]], settings)
    check_size(model.name, config, settings)
    at_made_size = _at_made_size(model.name, config, settings)
    parts, prices, dtype = components(model.name), published_flops(model.name, settings), dtype_of(settings["dtype"])
    network, decoder = outline(parts.get("transformer") or parts["unet"], dtype), outline(parts["vae"], dtype)
    encoders = [count(row) for part, row in parts.items() if part.startswith("text_encoder")]
    sizes, value = (parameters(network), parameters(decoder), *encoders), dtype.itemsize
    channels, height, width = latent_shape(decoder, at_made_size)
    return Sheet(
        parameters=parameters(network), all_parameters=sum(sizes), weight_bytes=sum(sizes) * value, largest_bytes=max(sizes) * value,
        step_flops=(prices.sequence,) * settings["steps"], sequences=prices.forwards,
        image_size=(settings["height"], settings["width"]), decoder_flops=prices.decode, text_flops=prices.text,
        text_tokens=max(CLIP_TOKENS, settings.get("max_sequence_length", 0)),
        row_bytes=2 * 4 * channels * height * width, cache_step_bytes=(),  # latents and prediction, at most in float32
        pass_bytes=_pass_bytes(network, denoiser_call(network, at_made_size, prices.forwards)),
        decode_bytes=dry_run(decoder_call(decoder, at_made_size, 1)).peak_bytes, added_flops=prices.skipping,
    )  # fmt: skip


def _pass_bytes(network: torch.nn.Module, call: Callable[[], Any]) -> int:
    """Intermediate bytes of a pass. Of transformer blocks in a row that are built alike two are run: more of them hold no more at once."""
    stacks = {
        name: child for name, child in network.named_children()
        if isinstance(child, torch.nn.ModuleList) and name.endswith("transformer_blocks")
    }  # fmt: skip
    for name, blocks in stacks.items():
        alike = (list(group)[:2] for _, group in groupby(blocks, repr))
        setattr(network, name, torch.nn.ModuleList(block for group in alike for block in group))
    try:
        return dry_run(call).peak_bytes
    finally:
        for name, blocks in stacks.items():
            setattr(network, name, blocks)
