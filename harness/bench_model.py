"""`vistas bench-model`: seconds, memory and share of the card's peak of every operation of a model, and of a whole search."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch

from harness.choice import choose_model
from harness.errors import WrongInput
from harness.ledger import Budget, Cost, Ledger, Unit
from harness.memory import out_of_memory, release
from harness.meter import MeteredGenerator
from harness.peaks import peak_of
from harness.search.prepare import prepare
from harness.search.random import Random
from harness.seeds import Seeds
from harness.session import pick_devices
from harness.suites import open_suite
from models.base import Generator, Images, Row
from models.random_weights import random_generator
from models.small_previews import SETTING
from suites.base import Prompt
from suites.sample import sample
from verifiers.base import Scores, VerifierCard

PROMPT = Prompt("0", "a photo of a bench and a dog", "")
SEARCH = "search"
TINY: Mapping[str, int] = {"steps": 2, "height": 64, "width": 64, "resolution_binning": False}
"""Settings of a diffusion model whose networks are shrunk: at its own 30 steps of 1024 pixels it would still take minutes."""


@dataclass(frozen=True)
class Measured:
    """One operation at one step and batch size."""

    batch: int
    operation: str
    step: int
    """-1 for the whole search."""
    rows: int
    """Rows really worked on."""
    seconds: float
    """Of the call, device synchronised, after a warm-up of the same shape."""
    tflop: float
    """By the ledger's price of those rows."""
    tflop_per_second: float
    share_of_peak: float
    """Of the card's dense bfloat16 peak; NaN where it is not known or the model does not compute in 16 bits."""
    peak_gigabytes: float
    """Most memory allocated up to then, weights included; NaN without an accelerator."""


def bench(
    generator: Generator, batches: Sequence[int], peak: float, prompts: Sequence[Prompt] = (PROMPT,),
    progress: Callable[[str], None] = lambda line: None,
) -> Iterator[Measured | str]:
    """Every operation at every batch size, then best-of-N by the real search; a sentence where memory runs out.

    `progress` hears what is begun, as a batch of a large model may take minutes.

    Rows of a batch are of the prompts in turn, of as many as it has rows for. Those of one prompt share its text and, where
    prefixes are shared, its first step; those of several fill a batch as the rows of a run do.
    """
    for batch in batches:
        asked = prompts[:batch]
        try:
            compiled = bool(generator.card.settings.get("compile"))
            progress(f"batch {batch}: {'compiling, which can take minutes, and ' if compiled else ''}warming up")
            _operations(generator, batch, asked)
            progress(f"batch {batch}: measuring every operation")
            found = list(_measured(generator, batch, peak, asked))
            progress(f"batch {batch}: measuring a search")
            found.append(_search(generator, batch, peak, asked))
        except Exception as error:
            if not out_of_memory(error):
                raise
            found = []
        if not found:
            release()
            yield f"batch {batch}: out of memory"
            return
        yield from found


@dataclass(frozen=True, slots=True)
class _Noted:
    operation: str
    step: int
    rows: int
    seconds: float
    flops: int
    memory: float


def _operations(generator: Generator, batch: int, prompts: Sequence[Prompt]) -> list[_Noted]:
    """One image of each of `batch` rows, operation by operation, and what each was charged."""
    metered, memory = MeteredGenerator(generator, Ledger(len(prompts))), _Memory(generator.device)
    noted: list[_Noted] = []
    charged = 0

    def note(operation: str, step: int) -> None:
        nonlocal charged
        timing, before = metered.clock[operation, step], charged
        charged = sum(metered.ledger.spent(prompt).flops for prompt in range(len(prompts)))
        noted.append(_Noted(operation, step, timing.rows, timing.seconds, charged - before, memory.peak()))

    conditioning = metered.encode([prompt.text for prompt in prompts])
    note("encode", 0)
    state = metered.start(conditioning, [Row(seed % len(prompts), seed) for seed in range(batch)])
    while state.step < generator.card.steps:
        step = state.step
        state = metered.predict(state)
        note("predict", step)
        state = metered.draw(state, [seed * 1000 + step for seed in range(batch)])
        note("draw", step)
    metered.decode(state)
    note("decode", generator.card.steps)
    return noted


class _Memory:
    """Peaks of allocated memory between calls, in GB."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.peak()

    def peak(self) -> float:
        if self._device.type != "cuda":
            return float("nan")
        found = torch.cuda.max_memory_allocated(self._device) / 1e9
        torch.cuda.reset_peak_memory_stats(self._device)
        return found


def _measured(generator: Generator, batch: int, peak: float, prompts: Sequence[Prompt]) -> Iterator[Measured]:
    for one in _operations(generator, batch, prompts):
        yield _row(batch, one.operation, one.step, one.rows, one.seconds, one.flops, peak, one.memory)


def _row(
    batch: int, operation: str, step: int, rows: int, seconds: float, flops: int, peak: float, memory: float
) -> Measured:
    rate = flops / seconds
    return Measured(batch, operation, step, rows, seconds, flops / 1e12, rate / 1e12, rate / peak, memory)


def _search(generator: Generator, batch: int, peak: float, prompts: Sequence[Prompt]) -> Measured:
    """Best of the batch's images of each prompt, through plan, meter and records; the verifier is the brightness of an image."""
    memory, begin, each = _Memory(generator.device), perf_counter(), batch // len(prompts)
    search, budget = Random(candidates=each), Budget(each, Unit.IMAGES)
    task = prepare(search, generator, [Brightness()], prompts, budget, Seeds(0, "bench"), batch)
    search.run(task)
    seconds = perf_counter() - begin
    flops = sum(task.spent(prompt, task.judges[0]).flops for prompt in range(len(prompts)))
    return _row(batch, SEARCH, -1, each * len(prompts), seconds, flops, peak, memory.peak())


class Brightness:
    """A verifier that costs nothing, so that a search's time is the generator's."""

    card = VerifierCard("brightness", "", (0.0, 1.0), ("brightness",), "none", "none")

    def score(self, images: Images, prompts: Sequence[str]) -> Scores:
        """Mean of each image."""
        return Scores(images.double().mean((1, 2, 3)).div(255).numpy()[:, None], ("",) * len(prompts))

    def forget(self) -> None:
        """Nothing is kept."""

    def combine(self, values_NM: np.ndarray) -> np.ndarray:
        """The score itself."""
        return values_NM[:, 0]

    def price(self, images: int, new_prompts: int = 0) -> Cost:
        """Free."""
        return Cost(verifier_calls=images)

    def truncated(self, prompts: Sequence[str]) -> tuple[bool, ...]:
        """No text is read."""
        return (False,) * len(prompts)


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
    choice = choose_model(text)
    model, devices = choice.published(), pick_devices(device)
    if choice.preview_shrink > 1:
        raise WrongInput(f"{choice.text}: bench-model measures no previews, only whole images: leave {SETTING} out")
    if tiny:
        small = {key: value for key, value in TINY.items() if key in model.settings and key not in choice.overrides}
        choice = choose_model(_with(choice.text, small))
    settings = model.merged(choice.overrides)
    generator = random_generator(model, settings, devices, tiny)
    return choice.text, generator, peak_of(devices[0], str(settings.get("dtype", "")))


def _with(text: str, settings: Mapping[str, int]) -> str:
    """A model's text with these settings after its own."""
    added = ",".join(f"{key}={value}" for key, value in settings.items())
    return f"{text}{',' if ':' in text else ':'}{added}" if added else text
