"""Janus from a folder in transformers' format: every weight there, nothing left to chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import JanusForConditionalGeneration, JanusProcessor

from harness.errors import DamagedWeights, WrongInput, first_line
from models.architecture import components
from models.configuration import CONFIG, check_size, read_config
from models.hashes import weights_sha256
from models.janus.generator import JanusGenerator
from models.janus.network import JanusNetwork
from models.janus.prompts import JanusPrompts
from models.janus.sampling import JanusSampling
from models.multi_device import Networks, place
from models.offload import Offload, Turns
from models.published import PublishedModel, published_models
from models.settings import as_typed, dtype_of, number, whole
from models.transformers_folder import check_tokens, from_folder, reader_from_folder

_PARTS = ("model.language_model.", "model.generation_", "model.vqmodel.decoder.", "model.vqmodel.post_quant_conv.",
          "model.vqmodel.quantize.")
"""What makes images; the rest is for understanding them."""
TELLING = ("hidden_size", "num_hidden_layers")
"""What tells one size from another."""
TYPED = {"guidance": "cfg", "temperature": "tau"}
"""The settings' names of what `JanusSampling` calls otherwise."""


def load(model: PublishedModel, folders: Mapping[str, Path], device: torch.device,
         settings: Mapping[str, Any], offload: Offload = "none", devices: Sequence[torch.device] = ()) -> JanusGenerator:
    """A published Janus from its folder, on `device`, its networks there as `offload` says, or divided over several.

    Raises:
        WrongInput: the folder holds another model, or a setting has no such value.
        DamagedWeights: a weight file is cut short.
    """
    check_placing(model, settings, offload, len(devices) > 1)
    folder = folders["weights"]
    sampling_of(model.name, settings)  # refused before anything is read
    check_folders(model, folders)
    processor = reader_from_folder(JanusProcessor, folder)
    whole_model = from_folder(JanusForConditionalGeneration, folder, dtype_of(settings["dtype"]), _PARTS)
    network = JanusNetwork(whole_model)
    check_tokens(folder, processor.tokenizer, network.config.text_config.vocab_size)
    sha256 = weights_sha256(sorted(folder.glob("*.safetensors")))
    return assembled(model, network, _prompts(folder, processor, network.longest), settings, sha256, devices or [device], offload)


def assembled(model: PublishedModel, network: JanusNetwork, prompts: JanusPrompts, settings: Mapping[str, Any], sha256: str,
              devices: Sequence[torch.device], offload: Offload = "none") -> JanusGenerator:
    """The generator of a network that has its weights, put where it runs. Raises WrongInput."""
    if len(devices) > 1:
        place(networks_of(network), devices, model.name)
    elif offload == "none":
        network.to(devices[0])
    else:
        _take_turns(network, devices[0])
    return JanusGenerator(network, prompts, sampling_of(model.name, settings), name=model.name, domain=model.domain,
                          licence=model.licence, weights_sha256=sha256)


def _prompts(folder: Path, processor: JanusProcessor, longest: int) -> JanusPrompts:
    """What makes token ids of prompts, tried on one. Raises WrongInput."""
    try:
        prompts = JanusPrompts(processor, longest)
        prompts.ids([""])
    except Exception as error:
        raise WrongInput(f"{folder} has no template or tokenizer of Janus's ({first_line(error)}): give the published folder") from error
    return prompts


def check_folders(model: PublishedModel, folders: Mapping[str, Path]) -> None:
    """Tell the published sizes from one another by their configurations, before one is loaded. Raises WrongInput, DamagedWeights."""
    folder, name = folders["weights"], model.name
    part, config = "text_config", read_config(folder)
    if not isinstance(config.get(part), Mapping):
        raise DamagedWeights(f"{folder / CONFIG} has no {part}, the language model's sizes: fetch or copy it again")
    if name in published_models():
        check_size(folder, name, f"{part} of {CONFIG}", config[part], components(name)["model"][part], TELLING)


def networks_of(network: JanusNetwork) -> Networks:
    """The network as what can be divided over several devices: layers of the language model."""
    return Networks(network, tuple(f"language_model.layers.{layer}" for layer in range(network.layers)), {})


def _take_turns(network: JanusNetwork, device: torch.device) -> None:
    """Language model with the image tokens' way in and out, and the decoder of pictures."""
    turns = Turns(device)
    turns.add(network.language_model, network.language_model.embed_tokens, network.generation_embeddings,
              network.generation_aligner, network.generation_head)
    turns.add(network.codebook, network.post_quant_conv, network.decoder)


def check(model: PublishedModel, settings: Mapping[str, Any]) -> None:
    """Refuse settings that the model cannot have, before anything is looked for. Raises WrongInput."""
    sampling_of(model.name, settings)
    dtype_of(settings["dtype"])


def check_placing(model: PublishedModel, settings: Mapping[str, Any], offload: str, divided: bool) -> None:
    """Refuse an offload that would leave nothing out. Raises WrongInput."""
    if offload == "text":
        raise WrongInput(f"model {model.name} reads text with the network that draws images, so that offload=text leaves nothing "
                         "out: use offload=model or none")  # fmt: skip


def sampling_of(name: str, settings: Mapping[str, Any]) -> JanusSampling:
    """Settings under the authors' names as sampling settings. Raises WrongInput."""
    values = {key: number(key, settings[key]) for key in ("cfg", "tau", "top_p")}
    top_k = whole("top_k", settings["top_k"])
    try:
        return JanusSampling(values["cfg"], values["tau"], top_k, values["top_p"])
    except ValueError as error:
        raise WrongInput(f"{name}: {as_typed(str(error), TYPED)}") from error
