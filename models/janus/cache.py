"""Keys and values while a batch is passed token by token: one buffer for each run of rows with equally long prefixes.

Linear layers see the whole batch; only the attention goes run by run, so that prompts of different lengths need neither
padding nor masks, and a row's result does not depend on what else is in the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AttentionInterface

from models.text_runs import text_runs

ATTENTION = "vistas_runs"
"""Name of this attention among those of transformers."""


class RunCache:
    """Buffers of all layers with room for the tokens to come; keys and values are token-major [2, r, N, heads, hd]."""

    def __init__(self, lengths: Sequence[int], layers: int, room: int) -> None:
        self.lengths = tuple(lengths)
        """Tokens held of each row."""
        self._room = room
        self._buffers: list[list[Tensor]] = [[] for _ in range(layers)]
        self.runs = text_runs(lengths)
        """Neighbouring rows that hold equally many tokens."""
        self._new = 0
        """Tokens added since the cache was filled."""

    def fill(self, layer: int, run: int, parts: Sequence[Tensor], like: Tensor) -> None:
        """Copy a run's prefix into a new buffer: parts [2, r, n, heads, hd] one after another; `like` gives heads and type."""
        rows, length = self.runs[run].rows, self.runs[run].length
        shape = (2, rows.stop - rows.start, length + self._room, *like.shape[-2:])
        buffer, start = torch.empty(shape, dtype=like.dtype, device=like.device), 0
        for part in parts:
            buffer[:, :, start:start + part.shape[2]] = part
            start += part.shape[2]
        assert start == length
        self._buffers[layer].append(buffer)

    def attend(self, layer: int, q_BHnd: Tensor, k_BKnd: Tensor, v_BKnd: Tensor, scale: float | None) -> Tensor:
        """Add new keys and values and attend to all of them, causally among the new ones -> [B, n, H, hd]."""
        new, group = q_BHnd.shape[2], q_BHnd.shape[1] // k_BKnd.shape[1]
        outs = []
        for run, buffer in zip(self.runs, self._buffers[layer], strict=True):
            rows, start = run.rows, run.length + self._new
            if start and new > 1:
                raise ValueError(f"{new} tokens behind a prefix of {start}: pass one at a time")
            buffer[0, :, start:start + new] = k_BKnd[rows].transpose(1, 2)
            buffer[1, :, start:start + new] = v_BKnd[rows].transpose(1, 2)
            k_rKNd, v_rKNd = buffer[:, :, :start + new].transpose(2, 3)
            if group > 1:
                k_rKNd, v_rKNd = k_rKNd.repeat_interleave(group, 1), v_rKNd.repeat_interleave(group, 1)
            outs.append(F.scaled_dot_product_attention(q_BHnd[rows], k_rKNd, v_rKNd, scale=scale, is_causal=new > 1))
        return torch.cat(outs).transpose(1, 2)

    def advance(self, tokens: int) -> None:
        """All layers have seen this many tokens more."""
        self._new += tokens

    def positions(self, device: torch.device) -> Tensor:
        """Position of each row's next token [B, 1]."""
        return torch.tensor([[length + self._new] for length in self.lengths], device=device)

    def added(self, layer: int) -> Tensor:
        """Keys and values [2, B, n, heads, hd] of the tokens added since the cache was filled, as a copy."""
        return torch.cat([buffer[:, :, run.length:run.length + self._new]
                          for buffer, run in zip(self._buffers[layer], self.runs, strict=True)], dim=1)


def attend_runs(module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None,
                scaling: float | None = None, dropout: float = 0.0, *, run_cache: RunCache,
                **_: Any) -> tuple[Tensor, None]:
    """What transformers calls in place of its own attention."""
    return run_cache.attend(module.layer_idx, query, key, value, scaling), None  # type: ignore[arg-type]


AttentionInterface.register(ATTENTION, attend_runs)
