"""Trains shapes-infinity: a tiny Infinity transformer with its T5 encoder, by the bitwise loss on cached latents."""

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
from models.shapes.muon import MuonWithAdamW
from models.shapes.text import PAD, TEXT_TOKENS, TEXT_WIDTH, build_t5, lengths_of
from models.shapes.training_loop import Average, Run, averaged_weights, hash_of, linear_tail, prepare, restore

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
MUON_RATE = 3e-3
ADAM_RATE = 1.5e-3
CAPTION_DROPOUT = 0.1
FLIP_STRENGTH = 0.15
EVERY = 50
SAVE_EVERY = 200
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
    average = Average(models)
    optimizer = MuonWithAdamW(models.children(), MUON_RATE, ADAM_RATE, HEADS)
    first = restore(run, models, average, optimizer)
    losses = []
    for step, (latents, ids) in zip(range(first, steps), data.batches(BATCH, SEED, first), strict=False):
        torch.manual_seed(SEED * 1_000_003 + step)
        by_length = lengths_of(ids).argsort(stable=True)
        loss = loss_of(models, latents[by_length].to(device), ids[by_length])
        loss.backward()
        nn.utils.clip_grad_norm_(models.parameters(), 1.0)
        optimizer.step(linear_tail(step, steps))
        average.update(models, step)
        losses.append(loss.detach())
        if (step + 1) % EVERY == 0:
            run.log(step=step + 1, samples=(step + 1) * BATCH, loss=torch.stack(losses).mean().item())
            losses.clear()
        if (step + 1) % SAVE_EVERY == 0 or step + 1 == steps:
            run.save(model=models.state_dict(), average=average.weights, optimizer=optimizer.state_dict(),
                     step=step + 1)  # fmt: skip
    return run.folder
