"""Searches on a generator so small that every image it can make is enumerated: what they find is what there is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from readable_model import Words
from spelling_model import STEPS, TABLE, Spelled, SpellingJudge, SpellingModel, drawn, worth

from harness.search.spec import parse_search


def best_of(done: Any) -> float:
    return max(one.values_M[0] for one in done.of() if one.complete)


def test_with_full_width_beam_finds_the_optimum(ran) -> None:
    """As wide as there are words, with so many children that every letter is among them."""
    for text in ("beam:width=64,candidates=40", "lookahead:width=64,candidates=40,scales=1/2"):
        done = ran(parse_search(text), SpellingModel(), count=1, judges=[SpellingJudge()], max_rows=500)
        assert best_of(done) == max(TABLE.values()), text
    narrow = ran(parse_search("beam:width=1,candidates=2"), SpellingModel(), count=1, judges=[SpellingJudge()])
    assert best_of(narrow) < max(TABLE.values())


def test_with_previews_that_know_the_future_beam_follows_them_to_the_optimum(ran) -> None:
    for text in ("beam:width=2,candidates=16,score=preview", "greedy:candidates=24,score=preview"):
        done = ran(parse_search(text), SpellingModel(), count=1, judges=[SpellingJudge(reach=True)])
        assert best_of(done) == max(TABLE.values()), text


def brute_beam(task: Any, width: int, children: int, score: str) -> float:
    """The same search by hand: whole words from their seeds, sorted lists, no states."""
    frontier: list[tuple[int, ...]] = [()]
    best = -1.0
    for step in range(STEPS):
        count = children * (width if step == 0 else 1)
        found = [(*parent, j) for parent in frontier for j in range(count)]
        words = {path: drawn(task, path) for path in found}
        finished = score == "rollout" or step == STEPS - 1
        values = {path: worth(word) if finished else worth(word[: step + 1]) for path, word in words.items()}
        if finished:
            best = max(best, *values.values())
        frontier = sorted(found, key=lambda path: -values[path])[:width]
        # Survivors in the order in which they were made, as the search carries its rows.
        frontier = [path for path in found if path in frontier]
    return best


@pytest.mark.parametrize(("text", "width", "children", "score"), [
    ("beam:width=3,candidates=2", 3, 2, "rollout"), ("beam:width=2,candidates=3,score=preview", 2, 3, "preview"),
    ("greedy:candidates=3", 1, 3, "rollout"), ("greedy:candidates=4,score=preview", 1, 4, "preview"),
    ("lookahead:width=2,candidates=2,scales=1/2", 2, 2, "rollout"),
])  # fmt: skip
def test_beam_and_greedy_are_what_brute_force_says(ran, text: str, width: int, children: int, score: str) -> None:
    done = ran(parse_search(text), SpellingModel(), count=1, judges=[SpellingJudge()], max_rows=5)
    assert best_of(done) == brute_beam(done.task, width, children, score)


def test_sharing_changes_the_cost_and_no_image(ran) -> None:
    shared = ran(parse_search("beam:width=2,candidates=3"), SpellingModel(), count=2, judges=[SpellingJudge()])

    class Alone(SpellingModel):
        """Every row passes by itself: nothing is shared, and nothing kept for the children of a rollout."""

        def start(self, conditioning: Words, rows: Sequence[Any]) -> Any:
            return Lonely(**vars(super().start(conditioning, rows)))

    class Lonely(Spelled):
        @property
        def pending(self) -> tuple[int, ...]:
            return () if self.step == STEPS or self.predicted else tuple(range(len(self.rows)))

    alone = ran(parse_search("beam:width=2,candidates=3"), Alone(), count=2, judges=[SpellingJudge()], max_rows=1)
    for prompt in range(2):
        pairs = zip(shared.of(prompt), alone.of(prompt), strict=True)
        assert all(torch.equal(one.image, other.image) and one.path == other.path for one, other in pairs)
