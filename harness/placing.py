"""Where a model's networks may lie: which offloads, and how many devices, its loader and its settings take."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import Any

from harness.entry import Entry
from harness.errors import WrongInput


def check_placing(known: Entry, overrides: Mapping[str, Any], offload: str = "none", divided: bool = False) -> None:
    """Refuse what `check_placing` beside a published model's loader refuses, and keywords that the loader lacks; no weights are needed.

    Raises WrongInput.
    """
    if known.row is None:  # small, and on one device whatever is asked for
        return
    taken = signature(known.resolve()).parameters
    if offload != "none" and "offload" not in taken:
        raise WrongInput(f"model {known.row.name} cannot be offloaded, its loader knows no offload={offload}: use offload=none")
    if divided and "devices" not in taken:
        raise WrongInput(f"model {known.row.name} cannot be divided, its loader knows no devices: give one device")
    own = known.beside("check_placing")
    if own is not None:
        own(known.row, known.row.merged(overrides), offload, divided)
