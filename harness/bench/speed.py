"""How close a search comes to the bare passes it needs: side by side in one run, as ratios (`make bench-speed`).

Absolute seconds depend on the machine and on what else it does; the contestants of a comparison therefore take turns,
and the median of their ratios is what is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any

from harness import markdown
from harness.compute.ledger import Budget, Unit
from harness.registry import entry
from harness.search.beam import Beam
from harness.search.prepare import prepare
from harness.search.random import Random
from harness.seeds import Seeds
from models.base import Generator, Row
from models.generate import generate
from suites.base import Prompt
from verifiers.base import Verifier

TEXTS = (
    "a photo of a red circle and a blue star",
    "a photo of three hearts",
    "a photo of a square left of a moon",
    "a photo of a green arrow",
)
IMAGES = 16
"""Independent images per prompt."""
ROUNDS = 5
UNLIMITED = Budget(1e18, Unit.IMAGES)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One contestant against the first of its group."""

    group: str
    contestant: str
    ratio: float
    """Median over the rounds of its seconds divided by the reference's."""
    lowest: float
    highest: float


def compare(group: str, contestants: Mapping[str, Callable[[], object]], rounds: int = ROUNDS) -> list[Comparison]:
    """Run the contestants in turn, one unmeasured round first; the first is the reference of the ratios."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):
        for name, call in contestants.items():
            begin = perf_counter()
            call()
            if turn:
                seconds[name].append(perf_counter() - begin)
    reference = next(iter(seconds.values()))
    ratios = {name: [a / b for a, b in zip(spent, reference, strict=True)] for name, spent in seconds.items()}
    return [Comparison(group, name, median(each), min(each), max(each)) for name, each in ratios.items()]


def bare(
    generator: Generator, verifier: Verifier | None, texts: Sequence[str], images: int, batch: int | None = None
) -> None:
    """The limit: the models' batched passes, with no search, no meter and no records around them."""
    conditioning = generator.encode(texts)
    rows = [Row(prompt, image) for prompt in range(len(texts)) for image in range(images)]
    for first in range(0, len(rows), batch or len(rows)):
        part = rows[first : first + (batch or len(rows))]
        pictures = generate(generator, conditioning, part, [range(len(part))] * generator.card.steps)
        if verifier is not None:
            verifier.score(pictures, [texts[row.prompt] for row in part])


def search_random(generator: Generator, verifier: Verifier, texts: Sequence[str], images: int) -> None:
    """The same images by `random`, charged and recorded."""
    _search(Random(images), generator, verifier, texts, images)


def search_beam(generator: Generator, verifier: Verifier, texts: Sequence[str], width: int, candidates: int) -> None:
    """Beam search on rollouts."""
    _search(Beam(width, candidates), generator, verifier, texts, width * candidates)


def _search(search: Any, generator: Generator, verifier: Verifier, texts: Sequence[str], rows: int) -> None:
    prompts = [Prompt(str(number), text, "") for number, text in enumerate(texts)]
    search.run(prepare(search, generator, [verifier], prompts, UNLIMITED, Seeds(0, "speed"), rows * len(texts)))


def encode_each(generator: Generator, verifier: Verifier, texts: Sequence[str], images: int) -> None:
    """The bare passes, with the text encoded once per candidate instead of once per prompt."""
    bare(generator, verifier, [text for text in texts for _ in range(images)], 1)


def pipeline_loop(pipeline: Any, settings: Mapping[str, Any], texts: Sequence[str], images: int, batch: int) -> None:
    """diffusers' own pipeline: `batch` images a call, the prompt encoded in each call."""
    for text in texts:
        for _ in range(0, images, batch):
            pipeline(
                prompt=text, num_images_per_prompt=batch, num_inference_steps=settings["steps"], output_type="pt",
                **{key: value for key, value in settings.items() if key != "steps"},
            )  # fmt: skip


def measure() -> list[Comparison]:
    """All comparisons on the embedded pair."""
    verifier: Verifier = entry("verifier", "shapes-reward").resolve()()
    found = []
    for name in ("shapes-infinity", "shapes-flux"):
        generator: Generator = entry("model", name).resolve()()
        work = (generator, verifier, TEXTS, IMAGES)
        contestants: dict[str, Callable[[], object]] = {
            "bare batched passes": partial(bare, *work),
            "random search": partial(search_random, *work),
            "text encoded once per candidate": partial(encode_each, *work),
        }
        found += compare(f"{name}: {IMAGES} images of {len(TEXTS)} prompts", contestants)
        if generator.card.family == "diffusion":
            found += _against_diffusers(name, generator)
        else:
            found += _prefixes(name, generator, verifier)
    return found


def _against_diffusers(name: str, generator: Any) -> list[Comparison]:
    from models.diffusion.flux import load_flux_pipeline
    from models.shapes.load import weights

    pipeline = load_flux_pipeline(weights(name))
    pipeline.set_progress_bar_config(disable=True)
    settings, texts, images = dict(generator.card.settings), TEXTS[:2], 16
    contestants: dict[str, Callable[[], object]] = {
        "bare batched passes": lambda: bare(generator, None, texts, images),
        "diffusers' pipeline, batched": lambda: pipeline_loop(pipeline, settings, texts, images, images),
        "diffusers' pipeline, one image a call": lambda: pipeline_loop(pipeline, settings, texts, images, 1),
    }
    return compare(f"{name}: {images} images of {len(texts)} prompts, not scored", contestants)


def _prefixes(name: str, generator: Generator, verifier: Verifier) -> list[Comparison]:
    """Without a prefix cache every rollout replays its prefix: as many whole generations as the beam has rollouts."""
    width = candidates = 2
    images = generator.card.steps * width * candidates
    contestants: dict[str, Callable[[], object]] = {
        "shared prefixes": lambda: search_beam(generator, verifier, TEXTS, width, candidates),
        "prefixes run again": lambda: bare(generator, verifier, TEXTS, images, len(TEXTS) * width * candidates),
    }
    return compare(f"{name}: beam of width {width} with {candidates} candidates", contestants)


def table(comparisons: Sequence[Comparison]) -> str:
    """The comparisons as a Markdown table."""
    rows = ((one.group, one.contestant, f"{one.ratio:.2f}", f"{one.lowest:.2f} to {one.highest:.2f}") for one in comparisons)
    return markdown.table(("what", "contestant", "times the reference", "lowest to highest"), rows)


def main() -> None:
    """Print the table for this machine."""
    print(table(measure()))


if __name__ == "__main__":
    main()
