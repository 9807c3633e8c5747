"""Why a run has no unit in common with another: what their manifests say of all that determines a unit's pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.values import ALL

_COMPARED = {
    "chunk": ("configuration", "chunk"),
    "keep": ("configuration", "keep"),
    "sample_seed": ("configuration", "sample_seed"),
    "the budgets' unit": ("configuration", "unit"),
    "the suite": ("suite", "display_name"),
    "the suite's version": ("suite", "version"),
}
"""What two runs must have in common to have any unit in common."""
_LISTED = {"models": "model", "searches": "search", "seeds": "seed", "budgets": "budget"}
"""Lists of the configuration of which two runs must share something."""


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """What two runs differ in that keeps units apart, from their manifests, as sentences; [] where these do not tell."""
    if ours["schema_version"] != theirs["schema_version"]:  # and the manifest of another schema may lack the rest
        return [*_said("the schema", ours["schema_version"], theirs["schema_version"])]
    return [*_plain(ours, theirs), *_lists(ours["configuration"], theirs["configuration"]), *_cards(ours, theirs), *_prompts(ours, theirs)]


def _plain(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[str]:
    for name, path in _COMPARED.items():
        yield from _said(name, _at(ours, path), _at(theirs, path))
    yield from _said("vistas", _versions(ours), _versions(theirs))


def _lists(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[str]:
    for key, what in _LISTED.items():
        own, other = ours.get(key, ()), theirs.get(key, ())
        if ALL in (*own, *other):  # of searches; which they are depends on the models
            continue
        if not any(one in other for one in own):
            yield f"no {what} is in both: {_names(own)} here and {_names(other)} there"
        elif key == "budgets" and own != other:
            yield (f"budgets are {_names(own)} here and {_names(other)} there, and of searches whose pool serves them all, such as "
                   "random, they have to be the same")  # fmt: skip


def _cards(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[str]:
    yield from _said("verifiers", _names(ours["verifiers"]), _names(theirs["verifiers"]))
    for kind in ("models", "verifiers"):
        for name, card in ours[kind].items():
            there = theirs[kind].get(name, card)
            for key in ("weights_sha256", "question", "settings"):
                if card.get(key) != there.get(key):
                    yield f"{key} of {name} are others"


def _prompts(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[str]:
    here, there, chunk = ours["suite"]["prompts_run"], theirs["suite"]["prompts_run"], ours["configuration"]["chunk"]
    if min(here, there) < chunk:
        yield from _said("prompts", here, there, f", which have no whole chunk of {chunk} in common")


def _said(name: str, own: Any, other: Any, rest: str = "") -> Iterator[str]:
    if own != other:
        yield f"{name} {'are' if name.endswith('s') and name != 'vistas' else 'is'} {own} here and {other} there{rest}"


def _at(values: Any, path: Sequence[str]) -> Any:
    for key in path:
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


def _versions(manifest: Mapping[str, Any]) -> str:
    found = (_at(one, ("packages", "vistas")) for one in manifest.get("environments", ()))
    return ", ".join(sorted({str(one) for one in found if one is not None}))


def _names(values: Any) -> str:
    return ", ".join(f"{one:g}" if isinstance(one, float) else str(one) for one in values) or "none"
