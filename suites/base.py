"""The suite protocol: prompts with their protocol card, and the suite's own evaluator where it has one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from harness.errors import WrongInput
from models.base import Domain, Images

if TYPE_CHECKING:
    import torch

    from harness.weights.local import LocalWeights


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt of a suite."""

    id: str
    """Stable within the suite and domain: GenEval's five-digit folder name, for example."""
    text: str
    task: str
    """The suite's category, such as "two_object"."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """The suite's own record, such as GenEval's requirement object."""


@dataclass(frozen=True, slots=True)
class ProtocolCard:
    """How a suite is run: what a number under its name has to keep to."""

    name: str
    version: str
    source: str
    licence: str
    images_per_prompt: int
    """Of the published number; 0 where nothing is published."""
    tasks: tuple[str, ...]
    overall: str
    """How the overall figure is made of the task figures."""
    overall_over: Literal["tasks", "prompts"] = "tasks"
    """What weighs the same in it."""
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Grade:
    """The suite's verdict on one image; `value` is NaN with a reason when it could not be graded."""

    value: float
    """1.0 correct, 0.0 incorrect, or the suite's own figure."""
    reason: str = ""
    details: str = field(default="", compare=False, repr=False)
    """What its evaluator saw, as JSON, where it says so."""


class CannotGrade(WrongInput):
    """Raised by a suite that has no evaluator of its own for a domain's pictures; says why."""


@runtime_checkable
class Suite(Protocol):
    """A prompt set with a protocol."""

    @property
    def card(self) -> ProtocolCard: ...

    def prompts(self, domain: Domain) -> tuple[Prompt, ...]:
        """All prompts in the suite's order, in the vocabulary of the models' domain."""
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
        """Say where its graders run, and which folders hold their weights in place of the hub's cache; nothing is loaded."""
        ...

    def graders(self, domain: Domain) -> Sequence[tuple[str, ...]]:
        """Names of the published graders of a domain's pictures: of each group, the first whose weights are here judges."""
        ...


@runtime_checkable
class Located(Protocol):
    """A suite whose prompts can be read from a local path."""

    def reading(self, path: Path) -> Suite:
        """The suite with the prompts of this file or folder."""
        ...

    def at_hand(self, domain: Domain) -> bool:
        """Whether its prompts, or that it has none, are known without asking the hub."""
        ...


@runtime_checkable
class Checked(Protocol):
    """A suite that can tell by a prompt alone that its pictures cannot be graded."""

    def check(self, prompt: Prompt, domain: Domain) -> str:
        """Why no picture of this prompt can be graded, "" where it can."""
        ...


@runtime_checkable
class Faulty(Protocol):
    """A suite some of whose prompts may be none that can be run."""

    def faulty(self, domain: Domain) -> tuple[tuple[Prompt, str], ...]:
        """Those prompts, each with the reason and where it stands; not among `prompts`."""
        ...


@runtime_checkable
class Noted(Protocol):
    """A suite with something to say about its prompts."""

    def notes(self, domain: Domain) -> tuple[str, ...]:
        """Sentences about prompts left out, cut off, or not the published ones."""
        ...


def display_name(suite: str, domain: Domain) -> str:
    """A suite's name with the domain written out where it is not photographs: "geneval@shapes"."""
    return suite if domain == "photo" else f"{suite}@{domain}"
