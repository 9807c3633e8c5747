"""`vistas bench-model`: seconds, memory and share of the card's peak of every operation of a model, and of a whole search."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import NamedTuple

import numpy as np
import torch

from harness.compute.every_operation import every_operation
from harness.compute.ledger import Budget, Cost, Ledger, Unit
from harness.compute.meter import MeteredGenerator
from harness.memory import out_of_memory, release
from harness.search.prepare import prepare
from harness.search.random import Random
from harness.seeds import Seeds
from models.base import Generator, Images
from suites.base import Prompt
from verifiers.base import Scores, Verifier, VerifierCard

PROMPT = Prompt("0", "a photo of a bench and a dog", "")
SEARCH = "search"
_OF_AN_IMAGE = ("encode", "predict", "draw", "decode")
"""What the search that is measured does."""
PAUSE = 10.0
"""Seconds between lines of progress within one image."""
LEAST, MOST, FILLED = 3, 10, 3.0
"""Unless told, all is measured `LEAST` times, and up to `MOST` times while that has taken less than `FILLED` seconds."""
LONG, ALIKE = 30.0, 1.05
"""Two times do if they took longer than `LONG` seconds together, and the slower no more than `ALIKE` times the faster."""


class Call(NamedTuple):
    """One operation at one step, done once."""

    operation: str
    step: int
    """-1 for the whole search."""
    rows: int
    """Rows really worked on."""
    seconds: float
    flops: int
    """By the ledger's price of those rows."""
    peak_gigabytes: float
    """NaN without an accelerator."""


@dataclass(frozen=True)
class Measured:
    """One operation at one step and batch size, measured one or more times."""

    batch: int
    operation: str
    step: int
    """-1 for the whole search."""
    rows: int
    """Rows really worked on."""
    seconds: float
    """Of a call, device synchronised, after a warm-up of the same shape: the median of `calls`."""
    seconds_lowest: float
    seconds_highest: float
    calls: int
    """How often it was measured."""
    tflop: float
    """By the ledger's price of those rows."""
    tflop_per_second: float
    share_of_peak: float
    """Of the card's dense bfloat16 peak; NaN where it is not known or the model does not compute in 16 bits."""
    peak_gigabytes: float
    """Most memory allocated up to then, weights included; NaN without an accelerator."""


def bench(
    generator: Generator, batches: Sequence[int], peak: float, prompts: Sequence[Prompt] = (PROMPT,),
    progress: Callable[[str], None] = lambda line: None, verifiers: Sequence[Verifier] = (), repeat: int | None = None,
) -> Iterator[Measured | str]:
    """Every operation at every batch size, scoring included, then best-of-N by the real search; a sentence where memory runs out.

    `progress` hears what is begun, as a batch of a large model may take minutes. All of it is done `repeat` times, without it as
    often as `_enough` says. What disturbs the machine for a moment so falls on one time of each call, and not on all.

    Rows of a batch are of the prompts in turn, of as many as it has rows for. Those of one prompt share its text and, where
    prefixes are shared, its first step; those of several fill a batch as the rows of a run do.
    """
    for batch in batches:
        asked = prompts[:batch]
        try:
            compiled = bool(generator.card.settings.get("compile"))
            progress(f"batch {batch}: {'compiling, which can take minutes, and ' if compiled else ''}warming up")
            _operations(generator, verifiers, batch, asked, progress)
            times: list[list[Call]] = []
            while not _enough([sum(call.seconds for call in calls) for calls in times], repeat):
                took = sum(call.seconds for call in times[-1]) if times else 0.0
                if not times or took > PAUSE:
                    progress(f"batch {batch}: measuring every operation{f' again, about {took:.0f} s' if times else ''}")
                calls = _operations(generator, verifiers, batch, asked, progress)
                expected = sum(call.seconds for call in calls if call.operation in _OF_AN_IMAGE)
                if not times:
                    progress(f"batch {batch}: measuring a search{f', about {expected:.0f} s' if expected > PAUSE else ''}")
                times.append([*calls, _search(generator, batch, asked)])
        except Exception as error:
            if not out_of_memory(error):
                raise
            times = []
        if not times:
            release()
            yield f"batch {batch}: out of memory"
            return
        yield from (_measured(batch, peak, calls) for calls in zip(*times, strict=True))


def _enough(seconds: Sequence[float], repeat: int | None) -> bool:
    """Whether all has been measured often enough; `seconds` are those of each time."""
    if repeat is not None:
        return len(seconds) >= repeat
    if len(seconds) < LEAST:
        return len(seconds) > 1 and sum(seconds) > LONG and max(seconds) <= ALIKE * min(seconds)
    return len(seconds) >= MOST or sum(seconds) >= FILLED


def _measured(batch: int, peak: float, times: Sequence[Call]) -> Measured:
    """One operation at one step, of all the times that it was called."""
    first, seconds = times[0], [call.seconds for call in times]
    middle = median(seconds)
    rate = first.flops / middle
    return Measured(
        batch, first.operation, first.step, first.rows, middle, min(seconds), max(seconds), len(times), first.flops / 1e12, rate / 1e12,
        rate / peak, max(call.peak_gigabytes for call in times),
    )


def _operations(
    generator: Generator, verifiers: Sequence[Verifier], batch: int, prompts: Sequence[Prompt], progress: Callable[[str], None]
) -> list[Call]:
    """One image of each of `batch` rows, operation by operation, and what each was charged; a long one says how far it is."""
    metered, memory = MeteredGenerator(generator, Ledger(len(prompts))), _Memory(generator.device)
    found: list[Call] = []
    charged, said, steps = 0, perf_counter(), generator.card.steps
    for operation, step in every_operation(generator, metered, verifiers, [prompt.text for prompt in prompts], batch):
        before, charged = charged, sum(metered.ledger.spent(prompt).flops for prompt in range(len(prompts)))
        timing = metered.clock[operation, step]
        found.append(Call(operation, step, timing.rows, timing.seconds, charged - before, memory.peak()))
        if operation == "draw" and perf_counter() - said > PAUSE:
            said = perf_counter()
            progress(f"batch {batch}: step {step + 1} of {steps} done")
    return found


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


def _search(generator: Generator, batch: int, prompts: Sequence[Prompt]) -> Call:
    """Best of the batch's images of each prompt, through plan, meter and records; the verifier is the brightness of an image."""
    memory, begin, each = _Memory(generator.device), perf_counter(), batch // len(prompts)
    search, budget = Random(candidates=each), Budget(each, Unit.IMAGES)
    task = prepare(search, generator, [Brightness()], prompts, budget, Seeds(0, "bench"), batch)
    search.run(task)
    seconds = perf_counter() - begin
    flops = sum(task.spent(prompt, task.judges[0]).flops for prompt in range(len(prompts)))
    return Call(SEARCH, -1, each * len(prompts), seconds, flops, memory.peak())


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
