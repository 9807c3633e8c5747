"""Who is compared, and on what, where not all have everything."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)
Part = TypeVar("Part", bound=Hashable)


def most_pairs(
    having: Mapping[Key, frozenset[Part]],
    whole: Callable[[frozenset[Part]], bool] = bool,
    who: Callable[[Key], Hashable] = lambda key: key,
) -> tuple[list[Key], frozenset[Part]]:
    """Who is compared where not all have everything, and on what: the parts that all of them have, such as prompts.

    Those who have least are left out as long as the others then make more pairs, one with another (by `who`) on one part;
    what is left must be `whole`. Without anything in common the one that has most is left.
    """
    order = sorted(having, key=lambda key: -len(having[key]))
    best: tuple[tuple[int, int], list[Key], frozenset[Part]] = ((-1, -1), [], frozenset())
    for number in range(1, len(order) + 1):
        common = frozenset.intersection(*(having[key] for key in order[:number]))
        kept = [key for key in having if having[key] >= common]
        pairs = ((len({who(key) for key in kept}) - 1) * len(common), len(kept) * len(common))
        if whole(common) and pairs > best[0]:
            best = (pairs, kept, common)
    return best[1], best[2]
