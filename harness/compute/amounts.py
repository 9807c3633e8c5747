"""Amounts of compute as a person reads them: with a prefix and the name of their unit."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context

from harness.errors import WrongInput

_PREFIXES = ((1e21, "Z"), (1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
NOTHING = "–"


def amount(value: float, column: str) -> str:
    """An amount of a ledger column: "1.2 GFLOP", "0.35 s", "112"."""
    if math.isnan(value):
        return NOTHING
    if column.endswith("flops"):
        return f"{_prefixed(value, ' ')}FLOP"
    if column.endswith("seconds"):
        return f"{_rounded(value)} s" if value >= 0.1 or value == 0 else f"{_rounded(value * 1000)} ms"
    return _rounded(value) if value < 100_000 else _prefixed(value, " ").strip()


@dataclass(frozen=True, slots=True)
class Scale:
    """One unit for a column of numbers, in which the largest has one to three digits before the point."""

    size: float
    unit: str

    @classmethod
    def of(cls, values: Iterable[float], column: str) -> Scale:
        """The scale of amounts of a ledger column: GFLOP, s, ms; NaN among them is left out."""
        most = max((value for value in values if not math.isnan(value)), default=0.0)
        if column.endswith("seconds"):
            return cls(1.0, "s") if most >= 1 or most == 0 else cls(1e-3, "ms")
        size, prefix = next((entry for entry in _PREFIXES if most >= entry[0]), (1.0, ""))
        return cls(size, f"{prefix}FLOP")

    def written(self, value: float) -> str:
        """An amount in this unit, without it: of three digits, or more before the point."""
        return NOTHING if math.isnan(value) else _rounded(value / self.size)


def budget(value: float, unit: str) -> str:
    """An amount with the name of its unit, wherever one is not part of it: "10 GFLOP", "0.6 s", "60 NFE", "8 images"."""
    name = {"nfe": " NFE", "images": " image" if value == 1 else " images"}.get(unit, "")
    return amount(value, unit) + name


def budgets(values: Iterable[float], unit: str) -> str:
    """Several amounts, the unit once where it is the same: "6, 24 NFE", "800 MFLOP, 13 GFLOP"."""
    *others, last = (budget(value, unit) for value in values)
    name = last.partition(" ")[2]
    return ", ".join([*(text.removesuffix(f" {name}") for text in others), last])


def between(low: float, high: float, unit: str) -> str:
    """A range of amounts, the unit once where it is the same: "210 to 216 NFE"."""
    first, last = budget(low, unit), budget(high, unit)
    if first == last:
        return first
    number, _, name = first.partition(" ")
    return f"{number} to {last}" if last.endswith(f" {name}") else f"{first} to {last}"


def counted(number: int, noun: str) -> str:
    """So many of something that takes an s: "1 prompt", "48 prompts"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def hours(value: float) -> str:
    """Hours in three digits, from a hundred on written out: "0.61", "32.3", "4,220"."""
    three = f"{value:.3g}"
    return f"{float(three):,.0f}" if float(three) >= 100 else three


def no_more(value: float) -> str:
    """An amount as it is typed, of six digits, none of it rounded up: a most that is allowed."""
    return f"{float(Context(prec=6, rounding=ROUND_FLOOR).create_decimal_from_float(value)):g}"


def no_less(value: float) -> str:
    """An amount as it is typed, of six digits, none of it rounded down: a least that is needed."""
    return f"{float(Context(prec=6, rounding=ROUND_CEILING).create_decimal_from_float(value)):g}"


def as_number(text: str) -> float:
    """A number as it may be typed: "12", "1e9", "5G", "1.5 T". Raises ValueError for anything else."""
    powers = {prefix: round(math.log10(size)) for size, prefix in _PREFIXES}
    number = text.strip()
    return float(f"{number[:-1].rstrip()}e{powers[number[-1]]}" if number and number[-1] in powers else number)


def tick(value: float) -> str:
    """A short axis label: "500", "2k", "10G", "0.05"."""
    return _prefixed(value, "") if value >= 1000 else f"{value:g}"


def _prefixed(value: float, space: str) -> str:
    for size, prefix in _PREFIXES:
        if value >= size:
            return f"{value / size:.3g}{space}{prefix}"
    return f"{value:.3g}{space}"


def _rounded(value: float) -> str:
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def bytes_of(memory: str) -> list[int]:
    """Bytes of each device, from GB with commas between. Raises WrongInput for numbers that are none."""
    try:
        sizes = [int(float(part) * 1e9) for part in memory.split(",")]
    except (ValueError, OverflowError):
        sizes = []
    if not sizes or min(sizes) <= 0:
        raise WrongInput(f"--memory {memory!r} is no list of GB: write --memory 80, or --memory 24,24 for two devices")
    return sizes
