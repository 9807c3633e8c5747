"""What a run computes on: the devices that were asked for, and how much of the processor."""

from __future__ import annotations

import os
from collections.abc import Callable

import torch

from harness.device_names import AUTO, check_device_names
from harness.errors import WrongInput, first_line


def use_half_the_cores() -> None:
    """Leave half of the processor to others, unless OMP_NUM_THREADS says otherwise.

    Threads that wait for one another at every small operation lose most of their speed as soon as something else runs.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // 2))


def pick_devices(asked: str) -> tuple[torch.device, ...]:
    """The devices of a list such as "cuda:0,cuda:1", or the one that `pick_device` picks. Raises WrongInput."""
    return _different(asked, pick_device)


def devices_to_plan_on(asked: str) -> tuple[torch.device, ...]:
    """The devices named or, where they are another machine's, the processor: a plan needs none of them. Raises WrongInput."""
    _different(asked, named_device)
    try:
        return pick_devices(asked)
    except WrongInput:
        return (torch.device("cpu"),)


def _different(asked: str, read: Callable[[str], torch.device]) -> tuple[torch.device, ...]:
    """Every device of a list. Raises WrongInput where two are, or may be, the same."""
    devices = tuple(read(part.strip()) for part in asked.split(","))
    if len(set(devices)) < len(devices) or (len(devices) > 1 and any(one.type == "cuda" and one.index is None for one in devices)):
        raise WrongInput(f"device {asked!r} is no list of different devices: name each with its number, as cuda:0,cuda:1")
    return devices


def pick_device(asked: str) -> torch.device:
    """The device named, or for "auto" an accelerator where there is one; raises WrongInput when it is not there."""
    device = named_device(asked)
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise _unusable(asked, error) from error
    return device


def is_lost(device: torch.device) -> bool:
    """Whether a GPU answers no more, as after an illegal access to its memory: whatever this process asks of it then fails too."""
    if device.type != "cuda":
        return False
    try:
        torch.ones(1, device=device).item()
    except torch.OutOfMemoryError:
        return False
    except RuntimeError:
        return True
    return False


def named_device(asked: str) -> torch.device:
    """The device that a name is of, here or not; raises WrongInput for a name that is none."""
    check_device_names(asked)
    if asked == AUTO:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.device(asked)
    except RuntimeError as error:
        raise _unusable(asked, error) from error


def _unusable(asked: str, error: BaseException) -> WrongInput:
    cards = [f"cuda:{at}" for at in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    *others, last = [AUTO, "cpu", *cards]
    return WrongInput(f"device {asked!r} cannot be used ({first_line(error)}): give {', '.join(others)} or {last}")
