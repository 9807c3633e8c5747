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
    for one in (generator.draft, generator.refine) if isinstance(generator, Pair) else (generator,):
        compiled = bool(one.card.settings.get("compile", False))
        if compiled or one.device.type != "cpu":
            for size in (rows, *(fewer for fewer in (2, 1) if compiled and fewer < rows)):
                _once(one, verifiers, texts, size)


def _once(generator: Any, verifiers: Sequence[Verifier], texts: Sequence[str], rows: int) -> None:
    for _ in every_operation(generator, MeteredGenerator(generator, Ledger(len(texts))), verifiers, texts, rows):
        pass
