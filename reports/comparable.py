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
    bits = {part: 1 << place for place, part in enumerate({part: None for parts in having.values() for part in parts})}
    masks = {key: sum(bits[part] for part in parts) for key, parts in having.items()}  # thousands of prompts are cut in no time
    order = sorted(having, key=lambda key: -len(having[key]))
    best: tuple[tuple[int, int], list[Key], frozenset[Part]] = ((-1, -1), [], frozenset())
    for mask in _tried(list(dict.fromkeys(masks[key] for key in order))):
        kept = [key for key in having if masks[key] & mask == mask]
        number = mask.bit_count()
        pairs = ((len({who(key) for key in kept}) - 1) * number, len(kept) * number)
        if pairs > best[0] and whole(common := frozenset(part for part, bit in bits.items() if mask & bit)):
            best = (pairs, kept, common)
    return best[1], best[2]


def _tried(sets: Sequence[int]) -> dict[int, None]:
    """Each set, and what is left of it as it is cut with the others, with the one first that leaves most; in order."""
    tried: dict[int, None] = {}
    for common in sets:
        while common not in tried:
            tried[common] = None
            common = max((common & other for other in sets if common & other != common), key=int.bit_count, default=common)
    return tried
