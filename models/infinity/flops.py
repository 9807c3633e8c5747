"""Static FLOPs of Infinity (2 per multiply-add), equal to torch's counter on the same call.

n new tokens, N context tokens with the new ones, L text tokens, C width, F feed-forward width, Ct text channels, D bits
per token. One sequence each; guidance is the caller's factor.
"""

from __future__ import annotations

from models.conv_flops import conv_flops, res_block_flops
from models.infinity.config import TransformerConfig, VAEConfig
from models.infinity.sampling import Sampling
from models.infinity.schedule import Grid, ScaleSchedule


def blocks_flops(config: TransformerConfig, new_tokens: int, context: int, text_tokens: int) -> int:
    """All blocks for one sequence; the text's keys and values are not in it (`prompt_flops`)."""
    C, n = config.embed_dim, new_tokens
    linear = n * (12 * C**2 + 4 * C * config.ffn_hidden)
    return config.depth * (linear + 4 * n * context * C + 4 * n * text_tokens * C)


def head_flops(config: TransformerConfig, new_tokens: int) -> int:
    """Bit logits of one sequence."""
    return 2 * new_tokens * config.embed_dim * 2 * config.token_bits


def embed_flops(config: TransformerConfig, new_tokens: int) -> int:
    """Embedding of one sequence's features."""
    return 2 * new_tokens * config.embed_dim * config.token_bits


def prompt_flops(config: TransformerConfig, text_tokens: int) -> int:
    """What one text costs once: pool, memory, modulations of blocks and head, and every block's keys and values."""
    C, Ct, L = config.embed_dim, config.text_channels, text_tokens
    pool = 4 * L * Ct * C + 4 * L * C + 2 * C**2
    memory = 2 * L * (Ct * C + C**2)
    modulations = 12 * C**2 + 4 * C**2
    return pool + memory + modulations + config.depth * 4 * L * C**2


def scale_flops(config: TransformerConfig, schedule: ScaleSchedule, k: int, text_tokens: int, sampling: Sampling,
                negative_tokens: int | None = None) -> int:
    """One row's pass at scale k with its guidance; negative_tokens: those of the other half, if others."""
    n, context = schedule.lengths[k], sum(schedule.lengths[:k + 1])
    texts = [text_tokens, text_tokens if negative_tokens is None else negative_tokens][:sampling.halves(k)]
    blocks = sum(blocks_flops(config, n, context, tokens) for tokens in texts)
    heads = 2 if sampling.mixes_logits(k) else 1
    return blocks + heads * head_flops(config, n) + (embed_flops(config, n) if k else 0)


def teacher_forced_flops(config: TransformerConfig, schedule: ScaleSchedule, text_tokens: int) -> int:
    """One sequence of a training forward pass; attention is counted in full, masked pairs included."""
    total = schedule.total
    return (prompt_flops(config, text_tokens) + blocks_flops(config, total, total, text_tokens)
            + head_flops(config, total) + embed_flops(config, total - 1))


def _level(inputs: int, outputs: int, blocks: int, cells: int) -> int:
    return res_block_flops(inputs, outputs, cells) + (blocks - 1) * res_block_flops(outputs, outputs, cells)


def decoder_flops(config: VAEConfig, latent_grid: Grid) -> int:
    """One image from a latent grid (rows, columns)."""
    widths = [config.base_ch * mult for mult in config.ch_mult]
    cells, width = latent_grid[0] * latent_grid[1], widths[-1]
    flops = conv_flops(config.codebook_dim, width, cells) + 2 * res_block_flops(width, width, cells)
    for i in reversed(range(len(widths))):
        flops += _level(width, widths[i], config.num_res_blocks + 1, cells)
        width = widths[i]
        if 1 <= i <= config.downsamplings:
            cells *= 4
            flops += conv_flops(width, width, cells)
    return flops + conv_flops(width, 3, cells)
