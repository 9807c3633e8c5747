"""Trains shapes-infinity: a tiny Infinity transformer with its T5 encoder, by the bitwise loss on cached latents."""

from functools import partial
from pathlib import Path

import torch
from torch import nn

from models.infinity.bits import multiscale_bits, transformer_inputs, transformer_labels
from models.infinity.config import TransformerConfig
from models.infinity.text import TextFeatures
from models.infinity.training import bit_loss, initialise
from models.infinity.transformer import InfinityTransformer
from models.infinity.vae import InfinityVAE
from models.shapes import tokenizer
from models.shapes.latents import latent_set
from models.shapes.text import PAD, TEXT_TOKENS, TEXT_WIDTH, build_t5, lengths_of
from models.shapes.training_loop import Run, averaged_weights, fit, hash_of, prepare

CONFIG = TransformerConfig(
    depth=5,
    embed_dim=128,
    num_heads=4,
    codebook_dim=tokenizer.CONFIG.codebook_dim,
    text_channels=TEXT_WIDTH,
    text_maxlen=TEXT_TOKENS,
    drop_path=0.0,
)
SEED = 32
PICTURES = 61_440
STEPS = 7400
BATCH = 32
CAPTION_DROPOUT = 0.1
FLIP_STRENGTH = 0.15
HEADS = (
    "head.",
    "word_embed",
    "lvl_embed",
    "cfg_uncond",
    "ada_lin",
    "shared.",
    "embed_tokens",
    "relative_attention_bias",
)
"""Matrices that AdamW trains: input and output layers, embeddings, and modulations."""


def build() -> nn.ModuleDict:
    """Return transformer and T5 with fresh weights."""
    return nn.ModuleDict({"transformer": initialise(InfinityTransformer(CONFIG)), "t5": build_t5()})


def row_flips(k: int, bits_BdHW: torch.Tensor) -> torch.Tensor:
    """Return which bits of a scale to flip: every row has its own rate, up to the strength (self-correction)."""
    rate_B111 = torch.rand(len(bits_BdHW), 1, 1, 1) * FLIP_STRENGTH
    return (torch.rand(bits_BdHW.shape) < rate_B111).to(bits_BdHW.device)


def text_features(t5: nn.Module, ids_BT: torch.Tensor) -> TextFeatures:
    """Return the T5 features of each caption without padding."""
    there_BT = ids_BT.to(next(t5.parameters()).device)
    hidden_BTC = t5(there_BT, attention_mask=(there_BT != PAD).long()).last_hidden_state
    return TextFeatures.from_padded(hidden_BTC, lengths_of(ids_BT).tolist())


def loss_of(models: nn.ModuleDict, latents_BdHW: torch.Tensor, ids_BT: torch.Tensor) -> torch.Tensor:
    """Return the bitwise loss with random flips and dropped captions."""
    bits = multiscale_bits(latents_BdHW, tokenizer.SCHEDULE.grids, row_flips)
    dropped = (torch.rand(len(ids_BT)) < CAPTION_DROPOUT).tolist()
    logits = models["transformer"](
        text_features(models["t5"], ids_BT),
        transformer_inputs(bits, tokenizer.SCHEDULE.grids),
        tokenizer.SCHEDULE,
        dropped,
    )
    return bit_loss(logits, transformer_labels(bits), tokenizer.SCHEDULE)


def load_vae(name: str = "tokenizer", device: torch.device | str = "cpu") -> InfinityVAE:
    """Return the trained tokenizer with its averaged weights."""
    vae = tokenizer.build().eval()
    vae.load_state_dict(averaged_weights(name))
    return vae.to(device)


def train(name: str = "infinity", steps: int = STEPS) -> Path:
    """Train or resume; returns the run's folder."""
    device = prepare(SEED)
    vae = load_vae(device=device)
    data = latent_set("infinity", vae.encode, PICTURES, device, hash_of(vae))
    run = Run(name)
    models = build().to(device)

    def loss(latents: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        by_length = lengths_of(ids).argsort(stable=True)
        return loss_of(models, latents[by_length].to(device), ids[by_length])

    return fit(run, models, HEADS, loss, partial(data.batches, BATCH, SEED), SEED, steps)
