"""Graders with published weights as data: the rows of published.toml, read without importing any model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from harness.errors import WrongInput
from harness.weights.repositories import rows, table
from harness.weights.repository import Repository

if TYPE_CHECKING:
    import torch

    from harness.weights.local import LocalWeights

FILE = "published.toml"


@dataclass(frozen=True)
class PublishedGrader:
    """One grader. Its loader is called with (grader, folders by role, device, settings)."""

    name: str
    summary: str
    loader: str
    """ "module:function"."""
    licence: str
    paper: str
    """arXiv identifier."""
    repositories: Mapping[str, Repository]
    """By role."""
    domain: Literal["photo"] = "photo"

    def merged(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """Settings with overrides: a grader has none, or its scores would not be its own.

        Raises:
            WrongInput: a setting was given.
        """
        if overrides:
            raise WrongInput(f"grader {self.name} has no setting {next(iter(overrides))!r}: it takes none")
        return {}


@cache
def published_graders() -> Mapping[str, PublishedGrader]:
    """Every row by name, in the order of the file."""
    return rows(PublishedGrader, "grader", table("suites", FILE))


def load_grader(names: Sequence[str], device: torch.device | str, local: LocalWeights) -> Any:
    """Load the first of these graders whose weights are on this machine.

    Raises:
        MissingWeights: none is; says how to get the first.
        DamagedWeights: its weights are not what they should be.
        WrongInput: it does not see what is there.
    """
    import torch

    from harness.registry import entry
    from harness.weights.local import build, find, found

    known = {name: entry("grader", name) for name in names}
    name = next((name for name, one in known.items() if found(name, one, local)), names[0])
    return build(known[name], find(name, known[name], local), torch.device(device))
