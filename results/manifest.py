"""The manifest of a run: what was asked for, which must agree for two runs to share a folder, and what made it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from results.schema import SCHEMA_VERSION

_IN_COMMON = ("schema_version", "configuration", "suite", "models", "verifiers", "metrics")
"""What two runs must have in common to be the same run."""


def manifest(
    configuration: Mapping[str, Any],
    suite: Mapping[str, Any],
    models: Mapping[str, Any],
    verifiers: Mapping[str, Any],
    metrics: Mapping[str, Any],
    environment: Mapping[str, Any],
    notes: list[str],
) -> dict[str, Any]:
    """A run's manifest; `verifiers` guided, `metrics` only measured, `notes` are the sentences about what was skipped."""
    content = {
        "schema_version": SCHEMA_VERSION,
        "configuration": configuration,
        "suite": suite,
        "models": models,
        "verifiers": verifiers,
        "metrics": metrics,
        "environments": [environment],
        "notes": notes,
    }
    return dict(json.loads(json.dumps(content, default=_plain)))


def canonical(value: Any) -> str:
    """JSON with sorted keys: equal values give equal text."""
    return json.dumps(value, default=_plain, sort_keys=True, ensure_ascii=False)


def card_values(card: Any) -> dict[str, Any]:
    """A card (a dataclass) as field name to value."""
    return {field.name: getattr(card, field.name) for field in fields(card)}


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """What differs in identity, as "path: ours, theirs" sentences; empty when both are the same run."""
    return [line for name in _IN_COMMON for line in _compare(name, ours.get(name), theirs.get(name))]


def _compare(path: str, ours: Any, theirs: Any) -> list[str]:
    if ours == theirs:
        return []
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        names = [*ours, *(name for name in theirs if name not in ours)]
        return [line for name in names for line in _compare(f"{path}.{name}", ours.get(name), theirs.get(name))]
    return [f"{path} is {_short(ours)} here and {_short(theirs)} there"]


def _short(value: Any) -> str:
    text = "absent" if value is None else json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _plain(value: Any) -> Any:
    """JSON for what cards hold besides plain values: mappings, tuples and numbers of array libraries."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if hasattr(value, "item"):
        return value.item()
    return str(value)
