"""The machine that models would run on: its devices, and the memory that is free on them."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from harness.compute.amounts import bytes_of
from harness.devices import pick_devices
from harness.errors import WrongInput
from harness.memory import free_and_total
from harness.weights.repository import gigabytes


@dataclass(frozen=True)
class Machine:
    """Where models would run."""

    device: str
    free: int
    total: int
    bfloat16: bool
    """Whether the device computes in bfloat16 natively."""


Reading = Callable[[torch.device], tuple[int, int]]
"""Bytes of a device that are free, and all of them."""


def machine(device: torch.device, read: Reading = free_and_total) -> Machine:
    """The device as it is."""
    free, total = read(device)
    if device.type == "cuda":
        name = f"{device} {torch.cuda.get_device_name(device)}"
        return Machine(name, free, total, torch.cuda.is_bf16_supported(including_emulation=False))
    return Machine(f"{device} {platform.machine()}, {os.cpu_count()} cores", free, total, _cpu_bfloat16())


def described(found: Machine, elsewhere: bool = False) -> Iterator[tuple[str, str]]:
    """What a person should know of a machine, as name and value; nothing of its device where models are planned for `elsewhere`."""
    from huggingface_hub import constants

    hub = Path(constants.HF_HUB_CACHE)
    there = next(folder for folder in (hub, *hub.parents) if folder.exists())
    if not elsewhere:
        yield from _device(found)
    yield "torch", f"{torch.__version__}, CUDA {torch.version.cuda or 'none'}"
    yield "hub cache", f"{hub}, {gigabytes(shutil.disk_usage(there).free)} free"


def _device(found: Machine) -> Iterator[tuple[str, str]]:
    yield "device", found.device
    if (count := torch.cuda.device_count()) > 1:
        yield "devices", f"{count}; a run uses one, --set device=cuda:N; or all: one process each, run --shard K/N --out DIR; or device=A,B"
    yield "memory", f"{gigabytes(found.free)} free of {gigabytes(found.total)}"
    yield "bfloat16", "native" if found.bfloat16 else "not native: slow; run NAME:dtype=float32, and ask so here for its rows"


def devices_of(asked: str, memory: str | None) -> tuple[torch.device, ...]:
    """The devices asked for; where memory is given, another machine is meant, and cards need not be on this one."""
    try:
        return pick_devices(asked)
    except WrongInput:
        if memory is None or asked.partition(":")[0] != "cuda":
            raise
        return pick_devices("auto")


def planned(devices: Sequence[torch.device], memory: str | None, read: Reading = free_and_total) -> dict[str, int]:
    """Free bytes by device: as given in GB, or what these and, where only one CUDA card is named, the others have.

    Raises WrongInput for numbers that are none.
    """
    if memory is not None:
        sizes = bytes_of(memory)
        return {f"cuda:{at}" if len(sizes) > 1 else str(devices[0]): size for at, size in enumerate(sizes)}
    if len(devices) == 1 and devices[0].type == "cuda":
        first = devices[0].index or 0
        others = [at for at in range(torch.cuda.device_count()) if at != first]
        devices = [torch.device("cuda", at) for at in (first, *others)]
    return {str(device): read(device)[0] for device in devices}


def _cpu_bfloat16() -> bool:
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
