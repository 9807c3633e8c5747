"""What a model does longer the first time is done once, unmeasured, before anything is charged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.compute.every_operation import every_operation
from harness.compute.ledger import Ledger
from harness.compute.meter import MeteredGenerator
from models.base import Generator
from models.pair import Pair
from verifiers.base import Verifier


def warm_up(generator: Generator | Pair, verifiers: Sequence[Verifier], texts: Sequence[str], rows: int) -> None:
    """Do every operation of a model, or of both of a pair, on so many rows where its first time is slow.

    That is on a GPU, which loads its kernels when they are first called, and where blocks are compiled: for the first number of rows,
    with the second for any, and maybe for one row apart.
    """
    for one in _each(generator):
        compiled = bool(one.card.settings.get("compile", False))
        if compiled or one.device.type != "cpu":
            for size in (rows, *(fewer for fewer in (2, 1) if compiled and fewer < rows)):
                _once(one, verifiers, texts, size)


def allocates(generator: Generator | Pair) -> bool:
    """Whether a model is on a GPU, where the first batch of a size also takes memory from the driver and has kernels chosen for it."""
    return any(one.device.type != "cpu" for one in _each(generator))


def warm_up_largest(generator: Generator | Pair, verifiers: Sequence[Verifier], texts: Sequence[str], rows: int) -> None:
    """Do on so many rows what a GPU does longer the first time for their number: every scale, but of denoising steps, all alike, two."""
    for one in _each(generator):
        _once(one, verifiers, texts, rows, first=2 if one.card.family == "diffusion" else None)


def _each(generator: Generator | Pair) -> tuple[Generator, ...]:
    return (generator.draft, generator.refine) if isinstance(generator, Pair) else (generator,)


def _once(generator: Any, verifiers: Sequence[Verifier], texts: Sequence[str], rows: int, first: int | None = None) -> None:
    for _ in every_operation(generator, MeteredGenerator(generator, Ledger(len(texts))), verifiers, texts, rows, first):
        pass
