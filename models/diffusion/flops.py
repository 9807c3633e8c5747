"""Static FLOPs of diffusion networks from their configurations alone, 2 per multiply-add, no weights needed.

Every function takes the `config` of a diffusers model, or its config.json as a mapping, for one row.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
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


def sd3_transformer_flops(config: Config, image_tokens: int, text_tokens: int, skipped: Collection[int] = ()) -> int:
    """One pass of `SD3Transformer2DModel` for one row, without the blocks that are skipped."""
    width = config["num_attention_heads"] * config["attention_head_dim"]
    square, tokens, last = width * width, image_tokens + text_tokens, config["num_layers"] - 1
    kept = set(range(last + 1)) - set(skipped)
    layers = len(kept)
    patch = config["patch_size"] ** 2 * width * image_tokens
    conditioning = _TIME_CHANNELS * width + config["pooled_projection_dim"] * width + 2 * square
    ends = config["in_channels"] * patch + text_tokens * config["joint_attention_dim"] * width
    ends += 2 * square + (config["out_channels"] or config["in_channels"]) * patch
    # Per token: q, k, v, out (4) and a 4 times wider MLP (8). Per row: 6 modulations in each of two streams.
    blocks = layers * (12 * tokens * square + 12 * square)
    # The last block drops the text after its attention: no out, no MLP, 2 of the 6 modulations.
    blocks -= (9 * text_tokens * square + 4 * square) * (last in kept)
    # Blocks with a second attention over the image alone: q, k, v, out, and 3 modulations more.
    dual = len(kept & set(config.get("dual_attention_layers") or ()))
    blocks += dual * (4 * image_tokens * square + 3 * square)
    attention = layers * attention_flops(tokens, tokens, width) + dual * attention_flops(image_tokens, image_tokens, width)
    return 2 * (conditioning + ends + blocks) + attention


def pixart_transformer_flops(config: Config, image_tokens: int, text_tokens: int) -> int:
    """One pass of `PixArtTransformer2DModel` (without size conditions) for one row."""
    width = config["num_attention_heads"] * config["attention_head_dim"]
    square, layers = width * width, config["num_layers"]
    patch = config["patch_size"] ** 2 * width * image_tokens
    ends = (config["in_channels"] + (config["out_channels"] or config["in_channels"])) * patch
    ends += _TIME_CHANNELS * width + 7 * square + text_tokens * (config["caption_channels"] * width + square)
    # Per image token: q, k, v, out, cross q, out (6) and a 4 times wider MLP (8). Per text token: cross k, v.
    blocks = 14 * image_tokens * square + 2 * text_tokens * config["cross_attention_dim"] * width
    keys = image_tokens + text_tokens
    return 2 * (ends + layers * blocks) + layers * attention_flops(image_tokens, keys, width)


def sana_transformer_flops(config: Config, image_tokens: int, text_tokens: int) -> int:
    """One pass of `SanaTransformer2DModel` for one row: linear attention, and convolutions for an MLP."""
    heads, head = config["num_attention_heads"], config["attention_head_dim"]
    width = heads * head
    cross = config["num_cross_attention_heads"] * config["cross_attention_head_dim"]
    hidden = int(config["mlp_ratio"] * width)
    square, layers = width * width, config["num_layers"]
    patch = config["patch_size"] ** 2 * width * image_tokens
    ends = (config["in_channels"] + (config["out_channels"] or config["in_channels"])) * patch
    ends += _TIME_CHANNELS * width + 7 * square + text_tokens * (config["caption_channels"] * width + square)
    # The value has one more channel, of ones, that gives the denominator.
    per_token = 4 * square + 2 * heads * (head + 1) * head + 2 * width * cross + 3 * hidden * width + 18 * hidden
    blocks = image_tokens * per_token + 2 * text_tokens * config["cross_attention_dim"] * cross
    return 2 * (ends + layers * blocks) + layers * attention_flops(image_tokens, text_tokens, cross)
