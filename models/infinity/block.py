"""One transformer block: modulated self-attention, cross-attention to the text, modulated feed-forward."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.infinity.attention import CrossAttention, SelfAttention
from models.infinity.config import TransformerConfig


def modulate(x_BnC: Tensor, scale_B1C: Tensor, shift_B1C: Tensor, eps: float) -> Tensor:
    """LayerNorm without parameters, then scale by 1 + s and shift (float32)."""
    normed_BnC = F.layer_norm(x_BnC.float(), x_BnC.shape[-1:], eps=eps)
    return torch.addcmul(shift_B1C, normed_BnC, scale_B1C + 1)


def drop_path(branch_BnC: Tensor, rate: float, training: bool) -> Tensor:
    """Leave out a whole branch for a random part of the rows (stochastic depth, Huang et al. 2016)."""
    if not training or rate == 0:
        return branch_BnC
    keep_B11 = branch_BnC.new_empty(len(branch_BnC), 1, 1).bernoulli_(1 - rate)
    return branch_BnC * (keep_B11 / (1 - rate))


class FeedForward(nn.Module):
    """Two linear layers around a tanh-approximated GELU."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x_BnC: Tensor) -> Tensor:
        hidden_BnF = self.fc1(x_BnC.to(self.fc1.weight.dtype))
        return self.fc2(F.gelu(hidden_BnF, approximate="tanh"))


class Block(nn.Module):
    """A block under the published keys; the residual stream stays float32 whatever the weights' type."""

    def __init__(self, config: TransformerConfig, drop_path_rate: float) -> None:
        super().__init__()
        width, self.eps, self.drop_path_rate = config.embed_dim, config.norm_eps, drop_path_rate
        self.ada_gss = nn.Parameter(torch.zeros(1, 1, 6, width))
        self.sa = SelfAttention(config)
        self.ca_norm = nn.LayerNorm(width, eps=config.norm_eps)
        self.ca = CrossAttention(config)
        self.ffn = FeedForward(width, config.ffn_hidden)

    def forward(self, x_BnC: Tensor, ada_B16C: Tensor, text: Sequence[tuple[slice, Tensor]], rotation_nj: Tensor,
                prefix: Sequence[Tensor] = (), mask_nN: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Tokens [B, n, C] and shared modulation [B, 1, 6, C] -> tokens and their keys and values for the cache."""
        gate1, gate2, scale1, scale2, shift1, shift2 = (self.ada_gss + ada_B16C).unbind(2)
        branch_BnC, own_2BnHd = self.sa(modulate(x_BnC, scale1, shift1, self.eps), rotation_nj, prefix, mask_nN)
        gated_BnC = (branch_BnC * gate1).to(branch_BnC.dtype)  # the original multiplies in place, in the block's type
        x_BnC = x_BnC + drop_path(gated_BnC, self.drop_path_rate, self.training)
        norm = self.ca_norm
        y_BnC = F.layer_norm(x_BnC, norm.normalized_shape, norm.weight.float(), norm.bias.float(), norm.eps)
        x_BnC = x_BnC + self.ca(y_BnC, text)
        branch_BnC = self.ffn(modulate(x_BnC, scale2, shift2, self.eps))
        return x_BnC + drop_path(branch_BnC * gate2, self.drop_path_rate, self.training), own_2BnHd
