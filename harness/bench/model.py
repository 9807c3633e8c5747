"""`vistas bench-model`: seconds, memory and share of the card's peak of every operation of a model, and of a whole search."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch

from harness.compute.clock import Timing
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
    progress: Callable[[str], None] = lambda line: None, verifiers: Sequence[Verifier] = (),
) -> Iterator[Measured | str]:
    """Every operation at every batch size, scoring included, then best-of-N by the real search; a sentence where memory runs out.

    `progress` hears what is begun, as a batch of a large model may take minutes.

    Rows of a batch are of the prompts in turn, of as many as it has rows for. Those of one prompt share its text and, where
    prefixes are shared, its first step; those of several fill a batch as the rows of a run do.
    """
    for batch in batches:
        asked = prompts[:batch]
        try:
            compiled = bool(generator.card.settings.get("compile"))
            progress(f"batch {batch}: {'compiling, which can take minutes, and ' if compiled else ''}warming up")
            _operations(generator, verifiers, batch, peak, asked, progress)
            progress(f"batch {batch}: measuring every operation")
            found = _operations(generator, verifiers, batch, peak, asked, progress)
            expected = sum(one.seconds for one in found if one.operation in _OF_AN_IMAGE)
            progress(f"batch {batch}: measuring a search{f', about {expected:.0f} s' if expected > PAUSE else ''}")
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


def _operations(
    generator: Generator, verifiers: Sequence[Verifier], batch: int, peak: float, prompts: Sequence[Prompt],
    progress: Callable[[str], None],
) -> list[Measured]:
    """One image of each of `batch` rows, operation by operation, and what each was charged; a long one says how far it is."""
    metered, memory = MeteredGenerator(generator, Ledger(len(prompts))), _Memory(generator.device)
    found: list[Measured] = []
    charged, said, steps = 0, perf_counter(), generator.card.steps
    for operation, step in every_operation(generator, metered, verifiers, [prompt.text for prompt in prompts], batch):
        before, charged = charged, sum(metered.ledger.spent(prompt).flops for prompt in range(len(prompts)))
        found.append(_row(batch, operation, step, metered.clock[operation, step], charged - before, peak, memory))
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


def _row(batch: int, operation: str, step: int, timing: Timing, flops: int, peak: float, memory: _Memory) -> Measured:
    rate = flops / timing.seconds
    return Measured(batch, operation, step, timing.rows, timing.seconds, flops / 1e12, rate / 1e12, rate / peak, memory.peak())


def _search(generator: Generator, batch: int, peak: float, prompts: Sequence[Prompt]) -> Measured:
    """Best of the batch's images of each prompt, through plan, meter and records; the verifier is the brightness of an image."""
    memory, begin, each = _Memory(generator.device), perf_counter(), batch // len(prompts)
    search, budget = Random(candidates=each), Budget(each, Unit.IMAGES)
    task = prepare(search, generator, [Brightness()], prompts, budget, Seeds(0, "bench"), batch)
    search.run(task)
    timing = Timing(1, each * len(prompts), perf_counter() - begin)
    flops = sum(task.spent(prompt, task.judges[0]).flops for prompt in range(len(prompts)))
    return _row(batch, SEARCH, -1, timing, flops, peak, memory)


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
