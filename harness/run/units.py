"""Units of work: the smallest piece that is finished or not, named by a hash of everything that determines it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from harness.compute.amounts import budgets
from harness.compute.ledger import Budget
from models.base import ModelCard
from results.environment import installed_version
from results.manifest import canonical, card_values
from results.schema import SCHEMA_VERSION
from suites.base import Prompt
from verifiers.base import VerifierCard


@dataclass(frozen=True, kw_only=True)
class Determinants:
    """Everything that determines a unit's rows.

    What is added here belongs into `key`, left out where a unit is without it, and into what tells two runs apart
    (results/run_differences.py).
    """

    card: ModelCard
    search: str
    verifiers: Mapping[str, VerifierCard]
    """Those that guide; a pool serves several."""
    metrics: Mapping[str, VerifierCard]
    """Those that measure what is selected."""
    suite: str
    """With the domain written out."""
    suite_version: str
    budgets: Mapping[str, tuple[Budget, ...]]
    """Verifier to the budgets it is given, ascending."""
    seed: int
    prompts: tuple[Prompt, ...]
    keep: frozenset[str]
    """Ids of the prompts whose candidate images are all kept."""
    faulty: tuple[tuple[Prompt, str], ...] = ()
    """Prompts that cannot be run, and why: their scores are NaN."""
    features: str = ""
    """Hash of the weights that the search compares pictures by."""
    packages: tuple[str, ...] = ()
    """Name and version of other packages that bring a part of its pictures (`Pairing.packages`)."""
    metric_packages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Metric to those that bring it, where there are any."""

    @cached_property
    def key(self) -> str:
        """The hash of all of it: the unit's name, the same wherever it is planned; `results.reuse.pictures_hash` is its first part."""
        return f"{self._pictures}-{_hash(self.judging)[:8]}"

    @property
    def judging(self) -> dict[str, str]:
        """By name, what determines the scores of each of the metrics."""
        return {name: " ".join((_judging(card), *self.metric_packages.get(name, ()))) for name, card in self.metrics.items()}

    @property
    def all_packages(self) -> tuple[str, ...]:
        """Of pictures and metrics."""
        return tuple(sorted({*self.packages, *(one for some in self.metric_packages.values() for one in some)}))

    @property
    def _pictures(self) -> str:
        """The hash of everything but the metrics, on which nothing depends that is drawn or chosen."""
        determines = {
            "schema": SCHEMA_VERSION,
            "vistas": installed_version("vistas"),
            "model": card_values(self.card),
            "search": self.search,
            "verifiers": {name: _judging(card) for name, card in self.verifiers.items()},
            "suite": (self.suite, self.suite_version),
            "budgets": {name: [(budget.amount, budget.unit) for budget in given] for name, given in self.budgets.items()},
            "seed": self.seed,
            "prompts": [(prompt.id, prompt.text, prompt.task, prompt.metadata) for prompt in self.prompts],
            "keep": sorted(self.keep),
            **({"faulty": [(prompt.id, prompt.task, reason) for prompt, reason in self.faulty]} if self.faulty else {}),
            **({"features": self.features} if self.features else {}),
            **({"packages": self.packages} if self.packages else {}),
        }
        return _hash(determines)[:24]


@dataclass(frozen=True, kw_only=True)
class WorkUnit(Determinants):
    """Some prompts under one model, search and seed; a pool serves all verifiers and budgets, another has one each."""

    model: str
    """What the run calls it."""
    planned_flops: float

    @property
    def title(self) -> str:
        """What is in work, for people."""
        judges = " ".join(self.verifiers)
        amounts = sorted({budget.amount for budgets in self.budgets.values() for budget in budgets})
        unit = next(iter(self.budgets.values()))[0].unit.value
        count, first, last = len(self.prompts), self.prompts[0].id, self.prompts[-1].id
        prompts = f"prompt {first}" if count == 1 else f"{count} prompts, {first} to {last}"
        return f"{self.model} {self.search} by {judges} at {budgets(amounts, unit)}, seed {self.seed}, {prompts}"


def _judging(card: VerifierCard) -> str:
    """What determines a verifier's scores, besides the settings in its name."""
    return card.weights_sha256 if card.question is None else f"{card.weights_sha256} {card.question}"


def _hash(determines: object) -> str:
    return hashlib.sha256(canonical(determines).encode()).hexdigest()
