"""Trains shapes-flux: a tiny FLUX transformer with its T5 and CLIP encoders, by rectified flow on cached latents."""

from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers import FluxTransformer2DModel
from torch import nn

from models.shapes import flux_vae
from models.shapes.latents import latent_set
from models.shapes.text import EOS, PAD, TEXT_TOKENS, TEXT_WIDTH, build_clip, build_t5
from models.shapes.training_loop import Run, averaged_weights, fit, hash_of, prepare

SEED = 31
PICTURES = 131_072
STEPS = 4400
BATCH = 192
CAPTION_DROPOUT = 0.1
REPEATS = {4: 2, 5: 3}
"""Captions of a relation (4 tokens) and of two coloured shapes (5) are learnt last, and shown more."""
GRID = 6
"""Rows and columns of image tokens; a token packs 2 x 2 latent cells."""
HEADS = (r"^proj_out", r"norm.*\.linear", "x_embedder", "shared", "embedding", "relative_attention_bias")
"""Matrices that AdamW trains: input and output layers, embeddings, and modulations that start at zero."""


def build() -> nn.ModuleDict:
    """Return transformer, T5 and CLIP with fresh weights; modulations and the output start at zero."""
    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=24,
        num_layers=2,
        num_single_layers=3,
        attention_head_dim=32,
        num_attention_heads=4,
        joint_attention_dim=TEXT_WIDTH,
        pooled_projection_dim=64,
        guidance_embeds=False,
        axes_dims_rope=(8, 12, 12),
    )
    zero = [transformer.proj_out, transformer.norm_out.linear]
    zero += [block.norm1.linear for block in transformer.transformer_blocks]
    zero += [block.norm1_context.linear for block in transformer.transformer_blocks]
    zero += [block.norm.linear for block in transformer.single_transformer_blocks]
    for layer in zero:
        nn.init.zeros_(layer.weight)
        nn.init.zeros_(layer.bias)
    return nn.ModuleDict({"transformer": transformer, "t5": build_t5(), "clip": build_clip()})


def pack(latents_BCHW: torch.Tensor) -> torch.Tensor:
    """Pack 2 x 2 latent cells to one token, as FluxPipeline does -> [B, H/2 * W/2, 4 C]."""
    b, c, h, w = latents_BCHW.shape
    cells = latents_BCHW.view(b, c, h // 2, 2, w // 2, 2)
    return cells.permute(0, 2, 4, 1, 3, 5).reshape(b, (h // 2) * (w // 2), c * 4)


def image_ids() -> torch.Tensor:
    """Return FLUX's positions of the image tokens [36, 3]: zero, row, column."""
    ids = torch.zeros(GRID, GRID, 3)
    ids[..., 1] = torch.arange(GRID)[:, None]
    ids[..., 2] = torch.arange(GRID)[None]
    return ids.reshape(-1, 3)


def velocity(
    models: nn.ModuleDict, noisy_BLC: torch.Tensor, time_B: torch.Tensor, ids_BT: torch.Tensor
) -> torch.Tensor:
    """Return the predicted velocity of packed latents [B, L, C] at times in [0, 1] (1 is noise)."""
    result: torch.Tensor = models["transformer"](
        hidden_states=noisy_BLC,
        timestep=time_B,
        encoder_hidden_states=models["t5"](ids_BT).last_hidden_state,
        pooled_projections=models["clip"](ids_BT).pooler_output,
        txt_ids=torch.zeros(TEXT_TOKENS, 3, device=noisy_BLC.device),
        img_ids=image_ids().to(noisy_BLC.device),
        return_dict=False,
    )[0]
    return result


def flow_loss(models: nn.ModuleDict, clean_BLC: torch.Tensor, ids_BT: torch.Tensor) -> torch.Tensor:
    """Return the rectified-flow loss at logit-normal times (Esser et al. 2024), captions [B, T] dropped at random."""
    device = clean_BLC.device
    dropped_B = torch.rand(len(ids_BT)) < CAPTION_DROPOUT
    ids_BT = torch.where(dropped_B[:, None], empty_caption(), ids_BT).to(device)
    time_B = torch.sigmoid(torch.randn(len(clean_BLC))).to(device)
    noise_BLC = torch.randn(clean_BLC.shape).to(device)
    mix_B11 = time_B[:, None, None]
    noisy_BLC = (1 - mix_B11) * clean_BLC + mix_B11 * noise_BLC
    return ((velocity(models, noisy_BLC, time_B, ids_BT) - (noise_BLC - clean_BLC)) ** 2).mean()


def empty_caption() -> torch.Tensor:
    """Return the ids of the empty caption [TEXT_TOKENS]: the end, then padding."""
    return torch.tensor([EOS] + [PAD] * (TEXT_TOKENS - 1))


def load_vae(device: torch.device | str = "cpu") -> Any:
    """Return the trained autoencoder with its averaged weights."""
    vae = flux_vae.build().to(memory_format=torch.channels_last).eval()
    vae.load_state_dict(averaged_weights("flux-vae"))
    return vae.to(device)


def train(name: str = "flux", steps: int = STEPS) -> Path:
    """Train or resume; returns the run's folder."""
    device = prepare(SEED)
    vae = load_vae(device)
    data = latent_set("flux", lambda images: vae.encode(images).latent_dist.mean, PICTURES, device, hash_of(vae))
    shift, scale = data.latents.float().mean(), 1 / data.latents.float().std()
    run = Run(name)
    models = build().to(device)
    if device.type == "cpu":
        models["transformer"].compile()

    def loss(latents: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        return flow_loss(models, pack(((latents - shift) * scale).to(device)), ids)

    batches = partial(data.batches, BATCH, SEED, repeats=REPEATS)
    return fit(run, models, HEADS, loss, batches, SEED, steps, shift=shift, scale=scale)
