"""The embedded generators, loaded from the weight folders that come with the package and checked against their cards.

A process reads them once: models with other factors, a pair, or a second call for the same model, are of the same networks.
"""

import json
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path

import torch
from diffusers import FluxPipeline

from models.card_file import checked_card
from models.diffusion.flux import FluxSettings, flux_generator, load_flux_pipeline
from models.diffusion.generator import DiffusionGenerator
from models.hashes import joint_sha256
from models.infinity.generator import InfinityGenerator
from models.infinity.pretrained import InfinityParts, load_pretrained
from models.infinity.text_encoder import T5TextEncoder
from models.infinity.unshared import Unshared

LICENCE = "Apache-2.0"
TEXT_ENCODER, TOKENIZER, SETTINGS, LOGS = "text_encoder", "tokenizer", "settings.json", "logs"


def weights(name: str) -> Path:
    """Return the folder of an embedded generator's weights."""
    return Path(str(files("models.shapes") / "weights" / name))


def shapes_infinity(
    device: torch.device | str = "cpu", temperature_factor: float = 1.0, guidance_factor: float = 1.0
) -> InfinityGenerator:
    """Load shapes-infinity; the factors multiply the temperatures and the guidance that it ships with.

    Raises:
        ValueError: a weight file is missing or damaged.
    """
    parts, encoder, sha256 = _infinity(weights("shapes-infinity"), str(device))
    sampling = replace(
        parts.sampling,
        temperature=_times(parts.sampling.temperature, temperature_factor),
        guidance=_times(parts.sampling.guidance, guidance_factor),
    )
    return InfinityGenerator(
        replace(parts, sampling=sampling), encoder, name="shapes-infinity", domain="shapes", licence=LICENCE, weights_sha256=sha256
    )


@cache
def _infinity(folder: Path, device: str) -> tuple[InfinityParts, T5TextEncoder, str]:
    card = checked_card(folder)
    parts = load_pretrained(folder, device=device)
    encoder = T5TextEncoder.load(
        folder / TEXT_ENCODER, folder / TOKENIZER, parts.transformer.config.text_maxlen, device=device
    )
    return parts, encoder, joint_sha256(card["files"].values())


def chosen_infinity(
    device: torch.device | str = "cpu",
    temperature_factor: float = 1.0,
    guidance_factor: float = 1.0,
    share: bool = True,
) -> InfinityGenerator | Unshared:
    """Load shapes-infinity as the command line names it: without `share`, every candidate pays for each of its passes."""
    generator = shapes_infinity(device, temperature_factor, guidance_factor)
    return generator if share else Unshared(generator)


def _times(values: float | tuple[float, ...], factor: float) -> float | tuple[float, ...]:
    return tuple(value * factor for value in values) if isinstance(values, tuple) else values * factor


def shapes_flux(device: torch.device | str = "cpu", guidance_factor: float = 1.0) -> DiffusionGenerator:
    """Load shapes-flux; the factor multiplies the guidance that it ships with.

    Raises:
        ValueError: a weight file is missing or damaged.
    """
    folder = weights("shapes-flux")
    pipeline, sha256 = _flux(folder, str(device))
    settings = FluxSettings(**json.loads((folder / SETTINGS).read_text(encoding="utf-8")))
    settings = replace(settings, true_cfg_scale=settings.true_cfg_scale * guidance_factor)
    return flux_generator(pipeline, settings, name="shapes-flux", domain="shapes", licence=LICENCE, weights_sha256=sha256)


@cache
def _flux(folder: Path, device: str) -> tuple[FluxPipeline, str]:
    card = checked_card(folder)
    return load_flux_pipeline(folder, device), joint_sha256(card["files"].values())
