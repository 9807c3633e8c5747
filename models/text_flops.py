"""Static FLOPs of text encoders from their configurations alone, 2 per multiply-add, for one prompt.

Every function takes the `config` of a transformers model, or its config.json, as a mapping.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def t5_encoder_flops(config: Mapping[str, Any], tokens: int) -> int:
    """One prompt, padded to `tokens`, through `T5EncoderModel`."""
    inner = config["num_heads"] * config["d_kv"]
    gated = "gated" in config["feed_forward_proj"]
    matrices = 4 * config["d_model"] * inner + (3 if gated else 2) * config["d_model"] * config["d_ff"]
    return int(config["num_layers"]) * _layer_flops(tokens, matrices, inner)


def clip_text_flops(config: Mapping[str, Any], tokens: int) -> int:
    """One prompt, padded to `tokens`, through `CLIPTextModel` (without a text projection)."""
    width = config["hidden_size"]
    matrices = 4 * width * width + 2 * width * config["intermediate_size"]
    return int(config["num_hidden_layers"]) * _layer_flops(tokens, matrices, width)


def clip_projection_flops(config: Mapping[str, Any]) -> int:
    """One prompt through the projection of `CLIPTextModelWithProjection`."""
    return 2 * int(config["hidden_size"]) * int(config["projection_dim"])


def gemma_text_flops(config: Mapping[str, Any], tokens: int) -> int:
    """One prompt, padded to `tokens`, through `Gemma2Model` without its vocabulary head."""
    inner = config["num_attention_heads"] * config["head_dim"]
    shared = config["num_key_value_heads"] * config["head_dim"]
    matrices = config["hidden_size"] * (2 * inner + 2 * shared + 3 * config["intermediate_size"])
    return int(config["num_hidden_layers"]) * _layer_flops(tokens, matrices, inner)


def _layer_flops(tokens: int, matrices: int, width: int) -> int:
    """Every token through the layer's matrices, and attention over `width` channels of all tokens."""
    return 2 * tokens * matrices + 4 * tokens * tokens * width
