"""Static FLOPs of Janus (2 per multiply-add), equal to torch's counter on the same call.

C width, F feed-forward width, H and K heads of queries and of keys, d head width, P projection width, V image tokens to
choose from.
"""

from __future__ import annotations

from typing import Any

from models.conv_flops import conv_flops, res_block_flops


def language_flops(config: Any, new_tokens: int, context: int) -> int:
    """One sequence through the language model; attention is counted in full, masked pairs included."""
    text = config.text_config
    C, F, H, K = text.hidden_size, text.intermediate_size, text.num_attention_heads, text.num_key_value_heads
    d = getattr(text, "head_dim", None) or C // H
    linear = 2 * C * d * (H + 2 * K) + 2 * H * d * C + 6 * C * F
    return text.num_hidden_layers * new_tokens * (linear + 4 * context * H * d)


def head_flops(config: Any) -> int:
    """Logits of one image token."""
    vq = config.vq_config
    return 2 * vq.image_token_embed_dim * vq.projection_dim + 2 * vq.projection_dim * vq.num_embeddings


def aligner_flops(config: Any) -> int:
    """Embedding of one image token."""
    vq = config.vq_config
    return 2 * vq.embed_dim * vq.projection_dim + (vq.num_hidden_layers - 1) * 2 * vq.projection_dim**2


def read_flops(config: Any, text_tokens: int, halves: int) -> int:
    """A prompt and its unconditional half, up to the logits of the first image token."""
    return halves * (language_flops(config, text_tokens, text_tokens) + head_flops(config))


def token_flops(config: Any, context: int, halves: int) -> int:
    """One image token of one row through the model, itself part of the context, up to the logits of the next."""
    return aligner_flops(config) + halves * (language_flops(config, 1, context) + head_flops(config))


def _attention(channels: int, cells: int) -> int:
    return 4 * conv_flops(channels, channels, cells, kernel=1) + 4 * cells**2 * channels


def decoder_flops(config: Any) -> int:
    """One image from its codes."""
    vq = config.vq_config
    widths = [vq.base_channels * times for times in vq.channel_multiplier]
    cells, width = vq.num_patches**2, widths[-1]
    flops = conv_flops(vq.embed_dim, vq.latent_channels, cells, kernel=1) + conv_flops(vq.latent_channels, width, cells)
    flops += 2 * res_block_flops(width, width, cells) + _attention(width, cells)
    for level in reversed(range(len(widths))):
        for _ in range(vq.num_res_blocks + 1):
            flops += res_block_flops(width, widths[level], cells)
            width = widths[level]
            if level == len(widths) - 1:
                flops += _attention(width, cells)
        if level:
            cells *= 4
            flops += conv_flops(width, width, cells)
    return flops + conv_flops(width, vq.out_channels, cells)
