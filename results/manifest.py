"""The manifest of a run: what was asked for, which must agree for two runs to share a folder, and what made it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from harness.errors import WrongInput
from results.schema import SCHEMA_VERSION

_IN_COMMON = ("schema_version", "configuration", "suite", "models", "verifiers", "metrics")
"""What two runs must have in common to be the same run."""

_KINDS: dict[str, type] = {
    "schema_version": int, "configuration": dict, "configuration.verifiers": list, "configuration.searches": list, "suite": dict,
    "models": dict, "verifiers": dict, "environments": list,
}  # fmt: skip
"""What every manifest has, whatever its schema; what holds another stands before it."""


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


class DamagedManifest(WrongInput):
    """Raised for a manifest that cannot be read, or has not what every manifest has."""


def read_manifest(path: Path) -> dict[str, Any]:
    """A manifest from its file.

    Raises:
        FileNotFoundError: there is none.
        DamagedManifest: it is not one.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        _check(content)
    except (ValueError, RecursionError) as error:
        raise DamagedManifest(
            f"{path} is damaged ({error}): put back a copy of it; or give another folder with --out and this one with --reuse, which takes "
            "its finished units over"
        ) from error
    return dict(content)


def _check(content: Any) -> None:
    """Raise ValueError for what a hand has changed so that nothing can be read of it."""
    if not isinstance(content, dict):
        raise ValueError("it is no object")
    for key, kind in _KINDS.items():
        value: Any = content
        for name in key.split("."):
            value = value.get(name)
        if not isinstance(value, kind):
            raise ValueError(f"{key} is {_short(value)}")


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
