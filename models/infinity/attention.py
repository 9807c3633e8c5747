"""Infinity's three attentions: cosine self-attention, cross-attention to the text, and the pool over the text.

Keys and values are token-major ([..., n, heads, head_dim]), so that a prefix is extended by one contiguous copy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.infinity.config import TransformerConfig
from models.infinity.rope import rotate
from models.text_runs import TextRun

MAX_LOG_TEMPERATURE = math.log(100)


def attend(q_BnHd: Tensor, k_BNHd: Tensor, v_BNHd: Tensor, mask_nN: Tensor | None = None,
           scale: float | None = None) -> Tensor:
    """Scaled dot-product attention over token-major heads -> [B, n, C]."""
    out_BHnd = F.scaled_dot_product_attention(q_BnHd.transpose(1, 2), k_BNHd.transpose(1, 2), v_BNHd.transpose(1, 2),
                                              attn_mask=mask_nN, scale=scale)
    return out_BHnd.transpose(1, 2).flatten(2)


class SelfAttention(nn.Module):
    """Attention over the prefix with unit-length queries and keys and one learned temperature per head."""

    zero_k_bias: Tensor

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        width = config.embed_dim
        self.heads = config.num_heads
        self.mat_qkv = nn.Linear(width, 3 * width, bias=False)
        self.q_bias, self.v_bias = nn.Parameter(torch.zeros(width)), nn.Parameter(torch.zeros(width))
        self.register_buffer("zero_k_bias", torch.zeros(width))
        self.scale_mul_1H11 = nn.Parameter(torch.full((1, config.num_heads, 1, 1), math.log(4)))
        self.proj = nn.Linear(width, width)

    def queries_and_own(self, x_BnC: Tensor, rotation_nj2: Tensor) -> tuple[Tensor, Tensor]:
        """Queries [B, n, heads, hd], and x's own keys and values [2, B, n, heads, hd]; both normalised and turned."""
        weight = self.mat_qkv.weight
        bias = torch.cat([self.q_bias, self.zero_k_bias, self.v_bias])
        qkv_Bn3Hd = F.linear(x_BnC.to(weight.dtype), weight, bias).unflatten(-1, (3, self.heads, -1))
        qk_Bn2Hd = rotate(F.normalize(qkv_Bn3Hd[:, :, :2].float(), dim=-1), rotation_nj2)
        temperature_H1 = self.scale_mul_1H11.float().clamp_max(MAX_LOG_TEMPERATURE).exp().view(-1, 1)
        q_BnHd = (qk_Bn2Hd[:, :, 0] * temperature_H1).to(weight.dtype)
        return q_BnHd, torch.stack([qk_Bn2Hd[:, :, 1].to(weight.dtype), qkv_Bn3Hd[:, :, 2]])

    def attend(self, q_BnHd: Tensor, own_2BnHd: Tensor, prefix: Sequence[Tensor] = (),
               mask_nN: Tensor | None = None) -> Tensor:
        """Attend to the prefix and to x itself -> [B, n, C] before the output projection.

        prefix holds earlier keys and values [2, B, n_k, heads, hd], scale after scale.
        """
        k_BNHd, v_BNHd = torch.cat([*prefix, own_2BnHd], dim=2) if prefix else own_2BnHd
        return attend(q_BnHd, k_BNHd, v_BNHd, mask_nN, scale=1.0)


class CrossAttention(nn.Module):
    """Attention from image tokens to the projected text."""

    zero_k_bias: Tensor

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        width = config.embed_dim
        self.heads = config.num_heads
        self.mat_q = nn.Linear(width, width)
        self.mat_kv = nn.Linear(width, 2 * width, bias=False)
        self.v_bias = nn.Parameter(torch.zeros(width))
        self.register_buffer("zero_k_bias", torch.zeros(width))
        self.proj = nn.Linear(width, width)

    def text_kv(self, memory_TC: Tensor) -> Tensor:
        """Keys and values [T, 2, heads, hd] of projected text tokens [T, C], where the tokens are."""
        bias = torch.cat([self.zero_k_bias, self.v_bias])
        kv_TC = F.linear(memory_TC.to(self.mat_kv.weight), self.mat_kv.weight, bias)
        return kv_TC.to(memory_TC.device).unflatten(-1, (2, self.heads, -1))

    def queries(self, x_BnC: Tensor) -> Tensor:
        """Queries [B, n, heads, hd] of image tokens."""
        return self.mat_q(x_BnC.to(self.mat_q.weight.dtype)).unflatten(-1, (self.heads, -1))

    def attend(self, q_BnHd: Tensor, text: Sequence[tuple[slice, Tensor]]) -> Tensor:
        """Attend to the text -> [B, n, C] before the output projection.

        text holds runs of rows with the keys and values [r, L, 2, heads, hd].
        """
        outs = [attend(q_BnHd[rows], kv_rL2Hd[:, :, 0], kv_rL2Hd[:, :, 1]) for rows, kv_rL2Hd in text]
        return outs[0] if len(outs) == 1 else torch.cat(outs)


class TextPool(nn.Module):
    """One learned query per head over a prompt's tokens."""

    zero_k_bias: Tensor

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        width, self.heads = config.embed_dim, config.pool_heads
        self.mat_q = nn.Parameter(torch.zeros(1, self.heads, width // self.heads))
        self.mat_kv = nn.Linear(config.text_channels, 2 * width, bias=False)
        self.v_bias = nn.Parameter(torch.zeros(width))
        self.register_buffer("zero_k_bias", torch.zeros(width))
        self.proj = nn.Linear(width, width)

    def forward(self, text_TC: Tensor, runs: Sequence[TextRun]) -> Tensor:
        """Normed features [T, Ct] of prompts in runs of equal length -> pooled text [P, C]."""
        kv_T2Hd = F.linear(text_TC, self.mat_kv.weight, torch.cat([self.zero_k_bias, self.v_bias])).unflatten(
            -1, (2, self.heads, -1))
        pooled = []
        for run in runs:
            kv_rL2Hd = run.tokens_of(kv_T2Hd)
            q_r1Hd = self.mat_q.unsqueeze(0).expand(len(kv_rL2Hd), -1, -1, -1)
            pooled.append(attend(q_r1Hd, kv_rL2Hd[:, :, 0], kv_rL2Hd[:, :, 1])[:, 0])
        return self.proj(torch.cat(pooled))
