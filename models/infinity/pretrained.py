"""Our own folder of a whole Infinity model: config.json, transformer.safetensors, vae.safetensors."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from models.infinity.checkpoint import load_transformer, load_vae
from models.infinity.config import TransformerConfig, VAEConfig
from models.infinity.sampling import Sampling
from models.infinity.schedule import ScaleSchedule
from models.infinity.transformer import InfinityTransformer
from models.infinity.vae import InfinityVAE

CONFIG, TRANSFORMER, VAE = "config.json", "transformer.safetensors", "vae.safetensors"


@dataclass(frozen=True)
class InfinityParts:
    """Everything of an Infinity model but its text encoder."""

    transformer: InfinityTransformer
    vae: InfinityVAE
    schedule: ScaleSchedule
    sampling: Sampling


def save_pretrained(parts: InfinityParts, folder: Path) -> None:
    """Write the folder; it is made if it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"transformer": asdict(parts.transformer.config), "vae": asdict(parts.vae.config),
              "schedule": asdict(parts.schedule), "sampling": asdict(parts.sampling)}
    _save(parts.transformer, folder / TRANSFORMER)
    _save(parts.vae, folder / VAE)
    (folder / CONFIG).write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")


def load_pretrained(folder: Path, device: torch.device | str = "cpu") -> InfinityParts:
    """Read a folder of `save_pretrained`. Raises FileNotFoundError, ValueError."""
    path = folder / CONFIG
    if not path.is_file():
        raise FileNotFoundError(f"{folder} holds no {CONFIG}: give a folder written by save_pretrained")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        transformer, vae = TransformerConfig(**config["transformer"]), VAEConfig(**config["vae"])
        schedule, sampling = ScaleSchedule(**_tuples(config["schedule"])), Sampling(**_tuples(config["sampling"]))
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no Infinity configuration ({error}): write the folder again") from error
    return InfinityParts(load_transformer(transformer, folder / TRANSFORMER, device=device),
                         load_vae(vae, folder / VAE, device=device), schedule, sampling)


def _save(model: nn.Module, path: Path) -> None:
    parameters = {name: parameter.detach().contiguous() for name, parameter in model.named_parameters()}
    save_file(parameters, path)


def _tuples(config: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in config.items()}
