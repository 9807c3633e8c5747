"""The data sheet of a published model: what it computes and holds, worked out from its configuration, without weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from harness.errors import WrongInput
from models.multi_device import Parts
from models.published import PublishedModel


@dataclass(frozen=True)
class Sheet:
    """Sizes and prices of one model under its settings; FLOPs are 2 per multiply-add, of one image."""

    parameters: int
    """Of the network that searches pass through."""
    all_parameters: int
    """With decoder and text encoders."""
    weight_bytes: int
    """All of them in the dtypes they run in."""
    step_flops: tuple[int, ...]
    """One sequence through each step; the text's own pass, where the network has one, is in the first."""
    sequences: int
    """Sequences of one row and step: 2 with guidance."""
    image_size: tuple[int, int]
    decoder_flops: int
    text_flops: int
    """One prompt through all text encoders."""
    text_tokens: int
    """Of the prompt that is priced."""
    row_bytes: int
    """What one row keeps between steps, at most: its cache or its latents, in all sequences."""
    cache_step_bytes: tuple[int, ...]
    """What each step adds to it (autoregressive models)."""
    pass_bytes: int
    """Intermediate tensors of one row in its largest step, an estimate from a dry run."""
    decode_bytes: int
    """Those of one image in the decoder."""
    largest_bytes: int
    """Weights of the largest of its networks: what is on the device at a time with offload=model."""
    added_flops: int = 0
    """Passes of one image beside those of guidance."""

    @property
    def steps(self) -> int:
        """Steps of one image."""
        return len(self.step_flops)

    @property
    def unguided_flops(self) -> int:
        """All steps of one image, one sequence each."""
        return sum(self.step_flops)

    @property
    def guided_flops(self) -> int:
        """All steps of one image with its settings' guidance."""
        return self.sequences * self.unguided_flops + self.added_flops

    def rows_within(self, count: int) -> int:
        """The largest batch whose tensors fit beside the weights in this many bytes; images can be decoded one at a time."""
        return max(0, min(count // (self.row_bytes + self.pass_bytes), (count - self.decode_bytes) // self.row_bytes))


def latent_size(model: PublishedModel, settings: Mapping[str, Any]) -> tuple[int, int] | None:
    """Rows and columns of what a published model's decoder decodes; None where `latent_size` is not beside its sheet's function."""
    module, _, _ = model.sheet.partition(":")
    find = getattr(import_module(module), "latent_size", None) if module else None
    found: tuple[int, int] | None = find(model, settings) if find else None
    return found


def sheet(model: PublishedModel, settings: Mapping[str, Any]) -> Sheet:
    """The data sheet of a published model under these settings (`model.merged`). Raises WrongInput where there is none."""
    if not model.sheet:
        raise WrongInput(f"{model.name} has no data sheet: its entry names no function for it")
    module, _, name = model.sheet.partition(":")
    found: Sheet = getattr(import_module(module), name)(model, settings)
    return found


def parts(model: PublishedModel, settings: Mapping[str, Any]) -> Parts | None:
    """A published model's networks without weights, to be divided; None where `parts` is not beside its sheet's function."""
    module, _, _ = model.sheet.partition(":")
    find = getattr(import_module(module), "parts", None) if module else None
    found: Parts | None = find(model, settings) if find else None
    return found
