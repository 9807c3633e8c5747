"""What is measured of images that are there, never charged to a search: verifiers' scores and the suite's grade."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import TypeAlias

import torch

from harness.compute.verifier_meter import scored
from harness.memory import Parts
from harness.weights.absent import Absent, AbsentWeights, MissingWeights
from models.base import Domain, Images
from models.blank import NO_NUMBERS, are_blank
from results.schema import GRADE
from suites.base import CannotGrade, Grade, Prompt, Suite, check_grades
from verifiers.base import Scores, Verifier, sharing, truncated_parts

Metrics: TypeAlias = dict[str, tuple[float, str]]
"""Metric name to value and reason."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Everything that is known of one image."""

    metrics: Metrics
    ungraded: bool
    """Whether it has no grade because weights of the suite's graders are not on this machine."""


class Evaluator:
    """All metrics of some verifiers and the suite. An ensemble's members are metrics, its own number is not.

    Where memory runs out, verifiers and the suite are given some images at a time.
    """

    def __init__(
        self, verifiers: Mapping[str, Verifier], suite: Suite, domain: Domain, absent: Sequence[Absent] = ()
    ) -> None:
        """`absent`: weights of the suite's graders that are not on this machine."""
        self.verifiers, self.suite, self.domain = verifiers, suite, domain
        self._scoring, self._grading = Parts(), Parts()
        self._no_grade = no_grade(suite, domain)
        self.cannot_grade = self._no_grade.reason if self._no_grade else ""
        """Why the suite has no verdict in this domain, "" when it has."""
        self.notes = grading_notes(self.cannot_grade, absent)
        """What a person should know of the grades before there are any."""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of everything that `measure` gives of an image, in its order."""
        parts = [part for verifier in self.verifiers.values() for part in verifier.card.parts]
        return (*dict.fromkeys(parts), GRADE)

    def measure(self, images: Images, prompts: Sequence[Prompt], known: Sequence[Metrics]) -> list[Measured]:
        """Every metric of image n for prompt n; known[n] holds the values that the search has already paid for."""
        found = zip(self.scores(images, prompts, known), self.grades(images, prompts), strict=True)
        return [Measured(metrics | {GRADE: (grade.value, grade.reason)}, grade.absent) for metrics, grade in found]

    def scores(self, images: Images, prompts: Sequence[Prompt], known: Sequence[Metrics] = ()) -> list[Metrics]:
        """The verifiers' metrics of image n for prompt n; a pass that several have in common is run once."""
        found: list[Metrics] = [{} for _ in prompts]
        if not prompts:
            return found
        texts = [prompt.text for prompt in prompts]
        with sharing(self.verifiers.values()):
            for verifier in self.verifiers.values():
                parts = verifier.card.parts
                if known and all(part in metrics for metrics in known for part in parts):
                    values: Sequence[Metrics] = known
                elif all(part in found[0] for part in parts):
                    continue
                else:
                    values = measured(scored(verifier, images, texts, self._scoring), parts)
                for metrics, some in zip(found, values, strict=True):
                    metrics |= {part: some[part] for part in parts}
        return found

    def cut(self, prompts: Sequence[Prompt]) -> list[frozenset[str]]:
        """For each prompt, the metrics whose verifier has not read it to its end."""
        found: list[set[str]] = [set() for _ in prompts]
        for verifier in self.verifiers.values():
            for part, flags in truncated_parts(verifier, [prompt.text for prompt in prompts]).items():
                for names, flag in zip(found, flags, strict=True):
                    names |= {part} if flag else set()
        return [frozenset(names) for names in found]

    def grades(self, images: Images, prompts: Sequence[Prompt]) -> list[Grade]:
        """The suite's grade of image n for prompt n; NaN where the suite cannot grade, and of a blank.

        Raises:
            WrongInput: a grade that the suite's card does not declare.
        """
        if self._no_grade or not prompts:
            return [self._no_grade] * len(prompts) if self._no_grade else []
        some = self._grading.run(
            lambda rows: self.suite.grade(images[rows[0] : rows[-1] + 1], prompts[rows[0] : rows[-1] + 1], self.domain), len(prompts)
        )
        every = [grade for grades in some for grade in grades]
        found = [Grade(float("nan"), NO_NUMBERS) if lost else grade for lost, grade in zip(are_blank(images), every, strict=True)]
        check_grades(self.suite.card, self.domain, prompts, found)
        return found


def measured(scores: Scores, parts: Sequence[str]) -> list[Metrics]:
    """A verifier's scores as metrics, one mapping per image."""
    return [as_metrics(parts, values, reason) for values, reason in zip(scores.values_NM, scores.reasons, strict=True)]


def as_metrics(parts: Sequence[str], values_M: Iterable[float], reason: str) -> Metrics:
    """One image's scores; the reason is of the parts that could not score it and not of the others."""
    return {part: (float(value), reason if isnan(value) else "") for part, value in zip(parts, values_M, strict=True)}


def grading_notes(cannot_grade: str, absent: Sequence[Absent]) -> list[str]:
    """A sentence where a suite has no verdict, or, as some of its graders are absent, none on some of its prompts."""
    if cannot_grade:
        return [f"not graded: {cannot_grade}"]
    names = ", ".join(dict.fromkeys(one.name for one in absent))
    return [f"not graded by {names}: {AbsentWeights(absent)}"] if absent else []


def no_grade(suite: Suite, domain: Domain) -> Grade | None:
    """What a suite that has no verdict on a domain's pictures says of each, None when it has; its graders may be loaded to tell.

    Raises:
        DamagedWeights: a grader that is here cannot be used, or whatever else is wrong with it.
    """
    try:
        suite.grade(torch.zeros(0, 3, 1, 1, dtype=torch.uint8), [], domain)
    except (CannotGrade, MissingWeights) as error:
        return Grade(float("nan"), str(error), absent=isinstance(error, MissingWeights))
    return None
