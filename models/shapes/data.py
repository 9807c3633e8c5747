"""Training pictures and captions of the shapes world, drawn on the fly: batch n of seed s is always the same."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from suites.geneval.records import Record
from suites.shapes.renderer import render
from suites.shapes.scenes import sample_pairs

EVALUATION_SEED = 2**31
"""Batches drawn under this seed are never trained on."""


def batch(
    seed: int, index: int, size: int, task_weights: Sequence[float] | None = None
) -> tuple[list[Record], torch.Tensor]:
    """Return records and their pictures as uint8 [size, 3, H, W]."""
    rng = np.random.default_rng((seed, index))
    records, scenes = sample_pairs(rng, size, task_weights)
    return records, render(scenes)


@dataclass(frozen=True)
class _Batches(Dataset[tuple[list[Record], torch.Tensor]]):
    """Batches by index, as torch's loader asks for them."""

    seed: int
    size: int
    task_weights: Sequence[float] | None

    def __getitem__(self, index: int) -> tuple[list[Record], torch.Tensor]:
        return batch(self.seed, index, self.size, self.task_weights)


def stream(
    seed: int, size: int, first: int, end: int, task_weights: Sequence[float] | None = None
) -> Iterator[tuple[list[Record], torch.Tensor]]:
    """Yield the batches from `first` to before `end`, drawn ahead by other processes where a GPU would wait for them."""
    workers = 2 if torch.cuda.is_available() else 0
    own = torch.Generator().manual_seed(seed)  # a loader takes its workers' seeds from it, else from the global generator
    batches = _Batches(seed, size, task_weights)
    yield from DataLoader(batches, batch_size=None, sampler=range(first, end), num_workers=workers, generator=own)


def to_float(images_BCHW: torch.Tensor) -> torch.Tensor:
    """Map uint8 pictures to float32 in [-1, 1]."""
    return images_BCHW.float() / 127.5 - 1


def foreground_weight(images_BCHW: torch.Tensor) -> torch.Tensor:
    """Return a loss weight per pixel [B, 1, H, W] with mean 1: a shape's is five times the background's.

    The corner pixel is always background in this world.
    """
    difference = (images_BCHW - images_BCHW[:, :, :1, :1]).abs().amax(dim=1, keepdim=True)
    weights = 1 + 4 * (difference > 0.03).float()
    return weights / weights.mean(dim=(1, 2, 3), keepdim=True)
