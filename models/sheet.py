"""The data sheet of a published model: what it computes and holds, read off its outline (`models/random_weights.py`), without weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from torch import nn

from harness.errors import WrongInput
from models.architecture import parameters
from models.base import Generator
from models.multi_device import Networks
from models.offload import Offload
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
    guided_flops: int
    """All steps of one image under the settings, guidance included, as the ledger charges them."""
    image_size: tuple[int, int]
    decoder_flops: int
    text_flops: int
    """One prompt through all text encoders."""
    row_bytes: int
    """What one row keeps between steps, at most: its cache or its latents, in all sequences."""
    cache_step_bytes: tuple[int, ...]
    """What each step that adds to it adds (autoregressive models)."""
    pass_bytes: int
    """Intermediate tensors of one row in its largest step, an estimate from a dry run."""
    decode_bytes: int
    """Those of one image in the decoder."""
    largest_bytes: int
    """Weights of the largest of its networks: what is on the device at a time with offload=model."""
    networks: Networks | None = field(default=None, repr=False, compare=False)
    """On the meta device, to be divided."""

    @property
    def steps(self) -> int:
        """Steps of one image."""
        return len(self.step_flops)

    @property
    def unguided_flops(self) -> int:
        """All steps of one image, one sequence each."""
        return sum(self.step_flops)

    def bytes_at_a_time(self, offload: Offload) -> int:
        """Bytes of weights that are on the device at a time, at most; text encoders that rest come one after another."""
        if offload == "model":
            return self.largest_bytes
        every = self.networks.encoders.values() if offload == "text" and self.networks is not None else ()
        encoders = [_bytes(one) for one in every]
        return self.weight_bytes - sum(encoders) + max(encoders, default=0)

    def rows_within(self, count: int) -> int:
        """The largest batch whose tensors fit beside the weights in this many bytes; images can be decoded one at a time."""
        return max(0, min(count // (self.row_bytes + self.pass_bytes), (count - self.decode_bytes) // self.row_bytes))


def sheet(model: PublishedModel, settings: Mapping[str, Any]) -> Sheet:
    """The data sheet of a published model under these settings (`model.merged`). Raises WrongInput where there is none."""
    if not model.sheet:
        raise WrongInput(f"{model.name} has no data sheet: its entry names no function for it")
    module, _, name = model.sheet.partition(":")
    found: Sheet = getattr(import_module(module), name)(model, settings)
    return found


def read_off(outline: Generator, networks: Networks, text_tokens: int, **others: Any) -> Sheet:
    """The sheet with sizes and prices that an outline and its networks say, for a prompt of so many tokens, and what others say."""
    every = [networks.denoiser, *networks.encoders.values(), *([networks.decoder] if networks.decoder is not None else [])]
    sizes = [_bytes(network) for network in every]
    card, decode, encode = outline.card, outline.price("decode", outline.card.steps), outline.price("encode", 0, text_tokens)
    passed = [outline.price(what, step, text_tokens).model_flops for what in ("predict", "draw") for step in range(card.steps)]
    read: dict[str, Any] = dict(
        parameters=card.parameters, all_parameters=sum(map(parameters, every)), weight_bytes=sum(sizes), largest_bytes=max(sizes),
        image_size=card.image_size, decoder_flops=decode.decode_flops, text_flops=encode.text_flops, networks=networks,
        guided_flops=sum(passed) + encode.model_flops,
    )  # fmt: skip
    return Sheet(**read | others)


def _bytes(network: nn.Module) -> int:
    return sum(one.numel() * one.element_size() for one in network.parameters())
