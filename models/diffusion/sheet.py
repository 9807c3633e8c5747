"""Data sheets of published diffusion models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from models.architecture import components, count, outline, parameters
from models.diffusion.dry import CLIP_TOKENS, decoder_call, denoiser_call
from models.dry import dry_run
from models.published import PublishedModel
from models.settings import dtype_of
from models.sheet import BYTES, Sheet, text_flops

_DISTILLED = "FluxTransformer2DModel"


def sheet(model: PublishedModel, settings: Mapping[str, Any]) -> Sheet:
    """Every step costs the same; guidance that is true guidance passes two sequences."""
    parts = components(model.name)
    dtype = dtype_of(settings["dtype"])
    network = outline(parts.get("transformer") or parts["unet"], dtype)
    decoder = outline(parts["vae"], dtype)
    distilled = type(network).__name__ == _DISTILLED
    guided = settings.get("true_cfg_scale", 1.0) > 1 if distilled else settings["guidance_scale"] > 1
    sequences = 2 if guided else 1
    one = dry_run(denoiser_call(network, settings, 1))
    row = one if sequences == 1 else dry_run(denoiser_call(network, settings, 2))
    image = dry_run(decoder_call(decoder, settings, 1))
    encoders = {part: given for part, given in parts.items() if part.startswith("text_encoder")}
    lengths = {
        part: CLIP_TOKENS if "CLIP" in given["class"] else settings["max_sequence_length"] for part, given in encoders.items()
    }
    everything = parameters(network) + parameters(decoder) + sum(map(count, encoders.values()))
    latents = 2 * 4 * _latent_values(decoder.config, settings)
    return Sheet(
        parameters=parameters(network), all_parameters=everything, weight_bytes=everything * BYTES[settings["dtype"]],
        step_flops=(one.flops,) * settings["steps"], sequences=sequences,
        image_size=(settings["height"], settings["width"]), decoder_flops=image.flops,
        text_flops=sum(text_flops(given, lengths[part]) for part, given in encoders.items()),
        text_tokens=max(lengths.values()), row_bytes=latents, cache_step_bytes=(), pass_bytes=row.peak_bytes,
        decode_bytes=image.peak_bytes,
    )  # fmt: skip


def _latent_values(config: Any, settings: Mapping[str, Any]) -> int:
    blocks = getattr(config, "block_out_channels", None) or config.decoder_block_out_channels
    factor = 2 ** (len(blocks) - 1)
    return int(config.latent_channels * (settings["height"] // factor) * (settings["width"] // factor))
