"""`vistas doctor`: this machine, what each published model needs of it, and the largest batch that fits."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from harness.choice import ModelChoice, choose_model
from harness.hub import GIGA, gigabytes
from harness.session import pick_device
from harness.weights import LocalWeights, found
from models.published import published_models
from models.sheet import BYTES, Sheet, sheet

SHARE = 0.9
"""Of free memory that is planned with: kernels' workspaces and fragments take the rest."""
NOTE = """download: all files as published, often in float32 or with parts that are not used. in memory: all
networks, text encoders included, in the number formats they run in. each row: one candidate image. Passes and decoding are estimates.
Candidates of one prefix share its cache, so that a search may fit more; a batch that does not fit
is tried again with half the rows. --set offload=model keeps one network on the device at a time."""


@dataclass(frozen=True)
class Machine:
    """Where models would run."""

    device: str
    free: int
    total: int
    bfloat16: bool
    """Whether the device computes in bfloat16 natively."""


def machine(device: torch.device) -> Machine:
    """The device as it is."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        name = f"{device} {torch.cuda.get_device_name(device)}"
        return Machine(name, free, total, torch.cuda.is_bf16_supported(including_emulation=False))
    free, total = _memory()
    return Machine(f"{device} {platform.machine()}, {os.cpu_count()} cores", free, total, _cpu_bfloat16())


def described(found: Machine) -> Iterator[tuple[str, str]]:
    """What a person should know of a machine, as name and value."""
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE)
    there = next(folder for folder in (cache, *cache.parents) if folder.exists())
    yield "device", found.device
    if torch.cuda.device_count() > 1:
        yield "devices", f"{torch.cuda.device_count()}; a run uses one, --set device=cuda:N; for all, one process each: run --shard K/N"
    yield "memory", f"{gigabytes(found.free)} free of {gigabytes(found.total)}"
    yield "bfloat16", "native" if found.bfloat16 else "not native: slow; use dtype=float32"
    yield "torch", f"{torch.__version__}, CUDA {torch.version.cuda or 'none'}"
    yield "hub cache", f"{cache}, {gigabytes(shutil.disk_usage(there).free)} free"


@dataclass(frozen=True)
class Need:
    """What one model needs of a machine, in words."""

    model: str
    fits: str
    """Rows of one batch."""
    here: bool
    """Whether its weights are on this machine."""
    lines: tuple[tuple[str, str], ...]
    """Name and value of everything else."""


def needs(texts: Sequence[str], free: int, local: LocalWeights) -> Iterator[Need]:
    """Those of the models named, of all published ones without names. Raises WrongInput."""
    for text in texts or published_models():
        choice = choose_model(text)
        yield _need(choice, free, local)


def _need(choice: ModelChoice, free: int, local: LocalWeights) -> Need:
    model = choice.published()
    one = sheet(model, model.merged(choice.overrides))
    kept = f"{gigabytes(one.row_bytes)} {'of cache' if one.cache_step_bytes else 'of latents'}"
    growth = [("each step", f"adds {_span(one.cache_step_bytes)} of it")] if one.cache_step_bytes else []
    return Need(choice.text, fitting(one, free), found(choice.name, choice.entry, local), (
        ("download", gigabytes(model.bytes)),
        ("in memory", f"{gigabytes(one.weight_bytes)}; {gigabytes(one.all_parameters * BYTES['float32'])} in float32"),
        ("each row", f"{kept}, {gigabytes(one.pass_bytes)} more within a pass"),
        *growth,
        ("decoding", f"{gigabytes(one.decode_bytes)} an image"),
    ))  # fmt: skip


def rows_that_fit(one: Sheet, free: int, weights: int | None = None) -> int:
    """The largest batch for which memory is planned to suffice beside all weights, or so many bytes of them; negative where
    these alone do not fit."""
    left = int(free * SHARE) - (one.weight_bytes if weights is None else weights)
    return one.rows_within(left) if left >= 0 else -1


def fitting(one: Sheet, free: int) -> str:
    """The largest batch in words."""
    rows = rows_that_fit(one, free)
    if rows > 0:
        return str(rows)
    offloaded = rows_that_fit(one, free, one.largest_bytes)
    if offloaded > 0:
        return f"{offloaded} with offload=model"
    return "none: its weights do not fit" if rows < 0 else "none"


def _span(sizes: Sequence[int]) -> str:
    return gigabytes(sizes[0]) if len(set(sizes)) == 1 else f"{gigabytes(min(sizes))} to {gigabytes(max(sizes))}"


def _memory() -> tuple[int, int]:
    """Bytes of memory free and in all; what the machine gives this process where it says so."""
    import psutil

    memory = psutil.virtual_memory()
    return int(memory.available), int(memory.total)


def _cpu_bfloat16() -> bool:
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def show(texts: Sequence[str], device: str, memory: float | None, weights: Sequence[str]) -> None:
    """Print both; `memory` in GB stands for what is free. Raises WrongInput for a name, setting or device that is not there."""
    from rich.console import Console

    console, local = Console(soft_wrap=True), LocalWeights.parse(weights)
    here = machine(pick_device(device))
    for name, value in described(here):
        console.print(f"{name:<10} {value}", highlight=False, markup=False)
    free = here.free if memory is None else int(memory * GIGA)
    console.print(f"\nwith {gigabytes(free)} free, of which {SHARE:.0%} are planned with:\n", highlight=False)
    for need in needs(texts, free, local):
        stored = "yes" if need.here else "no"
        console.print(f"{need.model}: rows that fit: {need.fits}; weights here: {stored}", highlight=False, markup=False)
        for name, value in need.lines:
            console.print(f"  {name:<10} {value}", highlight=False, markup=False)
    console.print(f"\n{NOTE}", highlight=False, markup=False)
