"""Generation at sizes nobody published, against a plain reading of the definition: no cache, no batches, one token order.

The reference runs the whole sequence again for every scale, prompt by prompt, straight from the named weights.
"""

from __future__ import annotations

import math
import random

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from models.infinity.config import TransformerConfig
from models.infinity.generation import generation
from models.infinity.rollout import Rollout
from models.infinity.sampling import Sampling
from models.infinity.schedule import ScaleSchedule
from models.infinity.text import TextFeatures
from models.infinity.transformer import InfinityTransformer

Weights = dict[str, Tensor]


def softmax_attention(q: Tensor, k: Tensor, v: Tensor, scale: float, seen: Tensor | None = None) -> Tensor:
    """Heads first: q [H, n, d], k and v [H, N, d]."""
    scores = torch.einsum("hnd,hmd->hnm", q, k) * scale
    if seen is not None:
        scores = scores.masked_fill(~seen, -math.inf)
    return torch.einsum("hnm,hmd->hnd", scores.softmax(-1), v).transpose(0, 1).flatten(1)


def heads(x: Tensor, count: int) -> Tensor:
    return x.reshape(len(x), count, -1).transpose(0, 1)


def plain_norm(x: Tensor) -> Tensor:
    return (x - x.mean(-1, keepdim=True)) / (x.var(-1, unbiased=False, keepdim=True) + 1e-6).sqrt()


def turned(x: Tensor, schedule: ScaleSchedule, scales: int) -> Tensor:
    """Rotate x [H, L, d] pair by pair: the first half of the pairs by the row, the second by the column."""
    pairs, places = x.shape[-1] // 2, []
    for h, w in schedule.grids[:scales]:
        places += [(round(r * schedule.rope_grid[0] / h), round(s * schedule.rope_grid[1] / w)) for r in range(h) for s in range(w)]
    out = x.clone()
    for m in range(pairs):
        j = m % (pairs // 2)
        angle = torch.tensor([place[m >= pairs // 2] * 10000 ** (-2 * j / pairs) for place in places])
        a, b = x[..., 2 * m], x[..., 2 * m + 1]
        out[..., 2 * m] = a * angle.cos() - b * angle.sin()
        out[..., 2 * m + 1] = a * angle.sin() + b * angle.cos()
    return out


class Half:
    """One text and what it conditions."""

    def __init__(self, w: Weights, config: TransformerConfig, text: Tensor) -> None:
        u = text / (text.square().mean(-1, keepdim=True) + 1e-6).sqrt() * w["text_norm.weight"]
        pool, C = "text_proj_for_sos.ca.", config.embed_dim
        k, v = (u @ w[pool + "mat_kv.weight"].T).split(C, dim=-1)
        q = w[pool + "mat_q"][0][:, None]
        P = config.pool_heads
        pooled = softmax_attention(q, heads(k, P), heads(v + w[pool + "v_bias"], P), (C // P) ** -0.5)[0]
        self.c = w[pool + "proj.weight"] @ pooled + w[pool + "proj.bias"]
        hidden = F.gelu(u @ w["text_proj_for_ca.0.weight"].T + w["text_proj_for_ca.0.bias"], approximate="tanh")
        self.memory = hidden @ w["text_proj_for_ca.2.weight"].T + w["text_proj_for_ca.2.bias"]
        self.shared = (w["shared_ada_lin.1.weight"] @ F.silu(self.c) + w["shared_ada_lin.1.bias"]).view(6, C)
        self.head = (w["head_nm.ada_lin.1.weight"] @ F.silu(self.c) + w["head_nm.ada_lin.1.bias"]).view(2, C)


def one_block(w: Weights, at: str, config: TransformerConfig, x: Tensor, half: Half, schedule: ScaleSchedule,
              scales: int, seen: Tensor) -> Tensor:
    g1, g2, s1, s2, b1, b2 = w[at + "ada_gss"][0, 0] + half.shared
    H, C = config.num_heads, config.embed_dim
    q, k, v = ((plain_norm(x) * (1 + s1) + b1) @ w[at + "sa.mat_qkv.weight"].T).split(C, dim=-1)
    q, k, v = heads(q + w[at + "sa.q_bias"], H), heads(k, H), heads(v + w[at + "sa.v_bias"], H)
    q = q / q.norm(dim=-1, keepdim=True) * w[at + "sa.scale_mul_1H11"][0].clamp_max(math.log(100)).exp()
    k = k / k.norm(dim=-1, keepdim=True)
    out = softmax_attention(turned(q, schedule, scales), turned(k, schedule, scales), v, 1.0, seen)
    x = x + g1 * (out @ w[at + "sa.proj.weight"].T + w[at + "sa.proj.bias"])
    y = plain_norm(x) * w[at + "ca_norm.weight"] + w[at + "ca_norm.bias"]
    k, v = (half.memory @ w[at + "ca.mat_kv.weight"].T).split(C, dim=-1)
    q = heads(y @ w[at + "ca.mat_q.weight"].T + w[at + "ca.mat_q.bias"], H)
    out = softmax_attention(q, heads(k, H), heads(v + w[at + "ca.v_bias"], H), (C // H) ** -0.5)
    x = x + out @ w[at + "ca.proj.weight"].T + w[at + "ca.proj.bias"]
    z = (plain_norm(x) * (1 + s2) + b2) @ w[at + "ffn.fc1.weight"].T + w[at + "ffn.fc1.bias"]
    return x + g2 * (F.gelu(z, approximate="tanh") @ w[at + "ffn.fc2.weight"].T + w[at + "ffn.fc2.bias"])


def logits_of_scale(w: Weights, config: TransformerConfig, schedule: ScaleSchedule, sampling: Sampling, k: int,
                    inputs: list[Tensor], halves: list[Half]) -> Tensor:
    scale_of = torch.repeat_interleave(torch.arange(k + 1), torch.tensor(schedule.lengths[:k + 1]))
    seen = scale_of[:, None] >= scale_of[None]
    streams = []
    for half in halves:
        tokens = [(half.c + w["pos_start"][0, 0])[None]]
        tokens += [x @ w["word_embed.weight"].T + w["word_embed.bias"] for x in inputs]
        streams.append(torch.cat(tokens) + w["lvl_embed.weight"][scale_of])
    guidance = [sampling.guidance_at(s) for s in range(k + 1)]
    for b in range(config.depth):
        size = config.depth // config.block_chunks
        at = f"blocks.{b}." if config.block_chunks == 1 else f"block_chunks.{b // size}.module.{b % size}."
        streams = [one_block(w, at, config, x, half, schedule, k + 1, seen)
                   for x, half in zip(streams, halves, strict=True)]
        if b - config.depth in sampling.insertion_layers:
            g = torch.tensor(guidance)[scale_of][:, None]
            mixed = g * streams[0] + (1 - g) * streams[1]
            streams = [torch.where(g == 1, x, mixed) for x in streams]
    last = scale_of == k
    out = [(plain_norm(x[last]) * (1 + half.head[0]) + half.head[1]) @ w["head.weight"].T + w["head.bias"]
           for x, half in zip(streams, halves, strict=True)]
    plain = guidance[k] == 1 or 0 not in sampling.insertion_layers
    logits = out[0] if plain else guidance[k] * out[0] + (1 - guidance[k]) * out[1]
    return logits.unflatten(-1, (-1, 2)) / sampling.temperature_at(k)


def input_of_scale(bits: list[Tensor], grids: list[tuple[int, int]], k: int, patch: int) -> Tensor:
    """The sum of the first k scales' codes [d, h, w] at scale k's grid, as tokens [n, D]."""
    total = 0.0
    for bit in bits[:k]:
        code = (2 * bit.float() - 1) / math.sqrt(len(bit))
        total = total + F.interpolate(code[None], size=grids[-1], mode="bilinear", align_corners=False)[0]
    small = F.interpolate(total[None], size=grids[k], mode="bilinear", align_corners=False)[0]
    return torch.stack([small[:, r:r + patch, s:s + patch].flatten()
                        for r in range(0, grids[k][0], patch) for s in range(0, grids[k][1], patch)])


def made_up(seed: int) -> tuple[TransformerConfig, ScaleSchedule, Sampling, bool]:
    choose = random.Random(seed)
    depth = choose.choice((2, 3, 4))
    num_heads, head_dim = choose.choice(((4, 12), (2, 20), (5, 8), (1, 36), (8, 8)))
    patchify = bool(seed % 2)
    config = TransformerConfig(
        depth, num_heads * head_dim, num_heads, codebook_dim=choose.choice((2, 3, 5)), text_maxlen=9,
        text_channels=choose.choice((16, 24)), patchify=patchify,
        block_chunks=choose.choice([chunks for chunks in (1, 2, 3, 4) if depth % chunks == 0]))
    grids = [(1, 1)]
    for _ in range(3):
        h, w = grids[-1]
        grids.append((h + choose.choice((1, 2)), w + choose.choice((0, 1, 2))))
    full = (grids[-1][0] * 2 + choose.choice((0, 1)), grids[-1][1] * 3)
    layers = ((0,), (-1,), (0, 1 - depth), (1 - depth, -1), (0,))[seed % 5]
    guidance = tuple(choose.choice((1.0, 1.5, 3.0, 0.5)) for _ in grids) if seed % 3 else 2.5
    temperature = tuple(choose.choice((0.5, 1.0, 1.3)) for _ in grids) if seed % 4 == 1 else 0.7
    return config, ScaleSchedule(tuple(grids), full), Sampling(guidance, temperature, layers), seed % 3 == 1


@pytest.mark.parametrize("seed", range(12))
@torch.no_grad()
def test_every_logit_of_a_made_up_model(seed: int) -> None:
    config, schedule, sampling, negative = made_up(seed)
    torch.manual_seed(seed)
    model = InfinityTransformer(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.25)
    weights: Weights = model.state_dict()
    text = TextFeatures.of([torch.randn(length, config.text_channels) for length in (4, 2, 4)])
    other = TextFeatures.of([torch.randn(length, config.text_channels) for length in (3, 6, 1)]) if negative else None
    grids = list(schedule.latent_grids(config.patch))
    bits = [torch.rand(3, config.codebook_dim, h, w) > 0.5 for h, w in grids]
    got = generation(Rollout(model, schedule, sampling), text, lambda p_BnD: p_BnD > 0.5, negative=other, forced=bits)
    for row, features in enumerate(text.split()):
        unconditional = other.split()[row] if other is not None else weights["cfg_uncond"][:len(features)]
        halves = [Half(weights, config, features), Half(weights, config, unconditional)]
        own = [bit[row] for bit in bits]
        inputs = [input_of_scale(own, grids, k, config.patch) for k in range(1, len(grids))]
        for k in range(len(grids)):
            want = logits_of_scale(weights, config, schedule, sampling, k, inputs[:k], halves)
            torch.testing.assert_close(got.logits[k][row], want, atol=3e-4, rtol=1e-3, msg=lambda text, k=k: f"scale {k}: {text}")
