"""Ablations as data: each is a question and the run that answers it (ablations.toml)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from harness.config import Settings
from harness.config_sources import load_settings
from harness.errors import WrongInput, unknown
from harness.run_folder import default_folder

FILE = "ablations.toml"


@dataclass(frozen=True)
class Ablation:
    """One question: a run, and what of it is compared with what."""

    name: str
    question: str
    vary: Literal["model", "search", "verifier", "method"]
    against: str
    """The value of `vary` that the others are set against; of a method, its model and its search with a space between."""
    run: Mapping[str, Any]
    """Keys of harness/config.py."""
    pairs: Mapping[str, str] = field(default_factory=dict)
    """Values of `vary` that are set against another one than `against`, and which."""

    def reference(self, value: str) -> str:
        """What a value of `vary` is set against; itself where it is what others are set against."""
        return self.pairs.get(value, self.against)

    def settings(self, assignments: Sequence[str], flags: Mapping[str, Any]) -> Settings:
        """The run's settings with what was given on the command line. Raises WrongInput."""
        assigned = {assignment.partition("=")[0].strip() for assignment in assignments}
        own = {key: value for key, value in self.run.items() if key not in assigned}
        return load_settings(None, assignments, own | {key: value for key, value in flags.items() if value is not None})

    def folder(self, settings: Settings) -> Path:
        """Where the run goes without --out: a folder of its own for every configuration."""
        return default_folder(f"ablate-{self.name}-{settings.run().run_name().rpartition('-')[2]}")


@cache
def ablations() -> Mapping[str, Ablation]:
    """All by name, in the order of the file."""
    rows = tomllib.loads((files("harness") / FILE).read_text(encoding="utf-8"))
    return {name: Ablation(name, **row) for name, row in rows.items()}


def ablation(name: str) -> Ablation:
    """The one of this name; raises WrongInput with near names."""
    if name not in ablations():
        raise WrongInput(unknown("ablation", name, list(ablations())))
    return ablations()[name]
