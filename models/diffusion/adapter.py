"""What a family of diffusion models has to say about itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch

from harness.compute.ledger import Cost
from models.diffusion.schedule import Schedule, Step


class Adapter(Protocol):
    """A family of diffusion models; everything else is `DiffusionGenerator`'s (models/diffusion/generator.py)."""

    schedule: Schedule
    transformer: torch.nn.Module
    image_size: tuple[int, int]
    """Height and width in pixels, of what `decode` gives and `embed` takes."""
    made_size: tuple[int, int]
    """Height and width that network and VAE work at: another one where pictures are resized (models/diffusion/binning.py)."""
    latent_size: tuple[int, int]
    """Rows and columns of what the VAE decodes."""
    text_tokens: int
    """Text tokens the transformer attends to, padding included: the same for every prompt."""
    settings: dict[str, Any]
    dtype: torch.dtype

    def encode(self, prompts: Sequence[str]) -> tuple[torch.Tensor, ...]:
        """Text features, each tensor with the prompts as its first dimension."""
        ...

    def truncated(self, prompts: Sequence[str]) -> tuple[bool, ...]:
        """Whether each prompt's end is read by no text encoder."""
        ...

    def noise(self, generator: torch.Generator) -> torch.Tensor:
        """Noise of one row in the latents' shape [1, ...]: float32 on the CPU, drawn as the pipeline draws it."""
        ...

    def forward(self, latents_UX: torch.Tensor, text_U: tuple[torch.Tensor, ...], step: Step) -> torch.Tensor:
        """The guided prediction of this step, or of each row's own, in the latents' shape; all take as many sequences."""
        ...

    def decode(self, latents_NX: torch.Tensor, shrink: int = 1) -> torch.Tensor:
        """Finished latents -> images [N, 3, H, W] in -1 to 1 (may overshoot), their sides divided by `shrink`."""
        ...

    def embed(self, images_NCHW: torch.Tensor) -> torch.Tensor:
        """Images [N, 3, H, W] in -1 to 1 -> finished latents: the mean of what the VAE's encoder says."""
        ...

    def prediction(self, step: int) -> Cost:
        """Of one row at this step: the sequences that pass through the transformer, and their FLOPs."""
        ...

    def decoder_flops(self, shrink: int = 1) -> int:
        """One image whose sides are divided by `shrink`."""
        ...

    def embedder_flops(self) -> int:
        """One image through the VAE's encoder."""
        ...

    def text_flops(self) -> int:
        """One prompt."""
        ...
