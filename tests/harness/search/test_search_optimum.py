"""Searches on a generator so small that every image it can make is enumerated: what they find is what there is."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from harness.ledger import Cost
from harness.search.potentials import Particle
from harness.search.resampling import SCHEMES, effective, normalised
from harness.search.spec import parse
from models.base import ModelCard
from verifiers.base import Scores, VerifierCard

STEPS, CHOICES = 3, 4
TABLE = {path: value for value, path in zip(
    np.random.default_rng(7).permutation(CHOICES**STEPS) / CHOICES**STEPS,
    itertools.product(range(CHOICES), repeat=STEPS), strict=True,
)}  # fmt: skip
"""Every finished image and its score, all different."""


@dataclass(frozen=True)
class Words:
    prompts: tuple[str, ...]
    text_tokens: tuple[int, ...]


@dataclass(frozen=True)
class Spelled:
    conditioning: Words
    rows: tuple[Any, ...]
    letters: tuple[tuple[int, ...], ...]
    step: int = 0
    predicted: bool = False
    pending_preview: tuple[int, ...] = ()

    @property
    def pending(self) -> tuple[int, ...]:
        if self.predicted or self.step == STEPS:
            return ()
        first = {(row.prompt, word): n for n, (row, word) in reversed(list(enumerate(zip(self.rows, self.letters, strict=True))))}
        return tuple(sorted(first.values()))


class Speller:
    """Each draw is one of four letters, named by the last number of its seed; an image is its word."""

    device = torch.device("cpu")
    card = ModelCard("speller", "ar", "shapes", STEPS, (1, STEPS), 1, "0" * 64, "none", {})

    def encode(self, prompts: Sequence[str]) -> Words:
        return Words(tuple(prompts), self.text_tokens(prompts))

    def text_tokens(self, prompts: Sequence[str]) -> tuple[int, ...]:
        return (1,) * len(prompts)

    def start(self, conditioning: Words, rows: Sequence[Any]) -> Spelled:
        return Spelled(conditioning, tuple(rows), ((),) * len(rows))

    def predict(self, state: Spelled) -> Spelled:
        return replace(state, predicted=True)

    def draw(self, state: Spelled, seeds: Sequence[int]) -> Spelled:
        words = tuple((*word, seed % CHOICES) for word, seed in zip(state.letters, seeds, strict=True))
        return replace(state, letters=words, step=state.step + 1, predicted=False)

    def select(self, state: Spelled, indices: Sequence[int]) -> Spelled:
        return replace(state, rows=tuple(state.rows[n] for n in indices), letters=tuple(state.letters[n] for n in indices))

    def preview(self, state: Spelled) -> torch.Tensor:
        return self.decode(state)

    def decode(self, state: Spelled) -> torch.Tensor:
        padded = [word + (CHOICES,) * (STEPS - len(word)) for word in state.letters]
        return torch.tensor(padded, dtype=torch.uint8).view(-1, 1, 1, STEPS).expand(-1, 3, 1, STEPS)

    def price(self, operation: str, step: int = 0, text_tokens: int = 0) -> Cost:
        return {"encode": Cost(text_flops=1), "predict": Cost(forwards=1, model_flops=10 * (step + 1)), "draw": Cost(nfe=1),
                "preview": Cost(decode_flops=2), "decode": Cost(decode_flops=2, images=1)}[operation]  # fmt: skip

    def log_prob(self, state: Spelled) -> torch.Tensor:
        return torch.zeros(len(state.rows), dtype=torch.float64)


class Lexicon:
    """The score of a word; of a prefix the mean of all words it begins."""

    card = VerifierCard("judge", "shapes", (0.0, 1.0), ("judge",), "0" * 64, "none")

    def __init__(self, constant: bool = False, reach: bool = False) -> None:
        self.constant = constant
        self.value = reachable if reach else worth

    def score(self, images: torch.Tensor, prompts: Sequence[str]) -> Scores:
        values = [[0.5 if self.constant else self.value(word_of(image))] for image in images]
        return Scores(np.array(values), ("",) * len(prompts))

    def forget(self) -> None: ...

    def combine(self, values_NM: np.ndarray) -> np.ndarray:
        return values_NM[:, 0]

    def price(self, images: int, new_prompts: int = 0) -> Cost:
        return Cost(verifier_flops=3 * images + new_prompts, verifier_calls=images)


def word_of(image: torch.Tensor) -> tuple[int, ...]:
    return tuple(letter for letter in image[0, 0].tolist() if letter < CHOICES)


def worth(prefix: tuple[int, ...]) -> float:
    return float(np.mean([value for word, value in TABLE.items() if word[: len(prefix)] == prefix]))


def reachable(prefix: tuple[int, ...]) -> float:
    """The best that can become of a prefix."""
    return max(value for word, value in TABLE.items() if word[: len(prefix)] == prefix)


def drawn(task: Any, path: tuple[int, ...], upto: int = STEPS) -> tuple[int, ...]:
    """The word of a path, straight from its seeds: draws after its last branching are named after the whole path."""
    return tuple(task.seed(0, path[: step + 1], step) % CHOICES for step in range(upto))


def best_of(done: Any) -> float:
    return max(one.values_M[0] for one in done.of() if one.complete)


def test_with_full_width_beam_finds_the_optimum(ran) -> None:
    """As wide as there are words, with so many children that every letter is among them."""
    for text in ("beam:width=64,candidates=40", "lookahead:width=64,candidates=40,scales=1/2"):
        assert best_of(ran(parse(text), Speller(), count=1, judges=[Lexicon()], max_rows=500)) == max(TABLE.values()), text
    narrow = ran(parse("beam:width=1,candidates=2"), Speller(), count=1, judges=[Lexicon()])
    assert best_of(narrow) < max(TABLE.values())


def test_with_previews_that_know_the_future_beam_follows_them_to_the_optimum(ran) -> None:
    for text in ("beam:width=2,candidates=16,score=preview", "greedy:candidates=24,score=preview"):
        done = ran(parse(text), Speller(), count=1, judges=[Lexicon(reach=True)])
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
    done = ran(parse(text), Speller(), count=1, judges=[Lexicon()], max_rows=5)
    assert best_of(done) == brute_beam(done.task, width, children, score)


def brute_smc(task: Any, particles: int, looks: Sequence[int], scale: float, scheme: str) -> list[tuple[int, ...]]:
    """FK steering by hand on paths and words: always resampled, potential the highest reward so far."""
    paths: list[tuple[int, ...]] = [(n,) for n in range(particles)]
    words: list[tuple[int, ...]] = [()] * particles
    highest = [-np.inf] * particles
    for step in range(STEPS):
        words = [(*word, task.seed(0, path, step) % CHOICES) for path, word in zip(paths, words, strict=True)]
        if step + 1 in looks:
            highest = [max(high, worth(word)) for high, word in zip(highest, words, strict=True)]
            weights = np.exp(scale * np.array(highest))
            random = np.random.default_rng(task.seed(0, (), step + 1))
            counts = SCHEMES[scheme](weights / weights.sum(), particles, random)
            chosen = [(n, j) for n, count in enumerate(counts) for j in range(count)]
            paths = [(*paths[n], j) for n, j in chosen]
            words, highest = [words[n] for n, _ in chosen], [highest[n] for n, _ in chosen]
    return words


@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_smc_is_what_brute_force_says(ran, scheme: str) -> None:
    text = f"smc:particles=6,first=0.3,last=0.7,every=0.3,scale=3,resampling={scheme}"
    search = parse(text)
    assert search.looks(STEPS) == (1, 2)
    done = ran(search, Speller(), count=1, judges=[Lexicon()], max_rows=4)
    finished = [word_of(one.image) for one in done.of() if one.complete]
    assert sorted(finished) == sorted(brute_smc(done.task, 6, (1, 2), 3.0, scheme))


@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_with_constant_potentials_smc_samples_the_model(ran, scheme: str) -> None:
    """Every first and last letter as often as the model draws it: chi-square of 60 prompts with 16 particles each."""
    search = parse(f"smc:particles=16,resampling={scheme},first=0.3,last=0.7,every=0.3")
    done = ran(search, Speller(), count=60, judges=[Lexicon(constant=True)], max_rows=400)
    letters = [Counter() for _ in range(STEPS)]
    for prompt in range(60):
        words = [word_of(one.image) for one in done.of(prompt) if one.complete]
        assert len(words) == 16
        # One letter of each prompt: particles of one prompt share ancestors.
        for place in range(STEPS):
            letters[place][words[place][place]] += 1
    for counts in letters:
        expected = 60 / CHOICES
        assert sum((counts[letter] - expected) ** 2 / expected for letter in range(CHOICES)) < 16.3  # p = 0.001, 3 degrees


@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_schemes_have_the_right_expectation(scheme: str) -> None:
    weights = np.array([0.05, 0.3, 0.02, 0.4, 0.0, 0.13, 0.1])
    random = np.random.default_rng(0)
    counts = np.array([SCHEMES[scheme](weights, 5, random) for _ in range(20000)])
    assert (counts.sum(1) == 5).all()
    assert np.abs(counts.mean(0) - 5 * weights).max() < 0.03
    assert (counts[:, 4] == 0).all()
    if scheme != "multinomial":  # each count is its expectation rounded up or down
        assert (np.abs(counts - 5 * weights) < 1).all()


def test_weights() -> None:
    assert effective(np.full(4, 0.25)) == pytest.approx(4)
    assert normalised(np.array([-np.inf, 1000.0, 1000.0])).tolist() == [0, 0.5, 0.5]
    assert normalised(np.array([-np.inf, -np.inf])).tolist() == [0.5, 0.5]


@pytest.mark.parametrize(("potential", "values"), [
    ("max", [2.0, 2.0 + 6.0, 2.0 + 6.0 + 6.0]), ("sum", [2.0, 2.0 + 8.0, 2.0 + 8.0 + 10.0]),
    ("difference", [2.0, 6.0, 2.0]), ("return", [2.0, 8.0, 10.0]),
])  # fmt: skip
def test_potentials(potential: Any, values: list[float]) -> None:
    particle, found = Particle(), []
    for reward in (1.0, 3.0, 1.0):
        particle = particle.seen(reward, potential, 2.0)
        found.append(particle.log_weight)
    assert found == values
    assert particle.seen(float("nan"), potential, 2.0).log_weight == -np.inf
    assert particle.resampled().log_weight == 0


def test_sharing_changes_the_cost_and_no_image(ran) -> None:
    shared = ran(parse("beam:width=2,candidates=3"), Speller(), count=2, judges=[Lexicon()])

    class Alone(Speller):
        """Every row passes by itself: nothing is shared, and nothing kept for the children of a rollout."""

        def start(self, conditioning: Words, rows: Sequence[Any]) -> Any:
            return Lonely(**vars(super().start(conditioning, rows)))

    class Lonely(Spelled):
        @property
        def pending(self) -> tuple[int, ...]:
            return () if self.step == STEPS or self.predicted else tuple(range(len(self.rows)))

    alone = ran(parse("beam:width=2,candidates=3"), Alone(), count=2, judges=[Lexicon()], max_rows=1)
    for prompt in range(2):
        pairs = zip(shared.of(prompt), alone.of(prompt), strict=True)
        assert all(torch.equal(one.image, other.image) and one.path == other.path for one, other in pairs)
