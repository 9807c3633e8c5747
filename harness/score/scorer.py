"""Samples to everything that an evaluator finds about their pictures, in order, or why there is nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from harness.run.evaluator import Evaluator
from results.schema import GRADE
from suites.base import Checked, Grade
from suites.layouts.base import Sample
from suites.pictures import MOST_PIXELS, read_picture

BATCH = 32
"""Most pictures in memory at once; large ones are fewer, all together of no more pixels than one may have."""
NAN = float("nan")


@dataclass(frozen=True)
class Scored:
    """One sample with everything that was found about it."""

    sample: Sample
    metrics: Mapping[str, tuple[float, str]]
    """Metric to value and reason."""
    details: str = ""
    cut: frozenset[str] = frozenset()
    """Metrics whose verifier has not read the prompt to its end."""


@dataclass(frozen=True)
class _Read:
    """One sample with its picture, or why it has none."""

    sample: Sample
    image: torch.Tensor | None
    fault: str


@dataclass(frozen=True)
class Scorer:
    """Reads the pictures of samples, as many at once as may be in memory, and has those of one size judged together."""

    evaluator: Evaluator

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of everything that is measured of an image: no grade where the suite has none in this domain."""
        return tuple(name for name in self.evaluator.metrics if name != GRADE or not self.evaluator.cannot_grade)

    def score(self, samples: Sequence[Sample]) -> Iterator[Scored]:
        """Every sample in order; one that cannot be scored is NaN under every metric, with the reason."""
        for batch in _read(samples):
            yield from self._batch(batch)

    def _batch(self, batch: Sequence[_Read]) -> list[Scored]:
        found: dict[int, Scored] = {}
        by_size: dict[tuple[int, ...], list[tuple[int, torch.Tensor]]] = {}
        for n, one in enumerate(batch):
            if one.image is None:
                found[n] = Scored(one.sample, dict.fromkeys(self.metrics, (NAN, one.fault)))
            else:
                by_size.setdefault(tuple(one.image.shape), []).append((n, one.image))
        for group in by_size.values():
            some = [batch[n].sample for n, _ in group]
            results = self._images(torch.stack([image for _, image in group]), some)
            found |= {n: result for (n, _), result in zip(group, results, strict=True)}
        return [found[n] for n in range(len(batch))]

    def _images(self, images: torch.Tensor, samples: Sequence[Sample]) -> list[Scored]:
        prompts = [one.prompt for one in samples]
        metrics = self.evaluator.scores(images, prompts)
        details = [""] * len(samples)
        if not self.evaluator.cannot_grade:
            for n, grade in enumerate(self._grades(images, samples)):
                metrics[n][GRADE] = (grade.value, grade.reason)
                details[n] = grade.details
        return [Scored(*each) for each in zip(samples, metrics, details, self.evaluator.cut(prompts), strict=True)]

    def _grades(self, images: torch.Tensor, samples: Sequence[Sample]) -> list[Grade]:
        grades = [Grade(NAN, self._reason(one)) for one in samples]
        sound = [n for n, grade in enumerate(grades) if not grade.reason]
        found = self.evaluator.grades(images[sound], [samples[n].prompt for n in sound])
        for n, grade in zip(sound, found, strict=True):
            grades[n] = grade
        return grades

    def _reason(self, sample: Sample) -> str:
        """File and reason why no picture of the sample's prompt can be graded."""
        suite = self.evaluator.suite
        reason = suite.check(sample.prompt, self.evaluator.domain) if isinstance(suite, Checked) else ""
        return f"{sample.where}: {reason}" if reason and sample.where else reason


def _read(samples: Sequence[Sample]) -> Iterator[list[_Read]]:
    """Samples with their pictures, as many at once as may be in memory."""
    batch: list[_Read] = []
    pixels = 0
    for sample in samples:
        one = _image(sample)
        more = 0 if one.image is None else one.image[0].numel()
        if batch and (len(batch) == BATCH or pixels + more > MOST_PIXELS):
            yield batch
            batch, pixels = [], 0
        batch.append(one)
        pixels += more
    if batch:
        yield batch


def _image(sample: Sample) -> _Read:
    if sample.fault or sample.path is None:
        return _Read(sample, None, sample.fault)
    picture = read_picture(sample.path)
    return _Read(sample, picture.image, f"{sample.path}: {picture.fault}" if picture.fault else "")
