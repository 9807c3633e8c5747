"""Janus from a folder in transformers' format: every weight there, nothing left to chance."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import JanusForConditionalGeneration, JanusProcessor
from transformers.utils import logging

from harness.errors import WrongInput
from models.files import check_whole, weights_sha256
from models.janus.generator import JanusGenerator
from models.janus.network import JanusNetwork
from models.janus.prompts import JanusPrompts
from models.janus.sampling import JanusSampling
from models.published import PublishedModel
from models.settings import dtype_of, number, whole


def load(model: PublishedModel, folders: Mapping[str, Path], device: torch.device,
         settings: Mapping[str, Any]) -> JanusGenerator:
    """A published Janus from its folder, on `device`.

    Raises:
        WrongInput: the folder holds another model, or a setting has no such value.
        DamagedWeights: a weight file is cut short.
    """
    folder = folders["weights"]
    sampling = JanusSampling(guidance=number("cfg", settings["cfg"]), temperature=number("tau", settings["tau"]),
                             top_k=whole("top_k", settings.get("top_k", 0)),
                             top_p=number("top_p", settings.get("top_p", 1.0)))
    shards = sorted(folder.glob("*.safetensors"))
    for path in [*shards, *folder.glob("*.safetensors.index.json")]:
        check_whole(path)
    network = JanusNetwork(_whole_model(folder, dtype_of(settings["dtype"])).to(device))
    text = network.config.text_config
    prompts = JanusPrompts(JanusProcessor.from_pretrained(folder, local_files_only=True),
                           text.max_position_embeddings - network.side**2)
    return JanusGenerator(network, prompts, sampling, name=model.name, domain=model.domain, licence=model.licence,
                          weights_sha256=weights_sha256(shards))


def _whole_model(folder: Path, dtype: torch.dtype) -> JanusForConditionalGeneration:
    """The model with every weight from the folder. Raises WrongInput where some are missing or of another shape."""
    before = logging.get_verbosity()
    logging.set_verbosity_error()  # its table of what does not fit is a line of ours
    try:
        model, report = JanusForConditionalGeneration.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
    except (RuntimeError, OSError, TypeError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise WrongInput(f"{folder} cannot be loaded as Janus ({reason}): give the published folder") from error
    finally:
        logging.set_verbosity(before)
    for what in ("missing_keys", "mismatched_keys", "unexpected_keys"):
        keys = sorted(map(str, report.get(what) or ()))
        if keys:
            raise WrongInput(f"{folder} is another model's or contradicts its config.json: {len(keys)} "
                             f"{what.replace('_', ' ')}, first {', '.join(keys[:3])}; give the published folder")
    return model
