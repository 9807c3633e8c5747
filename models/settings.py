"""Values of settings, from a registry file or as typed on a command line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch

from harness.errors import WrongInput
from harness.values import BETWEEN, NUMBER, WHOLE

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
MOST_PIXELS = 16384
"""Of an image's side: more than any published model makes."""


def dtype_of(value: Any, key: str = "dtype") -> torch.dtype:
    """The type of this name. Raises WrongInput for another one."""
    if value not in DTYPES:
        raise WrongInput(f"{key}={value!r} is no type that models run in: use one of {', '.join(DTYPES)}")
    return DTYPES[value]


def check_count(name: str, value: int, most: int | None = None) -> None:
    """Raise ValueError for a whole number below 1, or above `most`."""
    if value < 1:
        raise ValueError(f"{name}={value} must be at least 1")
    if most is not None and value > most:
        raise ValueError(f"{name}={value} must be at most {most}")


def number(name: str, value: Any) -> float:
    """A finite number. Raises WrongInput."""
    if isinstance(value, (list, tuple)):
        raise WrongInput(f"{name}={BETWEEN.join(f'{one:g}' for one in value)} is a list: this model takes one number, such as {name}=2.5")
    try:
        return float(NUMBER.of(value))
    except ValueError:
        raise WrongInput(f"{name}={value!r} is no number: give one, such as {name}=2.5") from None


def whole(name: str, value: Any) -> int:
    """A whole number. Raises WrongInput."""
    try:
        return int(WHOLE.of(value))
    except ValueError:
        raise WrongInput(f"{name}={value!r} is no whole number: give one, such as {name}=1") from None


def numbers(name: str, value: Any) -> float | tuple[float, ...]:
    """One number, or several as a list or as text such as "4/3/1"; several that are equal stay several. Raises WrongInput."""
    several = value.split(BETWEEN) if isinstance(value, str) else value
    if isinstance(several, (list, tuple)):
        return tuple(number(name, one) for one in several) if len(several) > 1 else number(name, several[0])
    return number(name, several)


def as_typed(message: str, words: Mapping[str, str]) -> str:
    """A message with the words that were typed in place of those of the code, and lists as they are typed."""
    for own, typed in words.items():
        message = re.sub(rf"\b{own}\b", typed, message)
    message = re.sub(r"\(([-\d.e+]+(?:, [-\d.e+]+)+)\)", lambda found: found[1].replace(", ", BETWEEN), message)
    return re.sub(r"\b(\d+)\.0\b", r"\1", message)
