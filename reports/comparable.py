"""Who is compared, and on what, where not all have everything."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)
Part = TypeVar("Part", bound=Hashable)


def most_pairs(
    having: Mapping[Key, frozenset[Part]],
    whole: Callable[[frozenset[Part]], bool] = bool,
    who: Callable[[Key], Hashable] = lambda key: key,
) -> tuple[list[Key], frozenset[Part]]:
    """Who is compared where not all have everything, and on what: the parts that all of them have, such as prompts.

    They make the most pairs, one with another (by `who`) on one part, of all sets that are tried: from each one on, those are
    added one by one that leave most in common. What they have in common must be `whole`. Without anything in common the one
    that has most is left.
    """
    order = sorted(having, key=lambda key: -len(having[key]))
    best: tuple[tuple[int, int], list[Key], frozenset[Part]] = ((-1, -1), [], frozenset())
    for common in _tried(list(dict.fromkeys(having[key] for key in order))):
        kept = [key for key in having if having[key] >= common]
        pairs = ((len({who(key) for key in kept}) - 1) * len(common), len(kept) * len(common))
        if whole(common) and pairs > best[0]:
            best = (pairs, kept, common)
    return best[1], best[2]


def _tried(sets: Sequence[frozenset[Part]]) -> dict[frozenset[Part], None]:
    """Each set, and what is left of it as it is cut with the others, with the one first that leaves most; in order."""
    tried: dict[frozenset[Part], None] = {}
    for common in sets:
        while common not in tried:
            tried[common] = None
            common = max((common & other for other in sets if not common <= other), key=len, default=common)
    return tried
