"""Published models at their published size with random weights, for measurements of speed and memory, or with none, for prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import torch
from torch import nn

from harness.errors import WrongInput
from models.base import Generator
from models.offload import Offload
from models.published import PublishedModel

SPREAD = 0.02
"""Standard deviation of every weight."""
BUILDERS: Mapping[str, str] = {
    "models.infinity.published:load": "models.infinity.random_weights:build",
    "models.diffusion.published:load": "models.diffusion.random_weights:build",
    "models.janus.load:load": "models.janus.random_weights:build",
}
"""Loader to what builds the same generator without files."""


def random_generator(
    model: PublishedModel, settings: Mapping[str, Any], devices: Sequence[torch.device], tiny: bool = False, offload: Offload = "none",
) -> Generator:
    """The generator that the model's loader would make, its weights random; `tiny` shrinks every network for tests.

    Several devices share the model, and the weights are drawn in host memory first; so they are where `offload` lets them rest there.

    Raises WrongInput for a model that cannot be built so.
    """
    if model.loader not in BUILDERS:
        raise WrongInput(f"{model.name} cannot be built with random weights yet: fetch it, or take another model")
    module, _, name = BUILDERS[model.loader].partition(":")
    built: Generator = getattr(import_module(module), name)(model, settings, devices, tiny, offload)
    return built


def outlined(model: PublishedModel, settings: Mapping[str, Any]) -> Any:
    """The `Generator` without weights, its networks on the meta device: it has its card and its prices. Raises WrongInput."""
    return random_generator(model, settings, [torch.device("meta")])


def filled(network: nn.Module, device: torch.device) -> nn.Module:
    """A network on the meta device brought to a real one, every weight drawn from a small normal distribution."""
    if device.type == "meta":
        return network.eval()
    network = network.to_empty(device=device)
    generator = torch.Generator(device).manual_seed(0)
    with torch.no_grad():
        for tensor in (*network.parameters(), *network.buffers()):
            if tensor.is_floating_point():
                tensor.normal_(0, SPREAD, generator=generator)
            else:
                tensor.zero_()
    return network.eval()


def home(devices: Sequence[torch.device], offload: Offload = "none") -> torch.device:
    """Where weights are drawn."""
    return devices[0] if len(devices) == 1 and offload == "none" else torch.device("cpu")


def word_tokenizer(length: int | None, begin: str = "", **named: str) -> Any:
    """A token a word, its first letter, padded like a published tokenizer: texts have about as many tokens as under that.

    length: the longest text, None where that is given with every text. `begin` opens every text; `named` are tokens that a
    processor asks for by name, such as boi_token.
    """
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    opening = [begin] if begin else []
    pieces = ("<pad>", "</s>", "<unk>", *"abcdefghijklmnopqrstuvwxyz,.", *opening, *named.values())
    vocabulary = {piece: place for place, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(r"\B\w+|\s+"), "removed"), pre_tokenizers.Split(Regex("."), "isolated")]
    )
    ends = [(piece, vocabulary[piece]) for piece in (*opening, "</s>")]
    template = f"{begin} $A" if begin else "$A </s>"
    tokenizer.post_processor = processors.TemplateProcessing(single=template, special_tokens=ends)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", bos_token=begin or None,
        extra_special_tokens=named, model_max_length=length,
    )  # fmt: skip
