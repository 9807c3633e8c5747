"""What a prefix holds in memory."""

from __future__ import annotations

from models.infinity.config import TransformerConfig
from models.infinity.sampling import Sampling
from models.infinity.schedule import ScaleSchedule


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
