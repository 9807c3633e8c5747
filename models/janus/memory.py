"""What a candidate of Janus holds in memory."""

from __future__ import annotations

from typing import Any


def row_bytes(config: Any, step: int, text_tokens: int, halves: int, value_bytes: int = 2) -> int:
    """Keys and values of one candidate of its own after `step` rows, its prompt's included; siblings share more.

    The last token of a row is passed only before the next one, and nothing is kept after the last row.
    """
    text, side = config.text_config, config.vq_config.num_patches
    if step == side:
        return 0
    head_dim = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    tokens = text_tokens + max(0, step * side - 1) if step else 0
    return halves * tokens * 2 * text.num_key_value_heads * head_dim * text.num_hidden_layers * value_bytes
