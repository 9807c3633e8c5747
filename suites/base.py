"""The suite protocol: prompts with their protocol card, and the suite's own evaluator if it has one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

from harness.errors import WrongInput
from models.base import Domain, Images

if TYPE_CHECKING:
    import torch

    from harness.weights.local import LocalWeights


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt of a suite."""

    id: str
    """Does not change within the suite and domain; for example GenEval's five-digit folder name."""
    text: str
    task: str
    """The suite's category, such as "two_object"."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """The suite's own record, such as GenEval's requirement object."""


Ends: TypeAlias = tuple[float | None, float | None]
"""The least and the most that a score can be, None where it has no such end."""
ROUNDING = 1e-6
"""How far beyond its ends a sum of floats may lie, such as a cosine."""


@dataclass(frozen=True, slots=True)
class ProtocolCard:
    """How a suite is run: the rules for a number that is published under its name."""

    name: str
    version: str
    source: str
    licence: str
    images_per_prompt: int
    """Images per prompt behind the suite's published numbers; 0 if nothing is published."""
    tasks: tuple[str, ...]
    overall: str
    """How the overall number is computed from the numbers of the tasks."""
    overall_over: Literal["tasks", "prompts"] = "tasks"
    """What has equal weight in the overall number."""
    scores: Mapping[Domain, Mapping[str, Ends]] = field(default_factory=dict)
    """By domain the tasks whose grades are scores, with their ends; the grades of all other tasks say right (1) or wrong (0)."""
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Grade:
    """The suite's verdict on one image; `value` is NaN with a reason if it could not be graded."""

    value: float
    """1 for right and 0 for wrong, or a score within its ends: as the card declares of the task."""
    reason: str = ""
    details: str = field(default="", compare=False, repr=False)
    """What the evaluator saw, as JSON, if it reports this."""
    absent: bool = False
    """Whether it could not be graded because weights of the evaluator are not on this machine."""


class UndeclaredGrade(WrongInput):
    """Raised for a grade that a suite's card does not declare: the suite is wrong, whatever is drawn."""


def check_grades(card: ProtocolCard, domain: Domain, prompts: Sequence[Prompt], grades: Sequence[Grade]) -> None:
    """Raise UndeclaredGrade where the grade of prompt n is none that the card declares of its task; NaN always may be."""
    for prompt, grade in zip(prompts, grades, strict=True):
        ends = card.scores.get(domain, {}).get(prompt.task)
        if math.isnan(grade.value) or (grade.value in (0, 1) if ends is None else _within(grade.value, ends)):
            continue
        least, most = ends or (0, 1)
        rule = "says right or wrong, 1 or 0" if ends is None else f"is a score from {least} to {most}"
        raise UndeclaredGrade(
            f"grade {grade.value} of prompt {prompt.id}: by the card of {card.name} a grade of {prompt.task or 'a prompt without a task'} "
            f"{rule}; correct the grader, or `scores` of the card"
        )


def _within(value: float, ends: Ends) -> bool:
    least, most = ends
    return (least is None or least - ROUNDING <= value) and (most is None or value <= most + ROUNDING)


class CannotGrade(WrongInput):
    """Raised by a suite that has no evaluator of its own for a domain's pictures; says why."""


@runtime_checkable
class Suite(Protocol):
    """A prompt set with a protocol."""

    @property
    def card(self) -> ProtocolCard: ...

    def prompts(self, domain: Domain) -> tuple[Prompt, ...]:
        """All prompts in the suite's order, in the vocabulary of the given domain."""
        ...

    def grade(self, images: Images, prompts: Sequence[Prompt], domain: Domain) -> list[Grade]:
        """The suite's own verdict on image n for prompt n.

        Raises:
            CannotGrade: it has no evaluator for these pictures.
            MissingWeights: its evaluator's weights are not on this machine; says how to get them.
        """
        ...


@runtime_checkable
class Equipped(Protocol):
    """A suite whose graders are networks."""

    def equip(self, device: torch.device, weights: LocalWeights) -> None:
        """Receive the device of its graders, and the folders to read weights from instead of the hub's cache; loads nothing."""
        ...

    def graders(self, domain: Domain) -> Sequence[tuple[str, ...]]:
        """Names of the published graders for pictures of a domain; of each group, the first whose weights are installed judges."""
        ...


@runtime_checkable
class Located(Protocol):
    """A suite whose prompts can be read from a local path."""

    def reading(self, path: Path) -> Suite:
        """The suite with the prompts of this file or folder."""
        ...

    def at_hand(self, domain: Domain) -> bool:
        """Whether it is known without asking the hub which prompts it has, or that they are missing."""
        ...


@runtime_checkable
class Checked(Protocol):
    """A suite that can tell, from a prompt alone, that the prompt's pictures cannot be graded."""

    def check(self, prompt: Prompt, domain: Domain) -> str:
        """Why no picture of this prompt can be graded, "" if they can be."""
        ...


@runtime_checkable
class Faulty(Protocol):
    """A suite that may contain prompts which cannot be run."""

    def faulty(self, domain: Domain) -> tuple[tuple[Prompt, str], ...]:
        """Those prompts, each with the reason and its place in the file; they are not among `prompts`."""
        ...


@runtime_checkable
class Noted(Protocol):
    """A suite that has notes about its prompts for the user."""

    def notes(self, domain: Domain) -> tuple[str, ...]:
        """Sentences about prompts that were left out or cut off, or that are not the published ones."""
        ...


def display_name(suite: str, domain: Domain) -> str:
    """A suite's name, with the domain written out if it is not photographs: "geneval@shapes"."""
    return suite if domain == "photo" else f"{suite}@{domain}"
