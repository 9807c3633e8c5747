"""Trains the autoencoder of shapes-flux: diffusers' AutoencoderKL without attention, stride 4, 6 latent channels.

A latent of 12 x 12 is packed by FLUX to 36 tokens of 24 numbers.
"""

from pathlib import Path

import torch
from diffusers import AutoencoderKL

from models.shapes.data import foreground_weight, stream, to_float
from models.shapes.training_loop import Average, Run, cosine, prepare, restore

SEED = 11
STEPS = 1000
BATCH = 128
LEARNING_RATE = 2e-3
KL_WEIGHT = 5e-4
EVERY = 100


def build() -> AutoencoderKL:
    """Return the autoencoder with fresh weights."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(16, 32, 64),
        layers_per_block=1,
        latent_channels=6,
        norm_num_groups=8,
        sample_size=48,
        mid_block_add_attention=False,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )


def reconstruction_loss(images_BCHW: torch.Tensor, decoded_BCHW: torch.Tensor) -> torch.Tensor:
    """Return L1 plus twice the squared error of each picture, weighted towards the shapes [B]."""
    difference = decoded_BCHW - images_BCHW
    return (foreground_weight(images_BCHW) * (difference.abs() + 2 * difference**2)).mean(dim=(1, 2, 3))


def train(name: str = "flux-vae", steps: int = STEPS) -> Path:
    """Train or resume; returns the run's folder."""
    device = prepare(SEED)
    run = Run(name)
    vae = build().to(device, memory_format=torch.channels_last)
    average = Average(vae)
    optimizer = torch.optim.AdamW(vae.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.99), weight_decay=1e-4)
    first = restore(run, vae, average, optimizer)
    for step, (_, drawn) in zip(range(first, steps), stream(SEED, BATCH, first, steps), strict=True):
        torch.manual_seed(SEED * 1_000_003 + step)
        images = to_float(drawn.to(device)).contiguous(memory_format=torch.channels_last)
        posterior = vae.encode(images).latent_dist
        latents = posterior.mean + posterior.std * torch.randn(posterior.mean.shape).to(device)
        reconstruction = reconstruction_loss(images, vae.decode(latents).sample).mean()
        divergence = posterior.kl().mean() / posterior.mean[0].numel()
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * cosine(step, steps)
        optimizer.zero_grad(set_to_none=True)
        (reconstruction + KL_WEIGHT * divergence).backward()
        torch.nn.utils.clip_grad_norm_(vae.parameters(), 1.0)
        optimizer.step()
        average.update(vae, step)
        if (step + 1) % EVERY == 0:
            run.log(step=step + 1, samples=(step + 1) * BATCH, loss=reconstruction.item(), kl=divergence.item())
            run.save(model=vae.state_dict(), average=average.weights, optimizer=optimizer.state_dict(), step=step + 1)
    return run.folder
