"""Sizes and blocks that published diffusion models can have, by their configurations on record: no weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.errors import WrongInput
from models.diffusion.binning import made_size
from models.diffusion.skip_layers import blocks_of, check_blocks

CLIP_TOKENS = 77


def check_size(name: str, parts: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Refuse a size in pixels that the model cannot make. Raises WrongInput."""
    try:
        height, width = made_size(parts.get("transformer", {}), settings)
    except ValueError as error:
        raise WrongInput(f"model {name}: {error}") from error
    vae = parts["vae"]
    halvings = len(vae.get("decoder_block_out_channels") or vae["block_out_channels"]) - 1
    grain = 2 ** (len(parts["unet"]["block_out_channels"]) - 1) if "unet" in parts else _patch(parts["transformer"])
    unit = 2**halvings * grain
    if height % unit or width % unit:
        raise WrongInput(f"model {name}: {height} by {width} pixels: both must be multiples of {unit}")
    most = parts.get("transformer", {}).get("pos_embed_max_size")
    if most is not None and max(height, width) > most * unit:
        raise WrongInput(f"model {name}: {height} by {width} pixels: the model has positions for {most * unit} at most")


def check_skipping(name: str, parts: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Refuse to skip blocks that the model lacks, or none for want of guidance. Raises WrongInput."""
    if skipped := blocks_of(settings.get("skip_guidance_layers", "")):
        try:
            check_blocks(skipped, settings["guidance_scale"], parts["transformer"]["num_layers"])
        except ValueError as error:
            raise WrongInput(f"model {name}: {error}") from error


def _patch(network: Mapping[str, Any]) -> int:
    """Latent pixels along a side of an image token: FLUX packs squares of four before its transformer, whose patch size is 1."""
    return 2 if network["_class_name"].startswith("Flux") else int(network["patch_size"])
