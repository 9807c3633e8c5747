"""Trains the bitwise multi-scale tokenizer of shapes-infinity, then its decoder alone for previews.

The first stage trains encoder and decoder straight through the sum of codes, for part of each batch through the sum of a
random prefix of the scales, so that a partial decode shows what its bits already say. A term holds the latent at the
size of the codes: without it the codes stay noise to the latent. The second stage freezes the encoder.
"""

from pathlib import Path

import torch

from models.infinity.bits import MultiScaleBits, multiscale_bits, straight_through
from models.infinity.config import VAEConfig
from models.infinity.schedule import ScaleSchedule
from models.infinity.vae import InfinityVAE
from models.shapes.data import stream, to_float
from models.shapes.flux_vae import reconstruction_loss
from models.shapes.training_loop import Average, Run, averaged_weights, cosine, prepare, restore

CONFIG = VAEConfig(codebook_dim=32, base_ch=16, ch_mult=(1, 2, 4, 6), num_res_blocks=1, patch_size=8, norm_groups=8)
SCHEDULE = ScaleSchedule.square((1, 2, 4, 6, 6))
"""Two scales on the last grid: the first of them holds most of the picture, so that a preview can be judged before the end."""
SEED = 12
STEPS = 3500
PREVIEW_STEPS = 4800
BATCH = 16
LEARNING_RATE = 2e-3
PREVIEW_LEARNING_RATE = 1e-3
PREFIX_SHARE = 0.35
PREFIX_WEIGHT = 0.3
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


def train(name: str = "tokenizer", steps: int = STEPS) -> Path:
    """Train encoder and decoder, or resume; returns the run's folder."""
    return _train(name, steps, previews=False)


def train_previews(name: str = "tokenizer-previews", steps: int = PREVIEW_STEPS) -> Path:
    """Train the decoder alone on the frozen, averaged tokenizer, or resume; returns the run's folder."""
    return _train(name, steps, previews=True)


def _train(name: str, steps: int, previews: bool) -> Path:
    seed, rate = (SEED + 1, PREVIEW_LEARNING_RATE) if previews else (SEED, LEARNING_RATE)
    device = prepare(seed)
    run = Run(name)
    vae = build().to(device)
    if previews:
        vae.load_state_dict(averaged_weights("tokenizer"))
        vae.encoder.requires_grad_(False)
    average = Average(vae)
    optimizer = torch.optim.AdamW([p for p in vae.parameters() if p.requires_grad], lr=rate, betas=(0.9, 0.99))
    first = restore(run, vae, average, optimizer)
    for step, (_, drawn) in zip(range(first, steps), stream(seed, BATCH, first, steps), strict=True):
        torch.manual_seed(seed * 1_000_003 + step)
        images = to_float(drawn.to(device))
        latent = vae.encode(images)
        bits = multiscale_bits(latent, SCHEDULE.grids)
        last_B = random_scales(len(images), PREFIX_SHARE)
        codes = torch.stack(bits.cumulative)[last_B, torch.arange(len(images))]
        decoded = vae.decode(codes if previews else straight_through(latent, codes), clamp=False)
        losses_B = reconstruction_loss(images, decoded)
        weight_B = torch.where(last_B < len(SCHEDULE) - 1, PREFIX_WEIGHT, 1.0).to(device)
        reconstruction = (losses_B * weight_B).mean()
        loss = reconstruction if previews else reconstruction + latent_loss(latent, bits)
        optimizer.param_groups[0]["lr"] = rate * cosine(step, steps)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        average.update(vae, step)
        if (step + 1) % EVERY == 0:
            run.log(step=step + 1, samples=(step + 1) * BATCH, loss=reconstruction.item(), total=loss.item())
            run.save(model=vae.state_dict(), average=average.weights, optimizer=optimizer.state_dict(), step=step + 1)
    return run.folder
