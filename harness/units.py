"""Units of work: the smallest piece that is finished or not, named by a hash of everything that determines it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from harness.ledger import Budget
from models.base import ModelCard
from results.environment import installed_version
from results.manifest import canonical, card_values
from results.schema import SCHEMA_VERSION
from suites.base import Prompt
from verifiers.base import VerifierCard


@dataclass(frozen=True, slots=True)
class WorkUnit:
    """Some prompts under one model, search and seed; a pool serves all verifiers and budgets, another has one each."""

    key: str
    suite: str
    """With the domain written out."""
    model: str
    search: str
    verifiers: tuple[str, ...]
    budgets: Mapping[str, tuple[Budget, ...]]
    """Verifier to the budgets it is given, ascending."""
    seed: int
    prompts: tuple[Prompt, ...]
    keep: frozenset[str]
    """Ids of the prompts whose candidate images are all kept."""
    planned_flops: float
    faulty: tuple[tuple[Prompt, str], ...] = ()
    """Prompts that cannot be run, and why: their scores are NaN."""
    packages: tuple[str, ...] = ()
    """Name and version of other packages that bring a part of it (`Pairing.packages`)."""

    @property
    def title(self) -> str:
        """What is in work, for people."""
        judges = " ".join(self.verifiers)
        largest = max((budget for budgets in self.budgets.values() for budget in budgets), key=lambda b: b.amount)
        count, first, last = len(self.prompts), self.prompts[0].id, self.prompts[-1].id
        prompts = f"prompt {first}" if count == 1 else f"{count} prompts, {first} to {last}"
        return f"{self.model} {self.search} by {judges} at {largest}, {prompts}"


def unit_key(
    model: ModelCard,
    search: str,
    verifiers: Mapping[str, VerifierCard],
    metrics: Mapping[str, VerifierCard],
    suite: tuple[str, str],
    budgets: Mapping[str, tuple[Budget, ...]],
    seed: int,
    prompts: tuple[Prompt, ...],
    keep: frozenset[str],
    faulty: tuple[tuple[Prompt, str], ...] = (),
    features: str = "",
    packages: tuple[str, ...] = (),
) -> str:
    """The hash of everything that determines a unit's rows; `metrics` are the verifiers that measure what it selects,
    `suite` its name and version, `features` the hash of the weights that a search compares pictures by, `packages` others'
    (`Pairing.packages`)."""
    determines = {
        "schema": SCHEMA_VERSION,
        "vistas": installed_version("vistas"),
        "model": card_values(model),
        "search": search,
        "verifiers": {name: _judging(card) for name, card in verifiers.items()},
        "metrics": {name: _judging(card) for name, card in metrics.items()},
        "suite": suite,
        "budgets": {name: [(budget.amount, budget.unit) for budget in given] for name, given in budgets.items()},
        "seed": seed,
        "prompts": [(prompt.id, prompt.text, prompt.task, prompt.metadata) for prompt in prompts],
        "keep": sorted(keep),
        **({"faulty": [(prompt.id, prompt.task, reason) for prompt, reason in faulty]} if faulty else {}),
        **({"features": features} if features else {}),
        **({"packages": packages} if packages else {}),
    }
    return hashlib.sha256(canonical(determines).encode()).hexdigest()[:32]


def _judging(card: VerifierCard) -> str | tuple[str, str]:
    """What determines a verifier's scores, besides the settings in its name."""
    return card.weights_sha256 if card.question is None else (card.weights_sha256, card.question)
