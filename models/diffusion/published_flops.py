"""Prices of published diffusion models from their configurations on record: no weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import WrongInput
from models.diffusion.binning import made_size
from models.diffusion.flops import (
    Config,
    flux_transformer_flops,
    pixart_transformer_flops,
    sana_transformer_flops,
    sd3_transformer_flops,
)
from models.diffusion.pipeline_folder import published_config
from models.diffusion.skip_layers import blocks_of, check_blocks, skips
from models.diffusion.unet_flops import unet_flops
from models.diffusion.vae_flops import dc_decoder_flops, dc_encoder_flops, kl_decoder_flops, kl_encoder_flops
from models.text_flops import clip_projection_flops, clip_text_flops, gemma_text_flops, t5_encoder_flops

CLIP_TOKENS = 77
_TRANSFORMERS: Mapping[str, Callable[[Config, int, int], int]] = {
    "FluxTransformer2DModel": flux_transformer_flops,
    "SD3Transformer2DModel": sd3_transformer_flops,
    "PixArtTransformer2DModel": pixart_transformer_flops,
    "SanaTransformer2DModel": sana_transformer_flops,
}


@dataclass(frozen=True, slots=True)
class PublishedFlops:
    """FLOPs of one row at one size."""

    sequence: int
    """One sequence through the network."""
    forwards: int
    """Sequences of one prediction: 2 with classifier-free guidance."""
    decode: int
    embed: int
    text: int
    """One prompt through the text encoders; SANA's without its instruction."""
    skipping: int = 0
    """All passes of one image that leave blocks out (models/diffusion/skip_layers.py)."""

    @property
    def predict(self) -> int:
        """One prediction."""
        return self.sequence * self.forwards


def published_flops(name: str, settings: Mapping[str, Any]) -> PublishedFlops:
    """What a model costs at the settings of its row in models/published.toml. Raises KeyError for one without record."""
    parts = published_config(name)
    if parts is None:
        raise KeyError(f"{name} has no configuration on record")
    vae, size = parts["vae"], made(name, parts, settings)
    deep = vae["_class_name"] == "AutoencoderDC"
    blocks = vae["decoder_block_out_channels"] if deep else vae["block_out_channels"]
    latent = (size[0] >> (len(blocks) - 1), size[1] >> (len(blocks) - 1))
    flux = parts["_class_name"] == "FluxPipeline"
    guidance = settings["true_cfg_scale"] if flux else settings["guidance_scale"]
    return PublishedFlops(
        sequence=_sequence(parts, latent, _text_tokens(parts, settings)),
        forwards=2 if guidance > 1 else 1,
        decode=(dc_decoder_flops if deep else kl_decoder_flops)(vae, *latent),
        embed=(dc_encoder_flops if deep else kl_encoder_flops)(vae, *size),
        text=sum(_encoder(part, settings) for name, part in parts.items() if name.startswith("text_encoder")),
        skipping=_skipping(name, parts, latent, settings),
    )


def made(name: str, parts: Mapping[str, Any], settings: Mapping[str, Any]) -> tuple[int, int]:
    """Height and width in pixels that the model works at for the size in the settings. Raises WrongInput."""
    try:
        return made_size(parts.get("transformer", {}), settings)
    except ValueError as error:
        raise WrongInput(f"model {name}: {error}") from error


def check_size(name: str, parts: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Refuse a size in pixels that the model cannot make. Raises WrongInput."""
    vae, (height, width) = parts["vae"], made(name, parts, settings)
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


def _patch(network: Config) -> int:
    """Latent pixels along a side of an image token: FLUX packs squares of four before its transformer, whose patch size is 1."""
    return 2 if network["_class_name"].startswith("Flux") else int(network["patch_size"])


def _sequence(parts: Mapping[str, Any], latent: tuple[int, int], text_tokens: int) -> int:
    if "unet" in parts:
        return unet_flops(parts["unet"], *latent, text_tokens)
    network = parts["transformer"]
    patch = _patch(network)
    image_tokens = (latent[0] // patch) * (latent[1] // patch)
    return _TRANSFORMERS[network["_class_name"]](network, image_tokens, text_tokens)


def _skipping(name: str, parts: Mapping[str, Any], latent: tuple[int, int], settings: Mapping[str, Any]) -> int:
    """Raises WrongInput for blocks that the model lacks."""
    check_skipping(name, parts, settings)
    skipped = blocks_of(settings.get("skip_guidance_layers", ""))
    if not skipped:
        return 0
    network = parts["transformer"]
    tokens = latent[0] // network["patch_size"] * (latent[1] // network["patch_size"])
    once = sd3_transformer_flops(network, tokens, _text_tokens(parts, settings), skipped)
    return once * sum(skips(step, settings["steps"]) for step in range(settings["steps"]))


def _text_tokens(parts: Mapping[str, Any], settings: Mapping[str, Any]) -> int:
    clip = CLIP_TOKENS if parts["_class_name"] in ("StableDiffusion3Pipeline", "StableDiffusionXLPipeline") else 0
    return clip + int(settings.get("max_sequence_length", 0))


def _encoder(config: Config, settings: Mapping[str, Any]) -> int:
    kind = config["_class_name"]
    if kind.startswith("CLIP"):
        projection = clip_projection_flops(config) if kind.endswith("WithProjection") else 0
        return clip_text_flops(config, CLIP_TOKENS) + projection
    length = int(settings["max_sequence_length"])
    return t5_encoder_flops(config, length) if kind == "T5EncoderModel" else gemma_text_flops(config, length)
