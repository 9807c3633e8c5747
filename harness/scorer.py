"""Samples to everything that is found about them, in order: the suite's grade and verifiers' scores, or why there is none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from harness.judge import GRADE, Metrics, measured
from models.base import Domain
from suites.base import Checked, Grade, Suite
from suites.layouts.base import Sample
from suites.pictures import MOST_PIXELS, read_picture
from verifiers.base import Verifier, sharing, truncated_parts

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


@dataclass
class Scorer:
    """What scores: the suite where it can grade in this domain, and verifiers."""

    suite: Suite
    domain: Domain
    verifiers: Mapping[str, Verifier] = field(default_factory=dict)
    cannot_grade: str = ""
    notes: Sequence[str] = ()
    """What has to be known of the grades."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of everything that is measured of an image."""
        parts = [part for verifier in self.verifiers.values() for part in verifier.card.parts]
        return (*dict.fromkeys(parts), *(() if self.cannot_grade else (GRADE,)))

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
        metrics: list[Metrics] = [{} for _ in samples]
        cut: list[set[str]] = [set() for _ in samples]
        texts = [one.prompt.text for one in samples]
        with sharing(self.verifiers.values()):
            scores = [verifier.score(images, texts) for verifier in self.verifiers.values()]
        for verifier, found in zip(self.verifiers.values(), scores, strict=True):
            for one, more in zip(metrics, measured(found, verifier.card.parts), strict=True):
                one |= more
            for part, flags in truncated_parts(verifier, texts).items():
                for names, flag in zip(cut, flags, strict=True):
                    names |= {part} if flag else set()
        details = [""] * len(samples)
        if not self.cannot_grade:
            for n, grade in enumerate(self._grades(images, samples)):
                metrics[n][GRADE] = (grade.value, grade.reason)
                details[n] = grade.details
        return [
            Scored(sample, values, seen, frozenset(names))
            for sample, values, seen, names in zip(samples, metrics, details, cut, strict=True)
        ]

    def _grades(self, images: torch.Tensor, samples: Sequence[Sample]) -> list[Grade]:
        prompts = [one.prompt for one in samples]
        reasons = [self._reason(one) for one in samples]
        sound = [n for n, reason in enumerate(reasons) if not reason]
        graded = self.suite.grade(images[sound], [prompts[n] for n in sound], self.domain) if sound else []
        grades = [Grade(NAN, reason) for reason in reasons]
        for n, grade in zip(sound, graded, strict=True):
            grades[n] = grade
        return grades

    def _reason(self, sample: Sample) -> str:
        """File and reason why no picture of the sample's prompt can be graded."""
        reason = self.suite.check(sample.prompt, self.domain) if isinstance(self.suite, Checked) else ""
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
