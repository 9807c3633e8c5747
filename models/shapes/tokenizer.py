"""Trains the bitwise multi-scale tokenizer of shapes-infinity: encoder and decoder straight through the sum of codes.

Half of each batch is decoded from the sum of a random prefix of the scales, so that the coarse scales come to say what a
picture shows and a partial decode shows what its bits already say. A term holds the latent at the size of the codes:
without it the codes stay noise to the latent.
"""

from pathlib import Path

import torch
import torch.nn.functional as F

from models.infinity.bits import MultiScaleBits, multiscale_bits, resize, straight_through
from models.infinity.config import VAEConfig
from models.infinity.schedule import ScaleSchedule
from models.infinity.vae import InfinityVAE
from models.shapes.data import stream, to_float
from models.shapes.flux_vae import reconstruction_loss
from models.shapes.loop import Average, Run, cosine, prepare, restore

CONFIG = VAEConfig(codebook_dim=32, base_ch=16, ch_mult=(1, 2, 4, 6), num_res_blocks=1, patch_size=8, norm_groups=8)
SCHEDULE = ScaleSchedule.square((1, 2, 4, 6, 6))
"""Two scales on the last grid: the first of them holds most of the picture, so that a preview can be judged before the end."""
SEED = 12
STEPS = 2800
BATCH = 128
LEARNING_RATE = 2e-3
PREFIX_SHARE = 0.5
PREFIX_WEIGHT = 0.5
"""Prefixes cannot be decoded well; at full weight their errors would outweigh those of whole pictures."""
LATENT_RMS = 1.5
"""In units of the codes."""
EVERY = 100


def build() -> InfinityVAE:
    """Return the tokenizer with fresh weights; every residual block starts as the identity."""
    vae = InfinityVAE(CONFIG)
    for name, parameter in vae.named_parameters():
        if "conv2.conv.weight" in name:
            torch.nn.init.zeros_(parameter)
    return vae


def latent_loss(latent_BdHW: torch.Tensor, bits: MultiScaleBits) -> torch.Tensor:
    """Return the commitment to the codes plus the term that keeps each channel at LATENT_RMS times the code size."""
    d = latent_BdHW.shape[1]
    commitment = d * ((latent_BdHW - bits.sum_BdHW) ** 2).mean()
    rms_d = (latent_BdHW**2).mean(dim=(0, 2, 3)).sqrt() * d**0.5
    return 0.25 * commitment + 0.3 * ((rms_d - LATENT_RMS) ** 2).mean()


def random_scales(rows: int, share: float) -> torch.Tensor:
    """Return how far each row is decoded, as the index of its last scale [B]: a random `share` of the rows not to the end."""
    scales = len(SCHEDULE)
    prefix_B = torch.randint(scales - 1, (rows,))
    return torch.where(torch.rand(rows) < share, prefix_B, scales - 1)


def held_by(latent_BdHW: torch.Tensor, last_B: torch.Tensor) -> torch.Tensor:
    """Return what the grids up to each row's last scale can hold of its latent [B, d, H, W].

    Decoding a prefix may ask the latent only for what the prefix's grids can say; the rest is left to the later scales.
    """
    full = (latent_BdHW.shape[-2], latent_BdHW.shape[-1])
    held_KBdHW = torch.stack([resize(F.adaptive_avg_pool2d(latent_BdHW, grid), full) for grid in SCHEDULE.grids])
    return held_KBdHW[last_B, torch.arange(len(last_B))]


def train(name: str = "tokenizer", steps: int = STEPS) -> Path:
    """Train or resume; returns the run's folder."""
    device = prepare(SEED)
    run = Run(name)
    vae = build().to(device)
    average = Average(vae)
    optimizer = torch.optim.AdamW(vae.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.99))
    first = restore(run, vae, average, optimizer)
    for step, (_, drawn) in zip(range(first, steps), stream(SEED, BATCH, first, steps), strict=True):
        torch.manual_seed(SEED * 1_000_003 + step)
        images = to_float(drawn.to(device))
        latent = vae.encode(images)
        bits = multiscale_bits(latent, SCHEDULE.grids)
        last_B = random_scales(len(images), PREFIX_SHARE)
        codes = torch.stack(bits.cumulative)[last_B, torch.arange(len(images))]
        decoded = vae.decode(straight_through(held_by(latent, last_B), codes), clamp=False)
        losses_B = reconstruction_loss(images, decoded)
        weight_B = torch.where(last_B < len(SCHEDULE) - 1, PREFIX_WEIGHT, 1.0).to(device)
        reconstruction = (losses_B * weight_B).mean()
        loss = reconstruction + latent_loss(latent, bits)
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * cosine(step, steps)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        average.update(vae, step)
        if (step + 1) % EVERY == 0:
            run.log(step=step + 1, samples=(step + 1) * BATCH, loss=reconstruction.item(), total=loss.item())
            run.save(model=vae.state_dict(), average=average.weights, optimizer=optimizer.state_dict(), step=step + 1)
    return run.folder
