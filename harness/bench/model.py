"""`vistas bench-model`: seconds, memory and share of the card's peak of every operation of a model, and of a whole search."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from time import perf_counter

import numpy as np
import torch

from harness.bench.measured import SEARCH, Call, Measured, measured
from harness.bench.rows import PROMPT
from harness.compute.every_operation import every_operation
from harness.compute.ledger import Budget, Cost, Ledger, Unit
from harness.compute.meter import MeteredGenerator
from harness.compute.repeats import enough
from harness.memory import out_of_memory, release
from harness.search.prepare import prepare
from harness.search.random import Random
from harness.seeds import Seeds
from models.base import Generator, Images
from suites.base import Prompt
from verifiers.base import Scores, Verifier, VerifierCard

_OF_AN_IMAGE = ("encode", "predict", "draw", "decode")
"""What the search that is measured does."""
PAUSE = 10.0
"""Seconds between lines of progress within one image."""


def bench(
    generator: Generator, batches: Sequence[int], peak: float, prompts: Sequence[Prompt] = (PROMPT,),
    progress: Callable[[str], None] = lambda line: None, verifiers: Sequence[Verifier] = (), repeat: int | None = None,
) -> Iterator[Measured | str]:
    """Every operation at every batch size, scoring included, then best-of-N by the real search; a sentence where memory runs out.

    `progress` hears what is begun, as a batch of a large model may take minutes. All of it is done `repeat` times, without it as
    often as `enough` says. What disturbs the machine for a moment so falls on one time of each call, and not on all.

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
            took: list[float] = []
            while not enough(took, repeat):
                if not took or took[-1] > PAUSE:
                    progress(f"batch {batch}: measuring every operation{f' again, about {took[-1]:.0f} s' if took else ''}")
                calls = _operations(generator, verifiers, batch, asked, progress)
                expected = sum(call.seconds for call in calls if call.operation in _OF_AN_IMAGE)
                if not took:
                    progress(f"batch {batch}: measuring a search{f', about {expected:.0f} s' if expected > PAUSE else ''}")
                times.append([*calls, _search(generator, batch, asked)])
                took.append(sum(call.seconds for call in times[-1]))
        except Exception as error:
            if not out_of_memory(error):
                raise
            times = []
        if not times:
            release()
            yield f"batch {batch}: out of memory"
            return
        yield from (measured(batch, peak, calls) for calls in zip(*times, strict=True))


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
