"""What rows hold in memory, between steps and within a pass."""

from __future__ import annotations

from dataclasses import replace

import torch

from models.dry_run import dry_run
from models.infinity.conditions import PromptConditions
from models.infinity.config import TransformerConfig
from models.infinity.rollout import Rollout
from models.infinity.rope import rope_table
from models.infinity.sampling import Sampling
from models.infinity.schedule import ScaleSchedule
from models.infinity.text import TextFeatures
from models.infinity.transformer import InfinityTransformer
from models.offload import device_of
from models.outlining import outlining
from models.prefix_cache import Segment

TEXT_TOKENS = 32
"""Of the prompt that is priced; a GenEval prompt has about 10."""


def scale_bytes(config: TransformerConfig, schedule: ScaleSchedule, k: int, value_bytes: int = 2) -> int:
    """Keys and values of scale k of one sequence."""
    return schedule.lengths[k] * 2 * config.embed_dim * config.depth * value_bytes


def row_bytes(config: TransformerConfig, schedule: ScaleSchedule, sampling: Sampling, step: int,
              value_bytes: int = 2) -> int:
    """One row of its own after `step` draws: its cache in all halves, and its sum of codes (float32); siblings share more.

    Nothing attends to the last scale, so after it there is no cache.
    """
    rows, columns = schedule.latent_grids(config.patch)[-1]
    features = 4 * config.codebook_dim * rows * columns
    held = range(step if step < len(schedule) else 0)
    return features + sum(sampling.halves(k) * scale_bytes(config, schedule, k, value_bytes) for k in held)


def most_row_bytes(config: TransformerConfig, schedule: ScaleSchedule, sampling: Sampling, value_bytes: int = 2) -> int:
    """The most that `row_bytes` is after any draw."""
    return max(row_bytes(config, schedule, sampling, step, value_bytes) for step in range(len(schedule) + 1))


def pass_bytes(config: TransformerConfig, schedule: ScaleSchedule, sampling: Sampling, dtype: torch.dtype) -> int:
    """`last_pass` of a network of this size, its blocks in this dtype."""
    with outlining():
        transformer = InfinityTransformer(config)
    transformer.cast_blocks(dtype)
    return last_pass(Rollout(transformer.eval(), schedule, sampling))


def last_pass(rollout: Rollout) -> int:
    """Intermediate bytes of one row at the last scale, which is the largest, on top of a cache as the others leave it; on the meta
    device."""
    transformer, schedule = rollout.transformer, rollout.schedule
    config, last = transformer.config, len(schedule) - 1
    tokens = min(TEXT_TOKENS, config.text_maxlen)
    text = TextFeatures(torch.zeros(tokens, config.text_channels, device="meta"), (tokens,))
    conditions: PromptConditions = rollout.condition(text)
    dtype = next(transformer.ordered_blocks[0].sa.parameters()).dtype
    segment: Segment | None = None
    for k in range(last):
        shape = (2, rollout.sampling.halves(k), schedule.lengths[k], config.num_heads, config.head_dim)
        own = torch.empty(shape, dtype=dtype, device="meta")
        segment = Segment((own,) * config.depth, 1, segment, (0,) if segment else ())
    rope_table(schedule, config.head_dim, device_of(transformer))  # which is kept from the first pass on
    prefixes = replace(rollout.start([0]), step=last, segment=segment, segment_rows=(0,) if segment else ())
    return dry_run(lambda: rollout.predict(prefixes, [0], conditions)).peak_bytes
