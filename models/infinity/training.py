"""Training Infinity: initial weights and the bitwise loss (the original's recipe)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.infinity.schedule import ScaleSchedule
from models.infinity.transformer import InfinityTransformer


@torch.no_grad()
def initialise(model: InfinityTransformer) -> InfinityTransformer:
    """Fill all weights in place as the original does, from torch's global generator."""
    config = model.config
    width = config.embed_dim
    std = math.sqrt(1 / (3 * width))
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.trunc_normal_(module.weight, std=std)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)
    nn.init.trunc_normal_(model.pos_start, std=std)
    nn.init.trunc_normal_(model.get_parameter("text_proj_for_sos.ca.mat_q"), std=std)
    model.cfg_uncond.copy_(initial_unconditional(*model.cfg_uncond.shape))
    residual = math.sqrt(2 * config.depth)
    for block in model.ordered_blocks:
        nn.init.normal_(block.ada_gss, std=1 / math.sqrt(width))
        block.ada_gss[:, :, :2] *= 5e-6
        block.ada_gss[:, :, 2:] *= 1e-3
        nn.init.constant_(block.sa.scale_mul_1H11, math.log(4))
        for layer in (block.sa.proj, block.ca.proj, block.ffn.fc2):
            layer.weight /= residual
    model.get_parameter("head_nm.ada_lin.1.weight").mul_(1e-3)
    model.head.weight *= 0.02
    return model


def initial_unconditional(rows: int, channels: int) -> Tensor:
    """Unconditional text features [rows, channels] that every training begins with, the same ones each time (seed 0).

    The original also loads a shorter table into a model of longer texts on top of them.
    """
    table_LC = torch.empty(rows, channels)
    nn.init.trunc_normal_(table_LC, std=1.2, generator=torch.Generator().manual_seed(0))
    return table_LC / math.sqrt(channels)


def token_losses(logits_BLD2: Tensor, labels_BLD: Tensor) -> Tensor:
    """Cross entropy of each token [B, L], the mean over its bits, in nats."""
    margin_BLD = logits_BLD2[..., 1] - logits_BLD2[..., 0]
    return F.binary_cross_entropy_with_logits(margin_BLD, labels_BLD.to(margin_BLD.dtype), reduction="none").mean(-1)


def token_weights(schedule: ScaleSchedule, by_scale: bool) -> Tensor:
    """Weights [L] that sum to 1: equal, or (by_scale) proportional to 1 / sqrt(n_k) for the n_k tokens of scale k."""
    weights = [1 / math.sqrt(n) if by_scale else 1.0 for n in schedule.lengths for _ in range(n)]
    weights_L = torch.tensor(weights)
    return weights_L / weights_L.sum()


def bit_loss(logits_BLD2: Tensor, labels_BLD: Tensor, schedule: ScaleSchedule, by_scale: bool = True) -> Tensor:
    """Training loss (scalar): weighted over tokens, mean over the batch; labels are bits [B, L, D]."""
    weights_L = token_weights(schedule, by_scale).to(logits_BLD2.device)
    return (token_losses(logits_BLD2, labels_BLD) * weights_L).sum(-1).mean()
