"""Sizes of the Infinity transformer and its bitwise VAE (Han et al. 2024, arXiv 2412.04431), free or as published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FIXED = {
    "mlp_ratio": 4, "add_lvl_embeding_only_first_block": 1, "rope2d_each_sa_layer": 1, "rope2d_normalized_by_hw": 2, "use_bit_label": 1,
    "shared_aln": True, "head_aln": True, "head_depth": 1, "rms_norm": False, "nm0": False, "cos_attn": True, "swiglu": False,
    "cross_attn_layer_scale": -1,
}  # fmt: skip
"""Options of the authors' code that have one value in every published model."""
ORIGINAL_NAMES = {
    "apply_spatial_patchify": "patchify", "codebook_dim_vae": "codebook_dim", "lvl_embed_rows": "level_rows",
    **{name: name for name in ("depth", "embed_dim", "num_heads", "text_channels", "text_maxlen", "block_chunks", "norm_eps")},
}
"""Names of the authors' options to ours."""


@dataclass(frozen=True)
class TransformerConfig:
    """Sizes of one Infinity transformer; every derived size follows the original's rules."""

    depth: int
    embed_dim: int
    num_heads: int
    codebook_dim: int
    """Bits of one VAE cell (d)."""
    text_channels: int = 2048
    text_maxlen: int = 512
    block_chunks: int = 1
    patchify: bool = False
    """One token covers 2x2 VAE cells."""
    level_rows: int = 15
    norm_eps: float = 1e-6
    drop_path: float = 0.1
    """Largest drop-path rate (training only), reached in the last block."""

    def __post_init__(self) -> None:
        if self.embed_dim % self.num_heads or (self.embed_dim // self.num_heads) % 4:
            raise ValueError(f"embed_dim {self.embed_dim} over {self.num_heads} heads: the head width must be a "
                             "multiple of 4 for two-dimensional RoPE; change num_heads")
        if self.depth % self.block_chunks:
            raise ValueError(f"depth {self.depth} does not divide into {self.block_chunks} chunks; change block_chunks")
        if self.ffn_hidden == 0:
            raise ValueError(f"embed_dim {self.embed_dim} rounds to an empty feed-forward layer; use at least 33")
        if self.embed_dim % self.pool_heads:
            raise ValueError(f"embed_dim {self.embed_dim} does not divide into {self.pool_heads} text-pool heads "
                             f"(from text_channels {self.text_channels}); change one of them")

    @classmethod
    def from_original(cls, options: Mapping[str, Any]) -> TransformerConfig:
        """From the options of the authors' code by their names. Raises ValueError where one has a value that no published model has."""
        for name, value in FIXED.items():
            if options.get(name, value) != value:
                raise ValueError(f"{name}={options[name]} is built into no model here: every published one has {name}={value}")
        given = {ours: options[theirs] for theirs, ours in ORIGINAL_NAMES.items() if theirs in options}
        config = cls(**{**given, "patchify": bool(given.get("patchify", False))})
        for theirs, size in (("ffn_hidden", config.ffn_hidden), ("pool_heads", config.pool_heads), ("d_token", config.token_bits)):
            if options.get(theirs, size) != size:
                raise ValueError(f"{theirs}={options[theirs]} contradicts the other sizes, which make it {size}")
        return config

    @property
    def head_dim(self) -> int:
        return self.embed_dim // self.num_heads

    @property
    def ffn_hidden(self) -> int:
        """Feed-forward width: 4C rounded to a multiple of 256, halves to even."""
        return 256 * round(4 * self.embed_dim / 256)

    @property
    def pool_heads(self) -> int:
        """Heads of the attention pool over the text; narrow texts (under 128 channels) get one."""
        return max(1, self.text_channels // (64 if self.embed_dim > 4096 else 128))

    @property
    def patch(self) -> int:
        """VAE cells along one side of a token."""
        return 2 if self.patchify else 1

    @property
    def token_bits(self) -> int:
        """Bits of one transformer token (D)."""
        return self.codebook_dim * self.patch**2


@dataclass(frozen=True)
class VAEConfig:
    """Sizes of the convolutional VAE with multi-scale binary codes."""

    codebook_dim: int = 32
    base_ch: int = 128
    ch_mult: tuple[int, ...] = (1, 2, 4, 4, 4)
    num_res_blocks: int = 2
    patch_size: int = 16
    """Pixels along one side of a latent cell; a power of two."""
    norm_groups: int | None = None
    """Groups of every GroupNorm; None is the published rule: 32 where it divides the channels, else 24."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "ch_mult", tuple(self.ch_mult))
        if self.patch_size < 1 or self.patch_size & (self.patch_size - 1):
            raise ValueError(f"patch_size {self.patch_size} is not a power of two; use 4, 8 or 16")
        if self.downsamplings >= len(self.ch_mult):
            raise ValueError(f"patch_size {self.patch_size} needs {self.downsamplings + 1} levels, ch_mult has "
                             f"{len(self.ch_mult)}; add levels or lower patch_size")
        for channels in {self.base_ch, *(self.base_ch * mult for mult in self.ch_mult)}:
            if channels % self.groups(channels):
                raise ValueError(f"{channels} channels do not divide into {self.groups(channels)} norm groups; "
                                 "set norm_groups or change base_ch")

    @property
    def downsamplings(self) -> int:
        return self.patch_size.bit_length() - 1

    def groups(self, channels: int) -> int:
        """Number of GroupNorm groups for a layer of this many channels."""
        if self.norm_groups is not None:
            return self.norm_groups
        return 32 if channels % 32 == 0 else 24


def _layer(depth: int, width: int, heads: int, bits: int, chunks: int = 4, patchify: bool = False) -> TransformerConfig:
    return TransformerConfig(depth, width, heads, bits, block_chunks=chunks, patchify=patchify)


PUBLISHED_TRANSFORMERS: dict[str, TransformerConfig] = {
    "infinity-125m": _layer(12, 768, 8, 16),
    "infinity-layer16": _layer(16, 1152, 12, 32),
    "infinity-1b": _layer(24, 1536, 16, 32),
    "infinity-2b": _layer(32, 2048, 16, 32, chunks=8),
    "infinity-layer32": _layer(32, 2080, 20, 32),
    "infinity-layer40": _layer(40, 2688, 24, 32),
    "infinity-layer48": _layer(48, 3360, 28, 32),
    "infinity-8b": _layer(40, 3584, 28, 14, chunks=8, patchify=True),
}

PUBLISHED_VAES: dict[str, VAEConfig] = {
    **{f"vae-d{bits}": VAEConfig(codebook_dim=bits) for bits in (16, 24, 32, 64)},
    "vae-d56-patchify": VAEConfig(codebook_dim=14, ch_mult=(1, 2, 4, 4), patch_size=8),
}
