"""Published verifiers as data: the rows of published.toml, read without importing any model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from harness.errors import WrongInput
from harness.values import at_least, like, typed
from harness.weights.repositories import rows, table
from harness.weights.repository import Repository

FILE, FEATURES = "published.toml", "features.toml"


@dataclass(frozen=True)
class PublishedVerifier:
    """One published verifier. Its loader is called with (verifier, folders by role, device, settings)."""

    name: str
    summary: str
    loader: str
    """ "module:function"."""
    licence: str
    paper: str
    """arXiv identifier, "" where there is none."""
    repositories: Mapping[str, Repository]
    """By role: weights, head, tokenizer."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Defaults of everything that can be set."""
    choices: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Settings that take only these values."""
    least: Mapping[str, int] = field(default_factory=dict)
    """Settings that are numbers from this one up."""
    domain: Literal["photo", "shapes"] = "photo"

    def merged(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """The row's settings, then what was given."""
        return {**self.settings, **overrides}

    def typed(self, given: Mapping[str, str]) -> dict[str, Any]:
        """Settings given as text, in the types of their defaults.

        Raises:
            WrongInput: a value of the wrong kind.
        """
        return {key: self._typed(key, value) for key, value in given.items()}

    def _typed(self, key: str, value: str) -> Any:
        default = self.settings[key]
        kind = at_least(self.least[key], like(default)) if key in self.least else like(default)
        if key in self.choices and value not in self.choices[key]:
            raise WrongInput(f"verifier {self.name}: {key}={value} is none of {', '.join(self.choices[key])}")
        try:
            return kind.of(value)
        except ValueError as error:
            raise WrongInput(f"verifier {self.name}: {key}={value} is not {error}: write {key}={typed(default)}, for example") from None


@cache
def published_verifiers() -> Mapping[str, PublishedVerifier]:
    """Every row by name, in the order of the file."""
    return read_verifiers(table("verifiers", FILE))


@cache
def published_features() -> Mapping[str, PublishedVerifier]:
    """Networks that describe pictures and score none, by name."""
    return rows(PublishedVerifier, "network of features", table("verifiers", FEATURES))


def read_verifiers(content: Mapping[str, Any]) -> dict[str, PublishedVerifier]:
    """The rows of a registry file. Raises ValueError for a key that is unknown or missing."""
    return rows(PublishedVerifier, "verifier", content)
