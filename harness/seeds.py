"""Seeds: a candidate's noise is the same whatever the batch, the order, the shard, the machine or a resume.

What networks make of it is the same up to the rounding of their kernels (docs/machines.md, "What is the same").
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TypeAlias

Path: TypeAlias = tuple[int, ...]
"""A candidate's name within its prompt: `(i,)` is the i-th independent candidate; a branch appends to its parent's path."""


@dataclass(frozen=True, slots=True)
class Seeds:
    """The seeds of one run on one suite: seed = hash(run seed, suite, prompt id, candidate path, step).

    The search's name is left out on purpose: strategies compared in one run share their first candidates (common random numbers).
    """

    run_seed: int
    suite: str

    def at(self, prompt_id: str, path: Path, step: int) -> int:
        """Seed (63 bits) of a candidate's random draw at `step`; step -1 is its start (initial noise)."""
        text = "\x1f".join((str(self.run_seed), self.suite, prompt_id, ".".join(map(str, path)), str(step)))
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def path_name(path: Path) -> str:
    """A candidate path as text, for tables and file names: `(3, 1)` is "3.1"."""
    return ".".join(map(str, path))
