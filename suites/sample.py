"""Fewer prompts than the whole set, spread evenly over the tasks."""

import hashlib
from collections.abc import Sequence
from itertools import chain, zip_longest

from suites.base import Prompt


def sample(prompts: Sequence[Prompt], n: int, seed: int) -> tuple[Prompt, ...]:
    """Choose `n` prompts, equally many per task as far as each task has them, in the order given.

    The choice depends only on the seed and the prompts' ids, and a smaller sample is part of every larger one.

    Raises:
        ValueError: `n` is not between 1 and the number of prompts.
    """
    if not 1 <= n <= len(prompts):
        raise ValueError(f"{n} prompts asked for: give a number from 1 to {len(prompts)}, or all")
    return tuple(prompts[index] for index in sorted(joining_order(prompts, seed)[:n]))


def joining_order(prompts: Sequence[Prompt], seed: int) -> list[int]:
    """Indices in the order in which prompts join a growing sample, one task after another: the first N are the sample of N.

    Of a sample it is the beginning of the order of the whole set.
    """
    by_task: dict[str, list[int]] = {}
    for index in sorted(range(len(prompts)), key=lambda index: _rank(prompts[index], seed)):
        by_task.setdefault(prompts[index].task, []).append(index)
    rounds = zip_longest(*(by_task[task] for task in sorted(by_task)))
    return [index for index in chain.from_iterable(rounds) if index is not None]


def _rank(prompt: Prompt, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed}\x1f{prompt.id}".encode(), digest_size=8).digest()
