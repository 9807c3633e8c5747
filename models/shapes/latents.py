"""Encodes a training set once: latents and caption ids of seeded pictures, in one file that training draws from."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from models.shapes.data import stream, to_float
from models.shapes.text import build_tokenizer, lengths_of, token_ids
from models.shapes.training_loop import RUNS

CHUNK = 256
SEED = 21
TASK_WEIGHTS = (1.0, 1.5, 2.0, 1.0, 2.5, 2.5)
"""How often each task is drawn, in the order of TAGS: what is learnt last is shown most."""


@dataclass(frozen=True)
class LatentSet:
    """Latents [N, d, h, w] float32 and the ids of their captions [N, TEXT_TOKENS] int64."""

    latents: torch.Tensor
    ids: torch.Tensor

    def batches(
        self, size: int, seed: int, first: int = 0, repeats: Mapping[int, int] | None = None
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield batches for ever from step `first` on, every picture once per epoch in an order given by the seed.

        `repeats` shows pictures whose captions have so many tokens several times per epoch.
        """
        times_N = torch.ones(len(self.ids), dtype=torch.int64)
        for tokens, times in (repeats or {}).items():
            times_N[lengths_of(self.ids) == tokens] = times
        shown = torch.arange(len(self.ids)).repeat_interleave(times_N)
        per_epoch = len(shown) // size
        step = first
        while True:
            epoch, place = divmod(step, per_epoch)
            generator = torch.Generator().manual_seed(seed * 1000 + epoch)
            order = shown[torch.randperm(len(shown), generator=generator)]
            while place < per_epoch:
                rows = order[place * size : (place + 1) * size]
                yield self.latents[rows].float(), self.ids[rows]
                place, step = place + 1, step + 1


@torch.no_grad()
def latent_set(
    name: str,
    encode: Callable[[torch.Tensor], torch.Tensor],
    pictures: int,
    device: torch.device,
    autoencoder: str,
) -> LatentSet:
    """Return the set of this name, encoding it first if its file is not there; it is named after what made it.

    `autoencoder` is the hash of its weights.
    `encode` maps pictures float32 [B, 3, H, W] in [-1, 1] on `device` to latents.
    """
    path: Path = RUNS / f"{name}-latents-{pictures}-{autoencoder[:12]}.safetensors"
    if not path.exists():
        tokenizer = build_tokenizer()
        latents, ids = [], []
        for records, images in stream(SEED, CHUNK, 0, pictures // CHUNK, TASK_WEIGHTS):
            latents.append(encode(to_float(images.to(device))).half().cpu())
            ids.append(token_ids(tokenizer, [record["prompt"] for record in records]))
        partial = path.with_suffix(".partial")
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({"latents": torch.cat(latents).contiguous(), "ids": torch.cat(ids)}, partial)
        partial.rename(path)
    stored = load_file(path)
    return LatentSet(stored["latents"], stored["ids"])
