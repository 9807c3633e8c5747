"""Data sheets of published Infinity models."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import torch

from models.dry_run import CudaAutocast, dry_run
from models.infinity.flops import prompt_flops, scale_flops
from models.infinity.memory import TEXT_TOKENS, most_row_bytes, scale_bytes
from models.infinity.pretrained import InfinityParts
from models.infinity.published import networks_of
from models.infinity.vae import InfinityVAE
from models.published import PublishedModel
from models.random_weights import outlined
from models.settings import dtype_of
from models.sheet import Sheet, read_off


def sheet(model: PublishedModel, settings: Mapping[str, Any]) -> Sheet:
    """Scales cost what their tokens cost; the prompt's own pass is in the first."""
    outline = outlined(model, {**settings, "compile": False})
    transformer, vae, rollout, dtype = outline.transformer, outline.vae, outline.rollout, dtype_of(settings["dtype"])
    config, schedule, sampling = transformer.config, rollout.schedule, rollout.sampling
    one = replace(sampling, guidance=1.0)
    scales = [scale_flops(config, schedule, k, TEXT_TOKENS, one) for k in range(len(schedule))]
    scales[0] += prompt_flops(config, TEXT_TOKENS)
    latents = torch.zeros(1, vae.config.codebook_dim, *rollout.latent_grids[-1], device="meta")
    networks = networks_of(InfinityParts(transformer, vae, schedule, sampling), outline.text_encoder.model)
    return read_off(
        outline, networks, TEXT_TOKENS,
        step_flops=tuple(scales), row_bytes=most_row_bytes(config, schedule, sampling, dtype.itemsize), pass_bytes=networks.passed,
        cache_step_bytes=tuple(
            sampling.halves(k) * scale_bytes(config, schedule, k, dtype.itemsize) for k in range(len(schedule) - 1)
        ),  # of the last scale nothing is kept
        decode_bytes=dry_run(lambda: _decode(vae, latents, dtype)).peak_bytes,
    )  # fmt: skip


def _decode(vae: InfinityVAE, latents_BdHW: torch.Tensor, dtype: torch.dtype) -> None:
    """As the generator does it on a GPU."""
    with CudaAutocast(dtype) if dtype == torch.bfloat16 else nullcontext():
        vae.decode(latents_BdHW)
