"""Data sheets of published Infinity models."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import torch

from models.dry_run import CudaAutocast, dry_run
from models.infinity.conditions import PromptConditions
from models.infinity.flops import prompt_flops, scale_flops
from models.infinity.memory import row_bytes, scale_bytes
from models.infinity.published import parts_of
from models.infinity.rollout import Rollout
from models.infinity.rope import rope_table
from models.infinity.text import TextFeatures
from models.infinity.vae import InfinityVAE
from models.offload import device_of
from models.prefix_cache import Segment
from models.published import PublishedModel
from models.random_weights import outlined
from models.settings import dtype_of
from models.sheet import Sheet, read_off

TEXT_TOKENS = 32
"""Of the prompt that is priced; a GenEval prompt has about 10."""


def sheet(model: PublishedModel, settings: Mapping[str, Any]) -> Sheet:
    """Scales cost what their tokens cost; the prompt's own pass is in the first."""
    outline = outlined(model, {**settings, "compile": False})
    transformer, vae, rollout, dtype = outline.transformer, outline.vae, outline.rollout, dtype_of(settings["dtype"])
    config, schedule, sampling = transformer.config, rollout.schedule, rollout.sampling
    one = replace(sampling, guidance=1.0)
    scales = [scale_flops(config, schedule, k, TEXT_TOKENS, one) for k in range(len(schedule))]
    scales[0] += prompt_flops(config, TEXT_TOKENS)
    latents = torch.zeros(1, vae.config.codebook_dim, *rollout.latent_grids[-1], device="meta")
    return read_off(
        outline, parts_of(transformer, vae, outline.text_encoder.model), TEXT_TOKENS,
        step_flops=tuple(scales),
        row_bytes=max(row_bytes(config, schedule, sampling, step, dtype.itemsize) for step in range(len(schedule) + 1)),
        cache_step_bytes=tuple(
            sampling.halves(k) * scale_bytes(config, schedule, k, dtype.itemsize) for k in range(len(schedule) - 1)
        ),  # of the last scale nothing is kept
        pass_bytes=_last_pass(rollout), decode_bytes=dry_run(lambda: _decode(vae, latents, dtype)).peak_bytes,
    )  # fmt: skip


def _decode(vae: InfinityVAE, latents_BdHW: torch.Tensor, dtype: torch.dtype) -> None:
    """As the generator does it on a GPU."""
    with CudaAutocast(dtype) if dtype == torch.bfloat16 else nullcontext():
        vae.decode(latents_BdHW)


def _last_pass(rollout: Rollout) -> int:
    """Intermediate bytes of one row at the last scale, which is the largest, on top of a cache as the others leave it."""
    transformer, schedule = rollout.transformer, rollout.schedule
    config, last = transformer.config, len(schedule) - 1
    text = TextFeatures(torch.zeros(TEXT_TOKENS, config.text_channels, device="meta"), (TEXT_TOKENS,))
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
