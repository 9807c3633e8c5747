"""TTS-VAR against brute force on the spelling model, and the clusters it is made of against their definitions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from spelling_model import CHOICES, STEPS, SpellingJudge, SpellingModel, word_of, worth

from harness.compute.ledger import Cost
from harness.search.clusters import principal, representatives
from harness.search.resampling import SCHEMES
from harness.search.spec import parse_search
from harness.search.tts_var import TTSVar


def patches_of(word: Sequence[int]) -> np.ndarray:
    """Features that are a fixed function of the word, different for every word: float64 [L, E]."""
    return np.random.default_rng([*word, 99]).normal(size=(5, 3)) + 10 * word[0]


class Describing(SpellingJudge):
    """The judge of words, with features beside it."""

    def patches(self, images: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(np.stack([patches_of(word_of(image)) for image in images]))

    def patches_price(self) -> Cost:
        return Cost(verifier_flops=1)


def main_axis(patches_LE: np.ndarray) -> np.ndarray:
    """Patches on the direction in which they vary most, by the covariance's own vectors: float64 [L]."""
    centred = patches_LE - patches_LE.mean(0)
    values, vectors = np.linalg.eigh(centred.T @ centred)
    axis = vectors[:, values.argmax()]
    return centred @ axis * np.sign(axis[np.abs(axis).argmax()])


def test_features_are_patches_on_the_axis_of_most_variance() -> None:
    random = np.random.default_rng(0)
    patches_NLE = random.normal(size=(4, 30, 6)) @ np.diag([1, 1, 5, 2, 1, 1]) + random.normal(size=(4, 1, 6))
    found = principal(torch.from_numpy(patches_NLE))
    assert found == pytest.approx(np.stack([main_axis(each) for each in patches_NLE]), abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_representatives_are_the_nearest_to_the_centres_of_clusters(seed: int) -> None:
    """Far apart, so that every k-means finds them: three clouds, whose rows come mixed and with one far from its own."""
    random = np.random.default_rng(seed)
    labels = np.array([1, 0, 2, 2, 1, 0, 0, 1, 2, 1])
    rows = random.normal(size=(10, 4)) + 100 * labels[:, None]
    nearest = []
    for label in range(3):
        cloud = np.flatnonzero(labels == label)
        centre = rows[cloud].mean(0)
        nearest.append(int(cloud[np.linalg.norm(rows[cloud] - centre, axis=1).argmin()]))
    assert representatives(rows, 3, seed) == sorted(nearest)


def test_where_pictures_are_alike_the_places_are_filled() -> None:
    rows = np.array([[0.0], [0.0], [0.0], [9.0]])
    found = representatives(rows, 3, 0)
    assert len(set(found)) == 3
    assert 3 in found


def brute_tts(task: object, prompt: int, particles: int, scale: float) -> list[tuple[int, ...]]:
    """Three scales: after the first 6 of 8 by clusters, after the second 2 of 8 by reward (the later of two events that meet)."""
    first = [(n,) for n in range(particles)]

    def letter(path: tuple[int, ...], step: int) -> int:
        return task.seed(prompt, path, step) % CHOICES

    words = {path: (letter(path, 0),) for path in first}
    features = principal(torch.from_numpy(np.stack([patches_of(words[path]) for path in first])))
    kept = [first[row] for row in representatives(features, round(particles * 6 / 8), task.seed(prompt, (), 1))]
    words = {path: (*words[path], letter(path, 1)) for path in kept}
    weights = np.exp(scale * np.array([worth(words[path]) for path in kept]))
    random = np.random.default_rng(task.seed(prompt, (), 2))
    counts = SCHEMES["multinomial"](weights / weights.sum(), round(particles * 2 / 8), random)
    children = [(*path, j) for path, count in zip(kept, counts, strict=True) for j in range(count)]
    return [(*words[path[:-1]], letter(path, 2)) for path in children]


@pytest.mark.parametrize("scale", [10.0, 30.0])
def test_tts_var_is_what_brute_force_says(ran, scale: float) -> None:
    search = TTSVar(particles=8, scale=scale)
    assert search.events(STEPS) == {1: ("cluster", 6), 2: ("resample", 2)}
    done = ran(search, SpellingModel(), count=8, judges=[Describing()], max_rows=5)
    for prompt in range(8):
        finished = [word_of(one.image) for one in done.of(prompt) if one.complete]
        assert finished == brute_tts(done.task, prompt, 8, scale)
        looked = [word_of(one.image) for one in done.of(prompt) if not one.complete]
        assert len(looked) == 6


def test_the_published_scale_is_ten() -> None:
    assert parse_search("tts-var").scale == 10
