"""What `vistas bench-model` is asked for, from what was typed: batch sizes, prompts and the model."""

from __future__ import annotations

from collections.abc import Mapping

from harness.bench.model import PROMPT
from harness.bench.peaks import peak_of
from harness.devices import pick_devices
from harness.errors import WrongInput
from harness.model_spec import parse_model
from harness.run.suites import open_suite
from models.base import Generator
from models.random_weights import random_generator
from models.small_previews import SETTING
from suites.base import Prompt
from suites.sample import sample

TINY: Mapping[str, int] = {"steps": 2, "height": 64, "width": 64, "resolution_binning": False}
"""Settings of a diffusion model whose networks are shrunk: at its own 30 steps of 1024 pixels it would still take minutes."""


def sizes(text: str, prompts: int = 1) -> list[int]:
    """Batch sizes as typed, ascending. Raises WrongInput, also for one that this many prompts cannot share evenly, as they do
    in a search."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) for part in parts):
        raise WrongInput(f"--batch {text!r} is not a list of whole numbers from 1: write --batch 1,2,4, for example")
    found = sorted({int(part) for part in parts})
    for batch in found:
        if batch > prompts and batch % prompts:
            raise WrongInput(f"--batch {batch} cannot be shared out evenly among {prompts} prompts: give multiples, or fewer rows")
    return found


def some_prompts(count: int) -> list[Prompt]:
    """So many different prompts, GenEval's after the first. Raises WrongInput."""
    known = [prompt for prompt in open_suite("geneval", None).prompts("photo") if prompt.text != PROMPT.text]
    if not 1 <= count <= len(known) + 1:
        raise WrongInput(f"--prompts {count} is not from 1 to {len(known) + 1}: give how many the rows of a batch are of at most")
    return [PROMPT, *(sample(known, count - 1, seed=0) if count > 1 else ())]


def prepared(text: str, device: str, tiny: bool) -> tuple[str, Generator, float]:
    """The model of a text with random weights where it shall run, and the card's peak; `tiny` shrinks what was not given too.

    Raises WrongInput.
    """
    spec = parse_model(text)
    model, devices = spec.published(), pick_devices(device)
    if spec.preview_shrink > 1:
        raise WrongInput(f"{spec.text}: bench-model measures no previews, only whole images: leave {SETTING} out")
    if tiny:
        small = {key: value for key, value in TINY.items() if key in model.settings and key not in spec.overrides}
        spec = parse_model(_with(spec.text, small))
    settings = model.merged(spec.overrides)
    generator = random_generator(model, settings, devices, tiny)
    return spec.text, generator, peak_of(devices[0], str(settings.get("dtype", "")))


def _with(text: str, settings: Mapping[str, int]) -> str:
    """A model's text with these settings after its own."""
    added = ",".join(f"{key}={value}" for key, value in settings.items())
    return f"{text}{',' if ':' in text else ':'}{added}" if added else text
