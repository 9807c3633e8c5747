"""Every operation of a model and its verifiers once, on one image of each of some rows: what speeds are measured on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from harness.compute.clock import PATCHES
from harness.compute.meter import MeteredGenerator
from harness.compute.verifier_meter import MeteredVerifier
from models.base import Generator, Images, Refinable, Row
from verifiers.base import Describing, Verifier


def every_operation(
    generator: Generator, metered: MeteredGenerator, verifiers: Sequence[Verifier], texts: Sequence[str], rows: int,
    first: int | None = None,
) -> Iterator[tuple[str, int]]:
    """(operation, step) of each call as soon as it is on the clock of `metered`, which meters `generator`; rows are of the texts in turn.

    One preview is made, after the first draw. Verifiers are charged to the same ledger, and the features beside them computed once.
    Of the steps only the `first` are taken, two or more, where not all are asked for: the preview is scored then, and may be smaller than
    an image that could be embedded.
    """
    steps = metered.card.steps if first is None else min(first, metered.card.steps)
    conditioning = metered.encode(texts)
    yield "encode", 0
    state = metered.start(conditioning, [Row(seed % len(texts), seed) for seed in range(rows)])
    while (step := state.step) < steps:
        state = metered.predict(state)
        yield "predict", step
        if step == 1:
            state, images = metered.preview(state)
            yield "preview", step
        state = metered.draw(state, [seed * 1000 + step for seed in range(rows)])
        yield "draw", step
    if steps == metered.card.steps:
        images = metered.decode(state)
        yield "decode", state.step
        if isinstance(generator, Refinable):
            metered.start_image(conditioning, state.rows, images, 1.0)
            yield "embed", 0
    yield from _judged(metered, verifiers, images, state)


def _judged(metered: MeteredGenerator, verifiers: Sequence[Verifier], images: Images, state: Any) -> Iterator[tuple[str, int]]:
    owners = [row.prompt for row in state.rows]
    texts = [state.conditioning.prompts[owner] for owner in owners]
    for verifier in verifiers:
        judge = MeteredVerifier(verifier, metered.ledger)
        judge.score(images, texts, owners)
        yield from _newly_timed(metered, judge)
        if judge.going(len(owners)):
            judge.examine(images, texts, owners)
            yield from _newly_timed(metered, judge)
        if isinstance(verifier, Describing) and (PATCHES, 0) not in metered.clock:
            judge.patches(images, owners)
            yield from _newly_timed(metered, judge)


def _newly_timed(metered: MeteredGenerator, judge: MeteredVerifier) -> Iterator[tuple[str, int]]:
    new = {key: timing for key, timing in judge.clock.items() if metered.clock.get(key) is not timing}
    metered.clock.update(new)
    yield from new
