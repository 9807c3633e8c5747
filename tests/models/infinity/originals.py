"""What the authors' code has and ours has otherwise: names of its options, and the order of its draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from models.infinity.config import TransformerConfig

NAMES = {
    "apply_spatial_patchify": "patchify", "codebook_dim_vae": "codebook_dim", "lvl_embed_rows": "level_rows",
    **{name: name for name in ("depth", "embed_dim", "num_heads", "text_channels", "text_maxlen", "block_chunks", "norm_eps")},
}  # fmt: skip


def transformer_config(options: Mapping[str, Any]) -> TransformerConfig:
    """The same sizes; those that ours derives are the authors' too."""
    config = TransformerConfig(**{ours: options[theirs] for theirs, ours in NAMES.items() if theirs in options})
    derived = {"ffn_hidden": config.ffn_hidden, "pool_heads": config.pool_heads, "d_token": config.token_bits}
    assert all(options.get(name, size) == size for name, size in derived.items())
    return config


def draw_shared(p_BnD: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Bits [B, n, D] from one generator for the whole batch (torch.multinomial)."""
    pairs = torch.stack([1 - p_BnD, p_BnD], dim=-1).view(-1, 2)
    return torch.multinomial(pairs, 1, replacement=True, generator=generator).view(p_BnD.shape).bool()
