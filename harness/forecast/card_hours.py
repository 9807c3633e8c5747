"""From FLOPs to hours of a card, by what it really does a second: for plans of models that cannot be timed here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.assignments import name_of
from harness.errors import WrongInput

TERA = 1e12
ALL = ""
"""The name that stands for every model that has no speed of its own."""


def speeds_of(texts: Sequence[str]) -> dict[str, float]:
    """FLOP/s by model, from texts such as "330" (every model) and "flux-dev=510", in TFLOP/s.

    Raises:
        WrongInput: a speed that is no positive number, or a model given twice.
    """
    speeds: dict[str, float] = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        name = name.strip()
        try:
            speed = float(number)
        except ValueError:
            speed = 0.0
        if not 0 < speed < float("inf") or name in speeds:
            fault = "given twice" if name in speeds else "no positive number"
            raise WrongInput(f"--tflops {text!r} is {fault}: write --tflops 330, or --tflops flux-dev=510 for one model")
        speeds[name] = speed * TERA
    return speeds


def card_hours(flops: Mapping[str, float], speeds: Mapping[str, float]) -> float:
    """Hours that the FLOPs of these models take. Raises WrongInput for a model without a speed."""
    hours = 0.0
    for model, amount in flops.items():
        speed = next((speeds[name] for name in (model, name_of(model), ALL) if name in speeds), None)
        if speed is None:
            raise WrongInput(f"--tflops says nothing of {model}: add --tflops {name_of(model)}=N, or --tflops N for every model")
        hours += amount / speed / 3600
    return hours
