"""What the transformer needs of each prompt: pooled text, modulations, and the cross-attention's keys and values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.text_runs import text_runs

BlockText = list[tuple[slice, Tensor]]
"""For one block: runs of rows with equal text length and their keys and values [r, L, 2, heads, hd]."""


@dataclass(frozen=True)
class ConditionBatch:
    """Conditions of the rows of one forward pass."""

    pooled_BC: Tensor
    ada_B16C: Tensor
    """Shared modulation: gates, scales, shifts of the two modulated branches."""
    head_B12C: Tensor
    """Scale and shift of the head's norm."""
    text: list[BlockText]
    """Per block."""


@dataclass(frozen=True)
class PromptConditions:
    """Conditions of several prompts, computed once per prompt and gathered for each forward pass."""

    lengths: tuple[int, ...]
    pooled_PC: Tensor
    ada_P16C: Tensor
    head_P12C: Tensor
    text_kv: tuple[Tensor, ...]
    """Per prompt [depth, L, 2, heads, hd]."""

    def __add__(self, other: PromptConditions) -> PromptConditions:
        """These prompts followed by the others."""
        return PromptConditions(self.lengths + other.lengths, torch.cat([self.pooled_PC, other.pooled_PC]),
                                torch.cat([self.ada_P16C, other.ada_P16C]),
                                torch.cat([self.head_P12C, other.head_P12C]), self.text_kv + other.text_kv)

    def select(self, prompts: Sequence[int]) -> PromptConditions:
        """Prompts by index, with repetition; keys and values are shared."""
        index = torch.tensor(prompts, device=self.pooled_PC.device)
        return PromptConditions(tuple(self.lengths[prompt] for prompt in prompts), self.pooled_PC[index],
                                self.ada_P16C[index], self.head_P12C[index],
                                tuple(self.text_kv[prompt] for prompt in prompts))

    def batch(self, prompts: Sequence[int]) -> ConditionBatch:
        """Conditions of rows that belong to these prompts (indices, with repetition)."""
        index = torch.tensor(prompts, device=self.pooled_PC.device)
        runs = text_runs([self.lengths[prompt] for prompt in prompts])
        gathered = [torch.stack([self.text_kv[prompt] for prompt in prompts[run.rows]], dim=1) for run in runs]
        text = [[(run.rows, kv_DrL2Hd[block]) for run, kv_DrL2Hd in zip(runs, gathered, strict=True)]
                for block in range(len(self.text_kv[0]))]
        return ConditionBatch(self.pooled_PC[index], self.ada_P16C[index], self.head_P12C[index], text)
