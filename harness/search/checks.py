"""What a search checks of its parameters and of the model: noise of a stochastic step, and steps enough."""

from __future__ import annotations

from harness.search.base import Unfit


def check_level(level: float) -> None:
    """Raise ValueError for a noise that a stochastic step cannot take, or that would leave copies equal."""
    if not 0 < level <= 1:
        raise ValueError(f"level={level:g} is not a part of the noise, a number above 0 up to 1")


def check_noisy(steps: int, search: str) -> None:
    """Raise Unfit for denoising of so few steps that none takes noise: the first and the last take none."""
    if steps < 3:
        raise Unfit(f"{search} needs the noise of steps between the first and the last, and images of {steps} steps have none: use random")


def check_steps(steps: int, what: str) -> None:
    """Raise Unfit for images of one step, whatever a search does with unfinished ones."""
    if steps < 2:
        raise Unfit(f"{what} unfinished images, and images of one step are never unfinished: use random")
