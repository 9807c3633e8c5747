"""Published generators as data: the rows of published.toml, read without importing any model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from harness.entry import beside
from harness.errors import WrongInput
from harness.weights.repositories import rows, table
from harness.weights.repository import Repository

FILE = "published.toml"
PRESET = "preset"
ROLES = ("weights", "vae", "text_encoder")


@dataclass(frozen=True)
class PublishedModel:
    """One published generator. Its loader is called with (model, folders by role, device, settings)."""

    name: str
    summary: str
    family: Literal["ar", "diffusion"]
    generator: str
    """ "module:class"."""
    loader: str
    """ "module:function"."""
    licence: str
    paper: str
    """arXiv identifier, "" where there is none."""
    settings: Mapping[str, Any]
    """Defaults of everything that can be set."""
    repositories: Mapping[str, Repository]
    """By role: weights, vae, text_encoder."""
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Named groups of settings."""
    variant: str = ""
    """Suffix of the weight files to take (diffusers)."""
    domain: Literal["photo", "shapes"] = "photo"
    sheet: str = ""
    """ "module:function" that works out prices and memory from the configuration (models/sheet.py)."""

    def check(self, settings: Mapping[str, Any]) -> None:
        """Refuse settings that the model cannot have, where `check` is beside its loader; no weights are needed. Raises WrongInput."""
        check = beside(self.loader, "check") if self.loader else None
        if check is not None:
            check(self, settings)

    @property
    def bytes(self) -> int:
        """Size of everything it needs."""
        return sum(repository.bytes for repository in self.repositories.values())

    @property
    def gated(self) -> bool:
        """Whether terms have to be accepted before a download."""
        return any(repository.gated for repository in self.repositories.values())

    def merged(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """The row's settings, then the preset's, then what was given; which preset it was is left out.

        Raises:
            WrongInput: a preset or a setting that the model does not have.
        """
        preset = overrides.get(PRESET, self.settings.get(PRESET))
        if preset is not None and preset not in self.presets:
            known = ", ".join(self.presets) or "none"
            raise WrongInput(f"model {self.name} has no preset {preset!r}: presets of {self.name} are {known}")
        unknown = [key for key in overrides if key not in self.settings and key != PRESET]
        if unknown:
            raise WrongInput(f"model {self.name} has no setting {unknown[0]!r}: its settings are {', '.join(self.settings)}")
        group = self.presets[preset] if preset is not None else {}
        merged = {**self.settings, **group, **overrides}
        merged.pop(PRESET, None)
        return merged


@cache
def published_models() -> Mapping[str, PublishedModel]:
    """Every row by name, in the order of the file."""
    return read_models(table("models", FILE))


def read_models(content: Mapping[str, Any]) -> dict[str, PublishedModel]:
    """The rows of a registry file, in which every role is a key of its own. Raises ValueError for a key that is unknown or missing."""
    return rows(PublishedModel, "model", {name: _by_role(row) for name, row in content.items()})


def _by_role(row: Mapping[str, Any]) -> dict[str, Any]:
    others = {key: value for key, value in row.items() if key not in ROLES}
    return {**others, "repositories": {**row.get("repositories", {}), **{role: row[role] for role in ROLES if role in row}}}
