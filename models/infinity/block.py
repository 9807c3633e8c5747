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


def drop_path(branch_BnC: Tensor, rate: float) -> Tensor:
    """Leave out a whole branch for a random part of the rows (stochastic depth, Huang et al. 2016)."""
    if rate == 0:
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

    def forward(self, x_BnC: Tensor, ada_B16C: Tensor, text: Sequence[tuple[slice, Tensor]], rotation_nj2: Tensor,
                prefix: Sequence[Tensor] = (), mask_nN: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Tokens [B, n, C] and shared modulation [B, 1, 6, C] -> tokens and their keys and values for the cache."""
        q_BnHd, own_2BnHd = self.before_attention(x_BnC, ada_B16C, rotation_nj2)
        attended_BnC = self.sa.attend(q_BnHd, own_2BnHd, prefix, mask_nN)
        x_BnC, q_BnHd = self.between_attentions(x_BnC, attended_BnC, ada_B16C)
        return self.after_attentions(x_BnC, self.ca.attend(q_BnHd, text), ada_B16C), own_2BnHd

    def compile_parts(self) -> None:
        """Fuse what lies between the attentions, whose prefixes and texts differ in number and length from call to call."""
        for part in ("before_attention", "between_attentions", "after_attentions"):
            setattr(self, part, torch.compile(getattr(self, part), dynamic=True, fullgraph=True))

    def modulation(self, ada_B16C: Tensor) -> tuple[Tensor, ...]:
        """Gates, scales and shifts [B, 1, C] of the self-attention and the feed-forward, in turns."""
        return (self.ada_gss + ada_B16C).unbind(2)

    def before_attention(self, x_BnC: Tensor, ada_B16C: Tensor, rotation_nj2: Tensor) -> tuple[Tensor, Tensor]:
        """Queries [B, n, heads, hd], own keys and values [2, B, n, heads, hd] of the modulated tokens."""
        _, _, scale_B1C, _, shift_B1C, _ = self.modulation(ada_B16C)
        return self.sa.queries_and_own(modulate(x_BnC, scale_B1C, shift_B1C, self.eps), rotation_nj2)

    def between_attentions(self, x_BnC: Tensor, attended_BnC: Tensor, ada_B16C: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens [B, n, C] after the self-attention, and their queries [B, n, heads, hd] to the text."""
        branch_BnC = self.sa.proj(attended_BnC)
        gated_BnC = (branch_BnC * self.modulation(ada_B16C)[0]).to(branch_BnC.dtype)  # the original multiplies in place
        x_BnC = x_BnC + self._dropped(gated_BnC)
        norm = self.ca_norm
        y_BnC = F.layer_norm(x_BnC, norm.normalized_shape, norm.weight.float(), norm.bias.float(), norm.eps)
        return x_BnC, self.ca.queries(y_BnC)

    def after_attentions(self, x_BnC: Tensor, crossed_BnC: Tensor, ada_B16C: Tensor) -> Tensor:
        """Tokens [B, n, C] after the attention to the text and the feed-forward."""
        _, gate_B1C, _, scale_B1C, _, shift_B1C = self.modulation(ada_B16C)
        x_BnC = x_BnC + self.ca.proj(crossed_BnC)
        return x_BnC + self._dropped(self.ffn(modulate(x_BnC, scale_B1C, shift_B1C, self.eps)) * gate_B1C)

    def _dropped(self, branch_BnC: Tensor) -> Tensor:
        # The rate is read in training only: it differs from block to block, and compiled code is shared by all.
        return drop_path(branch_BnC, self.drop_path_rate) if self.training else branch_BnC
