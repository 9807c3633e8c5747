"""Static FLOPs of diffusion networks from their configurations alone, 2 per multiply-add, no weights needed.

Every function takes the `config` of a diffusers model, or its config.json as a mapping, for one row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

Config: TypeAlias = Mapping[str, Any]

_TIME_CHANNELS = 256
"""Width of the sinusoidal time features, fixed in diffusers' embeddings."""


def attention_flops(queries: int, keys: int, width: int) -> int:
    """Scores and weighted sum of one attention over `width` channels (all heads together)."""
    return 4 * queries * keys * width


def flux_transformer_flops(config: Config, image_tokens: int, text_tokens: int) -> int:
    """One pass of `FluxTransformer2DModel` for one row."""
    width = config["num_attention_heads"] * config["attention_head_dim"]
    square, tokens = width * width, image_tokens + text_tokens
    embedders = _TIME_CHANNELS * width + square
    conditioning = (
        embedders * (2 if config["guidance_embeds"] else 1) + config["pooled_projection_dim"] * width + square
    )
    inputs = image_tokens * config["in_channels"] * width + text_tokens * config["joint_attention_dim"] * width
    # Per token: q, k, v, out (4) and a 4 times wider MLP (8). Per row: 6 modulations in each of two streams.
    double = 12 * tokens * square + 12 * square
    # Per token: q, k, v (3), MLP in (4), out from attention and MLP together (5). Per row: 3 modulations.
    single = 12 * tokens * square + 3 * square
    out_channels = config["patch_size"] ** 2 * (config.get("out_channels") or config["in_channels"])
    output = 2 * square + image_tokens * width * out_channels
    layers, single_layers = config["num_layers"], config["num_single_layers"]
    matrices = conditioning + inputs + layers * double + single_layers * single + output
    return 2 * matrices + (layers + single_layers) * attention_flops(tokens, tokens, width)


def kl_decoder_flops(config: Config, height: int, width: int) -> int:
    """One image of `height` by `width` latent pixels through `AutoencoderKL.decode`."""
    channels = list(reversed(config["block_out_channels"]))
    latent, top, area = config["latent_channels"], channels[0], height * width
    total = _convolution(latent, latent, 1, area) if config.get("use_post_quant_conv", True) else 0
    total += _convolution(latent, top, 3, area) + 2 * _resnet(top, top, area)
    if config.get("mid_block_add_attention", True):
        total += 8 * area * top * top + attention_flops(area, area, top)
    previous = top
    for index, current in enumerate(channels):
        total += _resnet(previous, current, area) + config["layers_per_block"] * _resnet(current, current, area)
        if index < len(channels) - 1:
            area *= 4
            total += _convolution(current, current, 3, area)
        previous = current
    return int(total + _convolution(previous, config["out_channels"], 3, area))


def kl_encoder_flops(config: Config, height: int, width: int) -> int:
    """One image of `height` by `width` pixels through `AutoencoderKL.encode`."""
    channels, latent, area = config["block_out_channels"], config["latent_channels"], height * width
    total = _convolution(config["in_channels"], channels[0], 3, area)
    previous = channels[0]
    for index, current in enumerate(channels):
        total += _resnet(previous, current, area) + (config["layers_per_block"] - 1) * _resnet(current, current, area)
        if index < len(channels) - 1:
            area //= 4
            total += _convolution(current, current, 3, area)
        previous = current
    total += 2 * _resnet(previous, previous, area)
    if config.get("mid_block_add_attention", True):
        total += 8 * area * previous * previous + attention_flops(area, area, previous)
    total += _convolution(previous, 2 * latent, 3, area)
    return int(total + (_convolution(2 * latent, 2 * latent, 1, area) if config.get("use_quant_conv", True) else 0))


def _convolution(inputs: int, outputs: int, kernel: int, area: int) -> int:
    return 2 * inputs * outputs * kernel * kernel * area


def _resnet(inputs: int, outputs: int, area: int) -> int:
    shortcut = _convolution(inputs, outputs, 1, area) if inputs != outputs else 0
    return _convolution(inputs, outputs, 3, area) + _convolution(outputs, outputs, 3, area) + shortcut
