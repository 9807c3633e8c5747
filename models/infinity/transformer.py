"""The Infinity transformer: bitwise next-scale prediction (Han et al. 2024), weight-compatible with the original."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import torch
from torch import Tensor, nn

from models.compiling import prepare_compiler
from models.infinity.attention import TextPool
from models.infinity.block import Block, modulate
from models.infinity.conditions import BlockText, ConditionBatch, PromptConditions
from models.infinity.config import TransformerConfig
from models.infinity.rope import rope_table
from models.infinity.schedule import ScaleSchedule
from models.infinity.text import TextFeatures, token_places
from models.prefix_cache import PrefixReader
from models.text_runs import TextRun, text_runs


@lru_cache(maxsize=8)
def block_causal_mask(schedule: ScaleSchedule, device: torch.device) -> Tensor:
    """Boolean [L, L]: a token sees its own scale and all coarser ones."""
    scale_L = torch.repeat_interleave(torch.tensor(schedule.lengths))
    return (scale_L[:, None] >= scale_L[None]).to(device)


class RMSNorm(nn.Module):
    """Root-mean-square norm of the text features, in float32."""

    def __init__(self, channels: int, eps: float) -> None:
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(channels)), eps

    def forward(self, x_TC: Tensor) -> Tensor:
        x_TC = x_TC.float()
        return x_TC * torch.rsqrt(x_TC.square().mean(-1, keepdim=True) + self.eps) * self.weight


def _silu_linear(width: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.SiLU(), nn.Linear(width, outputs))


class InfinityTransformer(nn.Module):
    """Predicts the bits of one scale from the text and the coarser scales."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        width, bits = config.embed_dim, config.token_bits
        self.cfg_uncond = nn.Parameter(torch.zeros(config.text_maxlen, config.text_channels))
        self.pos_start = nn.Parameter(torch.zeros(1, 1, width))
        self.text_norm = RMSNorm(config.text_channels, config.norm_eps)
        self.text_proj_for_sos = nn.ModuleDict({"ca": TextPool(config)})
        self.text_proj_for_ca = nn.Sequential(nn.Linear(config.text_channels, width), nn.GELU(approximate="tanh"),
                                              nn.Linear(width, width))
        self.lvl_embed = nn.Embedding(config.level_rows, width)
        self.word_embed = nn.Linear(bits, width)
        self.shared_ada_lin = _silu_linear(width, 6 * width)
        blocks = [Block(config, config.drop_path * i / max(1, config.depth - 1)) for i in range(config.depth)]
        if config.block_chunks == 1:
            self.blocks = nn.ModuleList(blocks)
        else:
            size = config.depth // config.block_chunks
            self.block_chunks = nn.ModuleList(
                nn.ModuleDict({"module": nn.ModuleList(blocks[start:start + size])})
                for start in range(0, config.depth, size))
        self.ordered_blocks = blocks  # a plain list: the blocks are registered above, under the published names
        self.head_nm = nn.ModuleDict({"ada_lin": _silu_linear(width, 2 * width)})
        self.head = nn.Linear(width, 2 * bits)

    def cast_blocks(self, dtype: torch.dtype) -> InfinityTransformer:
        """Put the blocks, and only them, into another type, as the published inference does with bfloat16."""
        for block in self.ordered_blocks:
            block.to(dtype)
        return self

    def compile_blocks(self) -> InfinityTransformer:
        """Fuse the elementwise work of the blocks (torch.compile): faster on a GPU, other rounding, some seconds at first."""
        prepare_compiler()
        for block in self.ordered_blocks:
            block.compile_parts()
        return self

    # Text -----------------------------------------------------------------------------------------------------------

    def unconditional(self, lengths: Sequence[int]) -> TextFeatures:
        """The learned unconditional features, one prompt for each length. Raises ValueError beyond text_maxlen."""
        if max(lengths) > self.config.text_maxlen:
            raise ValueError(f"a text of {max(lengths)} tokens exceeds text_maxlen {self.config.text_maxlen}: "
                             "truncate it when tokenizing")
        return TextFeatures(self.cfg_uncond[token_places([0] * len(lengths), lengths)], tuple(lengths))

    def _pool(self, text: TextFeatures, runs: Sequence[TextRun]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Pooled text [B, C], shared modulation [B, 1, 6, C], head modulation [B, 1, 2, C], memory [T, C]."""
        normed_TC = self.text_norm(text.flat_TC)
        pooled_BC = self.text_proj_for_sos["ca"](normed_TC, runs)
        ada_B16C = self.shared_ada_lin(pooled_BC).view(len(pooled_BC), 1, 6, -1)
        head_B12C = self.head_nm["ada_lin"](pooled_BC).view(len(pooled_BC), 1, 2, -1)
        return pooled_BC, ada_B16C, head_B12C, self.text_proj_for_ca(normed_TC)

    def condition(self, text: TextFeatures) -> PromptConditions:
        """Everything that depends on the prompts alone, in their order."""
        order = text.by_length()
        text = text.select(order)
        runs = text_runs(text.lengths)
        pooled_PC, ada_P16C, head_P12C, memory_TC = self._pool(text, runs)
        kv_DT2Hd = torch.stack([block.ca.text_kv(memory_TC) for block in self.ordered_blocks])
        parts = kv_DT2Hd.split(text.lengths, dim=1)
        places = sorted(range(len(order)), key=order.__getitem__)
        back = torch.tensor(places, device=memory_TC.device)
        return PromptConditions(tuple(text.lengths[place] for place in places), pooled_PC[back], ada_P16C[back],
                                head_P12C[back], tuple(parts[place] for place in places))

    # Passes ---------------------------------------------------------------------------------------------------------

    def embed(self, tokens: Sequence[Tensor | None], scales: Sequence[int], pooled_BC: Tensor) -> Tensor:
        """Block inputs [B, n, C]: the start token for scale 0 (tokens None), embedded features [B, n_k, D] after it."""
        parts = [(self.word_embed(x) if x is not None else pooled_BC[:, None] + self.pos_start)
                 + self.lvl_embed.weight[k] for k, x in zip(scales, tokens, strict=True)]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def logits(self, x_BnC: Tensor, head_B12C: Tensor) -> Tensor:
        """Bit logits [B, n, D, 2] (float32); the last axis is (bit 0, bit 1)."""
        scale_B1C, shift_B1C = head_B12C.unbind(2)
        normed_BnC = modulate(x_BnC, scale_B1C, shift_B1C, self.config.norm_eps)
        return self.head(normed_BnC).unflatten(-1, (-1, 2))

    def forward(self, text: TextFeatures, inputs_BLD: Tensor, schedule: ScaleSchedule,
                unconditional: Sequence[bool] | None = None) -> Tensor:
        """Teacher-forced logits [B, L, D, 2] of all scales of the schedule at once.

        inputs_BLD: features of scales 1..K-1, [B, L - 1, D] (`bits.transformer_inputs`). unconditional: rows whose text
        is replaced by the learned unconditional features (training drops a tenth of them).
        """
        if unconditional is not None and any(unconditional):
            text = text.where(unconditional, self.unconditional(text.lengths))
        order = text.by_length()
        text, device = text.select(order), inputs_BLD.device
        index = torch.tensor(order, device=device)
        runs = text_runs(text.lengths)
        pooled_BC, ada_B16C, head_B12C, memory_TC = self._pool(text, runs)
        scales = range(len(schedule))
        parts = inputs_BLD[index].split(schedule.lengths[1:], dim=1)
        x_BLC = self.embed([None, *parts], scales, pooled_BC)
        rotation_Lj2 = torch.view_as_real(rope_table(schedule, self.config.head_dim, device))
        mask_LL = block_causal_mask(schedule, device)
        for block in self.ordered_blocks:
            kv_T2Hd = block.ca.text_kv(memory_TC)
            block_text: BlockText = [(run.rows, run.tokens_of(kv_T2Hd)) for run in runs]
            x_BLC, _ = block(x_BLC, ada_B16C, block_text, rotation_Lj2, mask_nN=mask_LL)
        return self.logits(x_BLC, head_B12C)[index.argsort()]

    def predict(self, x_BnC: Tensor, k: int, schedule: ScaleSchedule, conditions: ConditionBatch, prefix: PrefixReader,
                after_block: Mapping[int, Callable[[Tensor], Tensor]], keep: bool) -> tuple[Tensor, list[Tensor]]:
        """One scale through the blocks on top of its prefix -> last residuals [B, n, C], keys and values per block.

        after_block: what guidance does to the residual stream right after the blocks of these indices. keep: whether a
        scale follows; if not, no keys and values are held (the last scale's are two fifths of all).
        """
        start, device = sum(schedule.lengths[:k]), x_BnC.device
        rotation_Lj2 = torch.view_as_real(rope_table(schedule, self.config.head_dim, device))
        rotation_nj2 = rotation_Lj2[start:start + schedule.lengths[k]]
        kept = []
        for index, block in enumerate(self.ordered_blocks):
            x_BnC, own_2BnHd = block(x_BnC, conditions.ada_B16C, conditions.text[index], rotation_nj2,
                                     prefix.block(index))
            if keep:
                kept.append(own_2BnHd)
            if index in after_block:
                x_BnC = after_block[index](x_BnC)
        return x_BnC.to(device), kept  # blocks may lie on several devices
