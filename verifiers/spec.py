"""Verifiers as text: NAME, NAME:key=value,…, ensemble:NAME=weight,… or cascade:cheap=NAME,expensive=NAME,keep=N.

What they need is known before anything is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.assignments import assignments, name_of
from harness.errors import WrongInput
from harness.registry import entries, entry
from harness.values import ALL
from harness.weights.local import LocalWeights, build, find, together

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from verifiers.base import Verifier

ENSEMBLE, CASCADE = "ensemble", "cascade"
STAGES = ("cheap", "expensive")
MA = {"aesthetic": "1", "clip-score": "1", "image-reward": "1"}
"""The ensemble of Ma et al. (2501.09732), unweighted: what `ensemble` alone means."""
_NO_FOLDERS = LocalWeights()


@dataclass(frozen=True)
class VerifierSpec:
    """A verifier as asked for."""

    text: str
    """What names it in tables."""
    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What was given, in its types."""
    members: tuple[tuple[VerifierSpec, float], ...] = ()
    """Members and weights of an ensemble given by its members; of a cascade its stages, weighing the same."""
    keep: int | None = None
    """Of a cascade: how many of a prompt's candidates of one round its second stage is asked about; None for all."""

    @property
    def domain(self) -> str:
        """photo or shapes; "" where it judges either."""
        domains = [member.domain for member, _ in self.members if member.domain]
        return next(iter(domains), "") if self.members else entry("verifier", self.name).domain

    @property
    def ensemble(self) -> bool:
        """Whether its number compares within one pool only."""
        return bool(self.members) or entry("verifier", self.name).ensemble

    @property
    def names(self) -> tuple[str, ...]:
        """Its own name and those of its members."""
        return (self.name, *(name for member, _ in self.members for name in member.names))

    @property
    def needs(self) -> tuple[str, ...]:
        """What a generator must be, as "module:protocol"."""
        own = entry("verifier", self.name).needs
        return tuple(dict.fromkeys((*((own,) if own else ()), *(need for member, _ in self.members for need in member.needs))))

    def find(self, local: LocalWeights = _NO_FOLDERS) -> dict[str, Path]:
        """Folder of every role of its published weights, of all members.

        Raises:
            MissingWeights: files are not there.
            DamagedWeights: a file is cut short.
        """
        together(partial(member.find, local) for member, _ in self.members)
        return find(self.name, entry("verifier", self.name), local)

    def without_weights(self, device: torch.device | str = "meta", tiny: bool = False) -> Verifier | None:
        """Its card and prices, of nothing but its configuration; on a real device random weights, to be measured, `tiny` with its
        networks shrunk. None for one that cannot be had so; one that comes with the package has its own weights."""
        from verifiers.random_weights import BUILDERS

        members = [member.without_weights(device, tiny) for member, _ in self.members]
        if self.members:
            return None if None in members else self._joined(members)
        known = entry("verifier", self.name)
        if known.row is None:
            return self.load("cpu" if str(device) == "meta" else device)
        row = replace(known.row, name=self.text)
        return BUILDERS[self.name](row, device, row.merged(self.settings), tiny=tiny) if self.name in BUILDERS else None

    def load(self, device: torch.device | str = "cpu", local: LocalWeights = _NO_FOLDERS) -> Verifier:
        """Load it, with its weights from the hub's cache or from local folders.

        Raises:
            MissingWeights: files are not there.
            DamagedWeights: a file is cut short or is not what it should be.
        """
        if self.members:
            return self._joined([member.load(device, local) for member, _ in self.members])
        known = entry("verifier", self.name)
        if known.row is not None:  # a card carries the name that tables use
            known = replace(known, row=replace(known.row, name=self.text))
        loaded: Verifier = build(known, self.find(local), device, self.settings)
        return loaded

    def _joined(self, members: list[Any]) -> Verifier:
        """The ensemble or cascade of its members."""
        from verifiers.cascade import Cascade
        from verifiers.ensemble import Ensemble

        if self.name == CASCADE:
            cheap, expensive = members
            return Cascade(cheap, expensive, self.text, self.keep)
        return Ensemble(members, self.text, [weight for _, weight in self.members])


def parse_verifier(text: str) -> VerifierSpec:
    """The verifier that a text names.

    Raises:
        UnknownName: a name that is not registered; lists near ones.
        WrongInput: a setting it does not have, or members that do not make an ensemble.
    """
    name = name_of(text)
    known = entry("verifier", name)
    if name == ENSEMBLE:
        return _ensemble(text)
    if name == CASCADE:
        return _cascade(text)
    settings = known.row.settings if known.row is not None else {}
    listing = f"settings of {name}: {', '.join(settings)}" if settings else f"{name} has no settings"
    given = assignments("verifier", text, settings, listing)
    return VerifierSpec(text, name, known.row.typed(given) if given else {})


def _ensemble(text: str) -> VerifierSpec:
    candidates = [name for name, one in entries("verifier").items() if not one.ensemble]
    listing = f"members, each with its weight: {', '.join(candidates)}"
    members = []
    for name, weight in (assignments("verifier", text, candidates, listing) or MA).items():
        try:
            number = float(weight)
        except ValueError:
            number = float("nan")
        if not 0 < number < float("inf"):
            raise WrongInput(f"verifier {text!r}: weight {weight} of {name} is not a number above 0: write {name}=1")
        members.append((parse_verifier(name), number))
    _check_domains(text, members)
    return VerifierSpec(text, ENSEMBLE, members=tuple(members))


def _cascade(text: str) -> VerifierSpec:
    listing = "write cascade:cheap=NAME,expensive=NAME,keep=N, N a whole number from 1, or all"
    given = assignments("verifier", text, (*STAGES, "keep"), listing)
    missing = [key for key in (*STAGES, "keep") if key not in given]
    if missing:
        raise WrongInput(f"verifier {text!r} has no {' and no '.join(missing)}: {listing}")
    kept = given["keep"]
    if kept != ALL and not (kept.isdecimal() and int(kept) > 0):
        raise WrongInput(f"verifier {text!r}: keep={kept} is not a number of candidates: {listing}")
    stages = [(parse_verifier(given[stage]), 1.0) for stage in STAGES]
    if any(stage.name == CASCADE for stage, _ in stages) or given["cheap"] == given["expensive"]:
        raise WrongInput(f"verifier {text!r} is no cascade of two: name two different verifiers, each of one stage")
    _check_domains(text, stages)
    return VerifierSpec(text, CASCADE, members=tuple(stages), keep=None if kept == ALL else int(kept))


def _check_domains(text: str, members: Sequence[tuple[VerifierSpec, float]]) -> None:
    domains = dict.fromkeys(member.domain for member, _ in members if member.domain)
    if len(domains) > 1:
        raise WrongInput(f"verifier {text!r} mixes {' and '.join(domains)}: take members of one domain")
