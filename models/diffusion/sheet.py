"""Data sheets of published diffusion models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import groupby
from typing import Any

import torch

from models.diffusion.dry_calls import decoder_call, denoiser_call
from models.diffusion.published import networks_of
from models.dry_run import dry_run
from models.published import PublishedModel
from models.random_weights import outlined
from models.sheet import Sheet, read_off


def sheet(model: PublishedModel, settings: Mapping[str, Any]) -> Sheet:
    """Every step costs the same but for passes that leave blocks out; the tokens of SANA's instruction are not known without it."""
    plain = {key: False for key in ("compile", "complex_human_instruction") if key in settings}
    outline = outlined(model, {**settings, **plain})
    adapter, decoder = outline.adapter, outline.adapter.pipeline.vae
    networks = networks_of(adapter.pipeline.components)
    made_size = {**settings, **dict(zip(("height", "width"), adapter.made_size, strict=True))}
    first = outline.price("predict")  # in which no block is left out
    return read_off(
        outline, networks, 0, step_flops=(first.model_flops // first.forwards,) * outline.card.steps,
        row_bytes=2 * 4 * outline.noise([0]).numel(), cache_step_bytes=(),  # latents and prediction, at most in float32
        pass_bytes=_pass_bytes(adapter.transformer, denoiser_call(adapter.transformer, made_size, adapter.forwards)),
        decode_bytes=dry_run(decoder_call(decoder, adapter.latent_size)).peak_bytes,
    )  # fmt: skip


def _pass_bytes(network: torch.nn.Module, call: Callable[[], Any]) -> int:
    """Intermediate bytes of a pass. Of transformer blocks in a row that are built alike two are run: more of them hold no more at once."""
    stacks = {
        name: child for name, child in network.named_children()
        if isinstance(child, torch.nn.ModuleList) and name.endswith("transformer_blocks")
    }  # fmt: skip
    for name, blocks in stacks.items():
        alike = (list(group)[:2] for _, group in groupby(blocks, repr))
        setattr(network, name, torch.nn.ModuleList(block for group in alike for block in group))
    try:
        return dry_run(call).peak_bytes
    finally:
        for name, blocks in stacks.items():
            setattr(network, name, blocks)
