"""What `vistas bench-model` measures, from what was typed: the model, and verifiers beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from harness.bench.peaks import peak_of
from harness.devices import pick_devices, use_half_the_cores
from harness.errors import WrongInput
from harness.model_spec import ModelSpec, parse_model
from harness.placing import check_placing
from harness.weights.local import build
from models.base import Generator
from models.offload import Offload
from models.random_weights import random_generator
from verifiers.base import Verifier
from verifiers.features import described, features_of
from verifiers.random_weights import random_features
from verifiers.spec import parse_verifier

TINY: Mapping[str, int] = {"steps": 2, "height": 64, "width": 64, "resolution_binning": False}
"""Settings of a diffusion model whose networks are shrunk: at its own 30 steps of 1024 pixels it would still take minutes."""


def prepared(text: str, device: str, tiny: bool, offload: Offload = "none") -> tuple[str, Generator, float]:
    """The model of a text where it shall run, and the card's peak: a published one with random weights, an embedded one with its own.

    `tiny` shrinks a published model, and what was not given too. Raises WrongInput.
    """
    spec, devices = parse_model(text), pick_devices(device)
    use_half_the_cores()
    if tiny:
        small = {key: value for key, value in TINY.items() if key in spec.published().settings and key not in spec.overrides}
        spec = parse_model(_with(spec.text, small))
    check_placing(spec.entry, spec.overrides, offload, len(devices) > 1)
    generator: Any = _built(spec, devices, tiny, offload)
    if spec.preview_shrink > 1:
        generator = generator.with_previews(spec.preview_shrink)
    return spec.text, generator, peak_of(devices[0], str(generator.card.settings.get("dtype", "")))


def _built(spec: ModelSpec, devices: Sequence[torch.device], tiny: bool, offload: Offload) -> Generator:
    if spec.entry.row is None:
        own: Generator = build(spec.entry, {}, devices[0], spec.overrides, offload, devices)
        return own
    return random_generator(spec.published(), spec.published().merged(spec.overrides), devices, tiny, offload)


def check_judges(texts: Sequence[str]) -> None:
    """Raise WrongInput for what `judges` refuses, before a model of minutes is built."""
    _scoring(texts, "meta")


def judges(texts: Sequence[str], generator: Generator, tiny: bool) -> list[Verifier]:
    """The verifiers, beside the generator, with features beside them: published ones with random weights, `tiny` shrunk.

    Raises WrongInput.
    """
    found = _scoring(texts, generator.device, tiny)
    if not found:
        return []
    beside = features_of("shapes", generator.device) if generator.card.domain == "shapes" else random_features(generator.device, tiny)
    return described(found, beside)


def _scoring(texts: Sequence[str], device: torch.device | str, tiny: bool = False) -> list[Verifier]:
    found = []
    for text in texts:
        verifier = parse_verifier(text).without_weights(device, tiny)
        if verifier is None:
            raise WrongInput(f"--verifier {text} cannot be built with random weights: leave it out, a plan says that it is not measured")
        found.append(verifier)
    return found


def _with(text: str, settings: Mapping[str, int]) -> str:
    """A model's text with these settings after its own."""
    added = ",".join(f"{key}={value}" for key, value in settings.items())
    return f"{text}{',' if ':' in text else ':'}{added}" if added else text
