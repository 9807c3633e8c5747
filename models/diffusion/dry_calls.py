"""Calls of published diffusion networks with inputs of their shapes, for dry runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from models.diffusion.published_sizes import CLIP_TOKENS


def denoiser_call(network: torch.nn.Module, settings: Mapping[str, Any], rows: int) -> Callable[[], Any]:
    """One pass of a denoiser for this many sequences. Raises KeyError for a class that is not known here."""
    inputs = _INPUTS[type(network).__name__](network.config, settings, _Make(rows, next(network.parameters()).dtype))
    return lambda: network(**inputs, return_dict=False)


def decoder_call(network: torch.nn.Module, latent_size: tuple[int, int]) -> Callable[[], Any]:
    """One decode of latents of this many rows and columns by an AutoencoderKL or AutoencoderDC."""
    config: Any = network.config
    latents = _Make(1, next(network.parameters()).dtype)(config.latent_channels, *latent_size)
    decode: Any = network.decode
    return lambda: decode(latents, return_dict=False)


class _Make:
    """Tensors of some rows."""

    def __init__(self, rows: int, dtype: torch.dtype) -> None:
        self.rows, self.dtype = rows, dtype

    def __call__(self, *shape: int) -> torch.Tensor:
        return torch.empty(self.rows, *shape, dtype=self.dtype, device="meta")


def _flux(config: Any, settings: Mapping[str, Any], make: _Make) -> dict[str, Any]:
    tokens, text = settings["height"] // 16 * (settings["width"] // 16), settings["max_sequence_length"]
    inputs = {
        "hidden_states": make(tokens, config.in_channels), "timestep": make(), "pooled_projections": make(config.pooled_projection_dim),
        "encoder_hidden_states": make(text, config.joint_attention_dim),
        "txt_ids": torch.zeros(text, 3, device="meta"), "img_ids": torch.zeros(tokens, 3, device="meta"),
    }  # fmt: skip
    return inputs | ({"guidance": make()} if config.guidance_embeds else {})


def _sd3(config: Any, settings: Mapping[str, Any], make: _Make) -> dict[str, Any]:
    text = CLIP_TOKENS + settings["max_sequence_length"]
    return {
        "hidden_states": make(config.in_channels, settings["height"] // 8, settings["width"] // 8), "timestep": make(),
        "encoder_hidden_states": make(text, config.joint_attention_dim), "pooled_projections": make(config.pooled_projection_dim),
    }  # fmt: skip


def _unet(config: Any, settings: Mapping[str, Any], make: _Make) -> dict[str, Any]:
    times = 6 * config.addition_time_embed_dim
    return {
        "sample": make(config.in_channels, settings["height"] // 8, settings["width"] // 8), "timestep": make(),
        "encoder_hidden_states": make(CLIP_TOKENS, config.cross_attention_dim),
        "added_cond_kwargs": {"text_embeds": make(config.projection_class_embeddings_input_dim - times), "time_ids": make(6)},
    }  # fmt: skip


def _pixart(config: Any, settings: Mapping[str, Any], make: _Make) -> dict[str, Any]:
    return {
        "hidden_states": make(config.in_channels, settings["height"] // 8, settings["width"] // 8), "timestep": make(),
        "encoder_hidden_states": make(settings["max_sequence_length"], config.caption_channels),
        "added_cond_kwargs": {"resolution": None, "aspect_ratio": None},
    }  # fmt: skip


def _sana(config: Any, settings: Mapping[str, Any], make: _Make) -> dict[str, Any]:
    return {
        "hidden_states": make(config.in_channels, settings["height"] // 32, settings["width"] // 32), "timestep": make(),
        "encoder_hidden_states": make(settings["max_sequence_length"], config.caption_channels),
    }  # fmt: skip


_INPUTS: dict[str, Callable[[Any, Mapping[str, Any], _Make], dict[str, Any]]] = {
    "FluxTransformer2DModel": _flux, "SD3Transformer2DModel": _sd3, "UNet2DConditionModel": _unet,
    "PixArtTransformer2DModel": _pixart, "SanaTransformer2DModel": _sana,
}  # fmt: skip
