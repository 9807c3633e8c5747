"""From FLOPs to GPU-hours, by what a card really does a second: for plans of models that cannot be timed here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.assignments import members_of, name_of
from harness.errors import WrongInput, near

TERA = 1e12
_OTHERS = ""
"""The name that stands for every model that has no speed of its own."""


def speeds_of(texts: Sequence[str], models: Sequence[str]) -> dict[str, float]:
    """FLOP/s by name, from "330" (every model that is not named) and "flux-dev=510", in TFLOP/s; none without texts.

    Raises:
        WrongInput: a speed that is no positive number, a name given twice or of no model here, or a model without a speed.
    """
    given: dict[str, float] = {}
    known = {name_of(member) for model in models for member in members_of(model)}
    for text in texts:
        name, _, number = text.rpartition("=")
        name = name.strip()
        try:
            speed = float(number)
        except ValueError:
            speed = 0.0
        fault = "given twice" if name in given else "" if 0 < speed < float("inf") else "no positive number"
        if not fault and name not in known | {_OTHERS}:
            hint = near(name, sorted(known))
            fault = f"of no model here, {hint + ' ' if hint else ''}there are {', '.join(sorted(known))}"
        if fault:
            raise WrongInput(f"--tflops {text!r} is {fault}; write --tflops 330, or --tflops flux-dev=510 for one model")
        given[name] = speed * TERA
    for name in sorted(known) if given and _OTHERS not in given else ():
        if name not in given:
            raise WrongInput(f"--tflops says nothing of {name}: add --tflops {name}=N, or --tflops N for every other model")
    return given


def gpu_hours(flops: Mapping[str, float], speeds: Mapping[str, float]) -> float:
    """Hours that the FLOPs of these models, by name, take."""
    return sum(amount / (speeds[name] if name in speeds else speeds[_OTHERS]) for name, amount in flops.items()) / 3600


def check_hours(given: float | None, known: bool) -> None:
    """Raise WrongInput for hours that are no positive number, or where it is not `known` how long anything takes."""
    if given is not None and not 0 < given < float("inf"):
        raise WrongInput(f"--hours {given:g} is no positive number: give the hours of a card that you have")
    if given is not None and not known:
        raise WrongInput("--hours counts by how long searches take: add --speeds FILE, --tflops N or --calibrate")
