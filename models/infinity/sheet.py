"""Data sheets of published Infinity models."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import torch

from models.architecture import components, count, outline, parameters
from models.dry_run import CudaAutocast, dry_run
from models.infinity.conditions import PromptConditions
from models.infinity.flops import decoder_flops, prompt_flops, scale_flops
from models.infinity.memory import row_bytes, scale_bytes
from models.infinity.published import SIZES, parts_of, plan_of
from models.infinity.rollout import Rollout
from models.infinity.rope import rope_table
from models.infinity.text import TextFeatures
from models.infinity.transformer import InfinityTransformer
from models.infinity.vae import InfinityVAE
from models.multi_device import Parts
from models.offload import device_of
from models.prefix_cache import Segment
from models.published import PublishedModel
from models.settings import dtype_of
from models.sheet import Sheet
from models.text_flops import t5_encoder_flops

TEXT_TOKENS = 32
"""Of the prompt that is priced; a GenEval prompt has about 10."""


def latent_size(model: PublishedModel, settings: Mapping[str, Any]) -> tuple[int, int]:
    """Rows and columns of the last scale's latents. Raises WrongInput for settings that the model cannot have."""
    size = SIZES[model.name]
    return plan_of(model.name, size, settings)[0].latent_grids(size.transformer.patch)[-1]


def parts(model: PublishedModel, settings: Mapping[str, Any]) -> Parts:
    """Its networks without weights."""
    size = SIZES[model.name]
    with torch.device("meta"):
        transformer, vae = InfinityTransformer(size.transformer), InfinityVAE(size.vae)
    encoder = outline(components(model.name)["text_encoder"], dtype_of(settings["text_dtype"]))
    return parts_of(transformer.cast_blocks(dtype_of(settings["dtype"])), vae, encoder)


def sheet(model: PublishedModel, settings: Mapping[str, Any]) -> Sheet:
    """Scales cost what their tokens cost; the prompt's own pass is in the first."""
    size, dtype = SIZES[model.name], dtype_of(settings["dtype"])
    schedule, sampling = plan_of(model.name, size, settings)
    with torch.device("meta"):
        transformer, vae = InfinityTransformer(size.transformer), InfinityVAE(size.vae)
    transformer.cast_blocks(dtype)
    grid = latent_size(model, settings)
    one = replace(sampling, guidance=1.0)
    scales = [scale_flops(size.transformer, schedule, k, TEXT_TOKENS, one) for k in range(len(schedule))]
    scales[0] += prompt_flops(size.transformer, TEXT_TOKENS)
    encoder = components(model.name)["text_encoder"]
    latents = torch.zeros(1, size.vae.codebook_dim, *grid, device="meta")
    value = dtype.itemsize
    text, own = count(encoder), parameters(transformer)
    blocks = sum(parameter.numel() for block in transformer.ordered_blocks for parameter in block.parameters())
    weights = (
        value * blocks + 4 * (own - blocks), 4 * parameters(vae), dtype_of(settings["text_dtype"], "text_dtype").itemsize * text
    )  # fmt: skip
    return Sheet(
        parameters=own, all_parameters=own + parameters(vae) + text,
        weight_bytes=sum(weights), largest_bytes=max(weights),
        step_flops=tuple(scales), sequences=sampling.halves(0),
        image_size=(grid[0] * size.vae.patch_size, grid[1] * size.vae.patch_size),
        decoder_flops=decoder_flops(size.vae, grid), text_flops=t5_encoder_flops(encoder, TEXT_TOKENS),
        text_tokens=TEXT_TOKENS,
        row_bytes=max(row_bytes(size.transformer, schedule, sampling, step, value) for step in range(len(schedule) + 1)),
        cache_step_bytes=tuple(
            sampling.halves(k) * scale_bytes(size.transformer, schedule, k, value) for k in range(len(schedule))
        ),
        pass_bytes=_last_pass(Rollout(transformer, schedule, sampling)),
        decode_bytes=dry_run(lambda: _decode(vae, latents, dtype)).peak_bytes,
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
