"""`vistas doctor`: this machine, what each published model needs of it, and the largest batch that fits."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from harness.assignments import members_of, name_of
from harness.compute.amounts import bytes_of
from harness.config import EMBEDDED, Settings
from harness.devices import pick_devices
from harness.errors import WrongInput
from harness.fitting import beside, fit, in_words, rows_divided
from harness.memory import SHARE, free_and_total
from harness.model_spec import ModelSpec, parse_model
from harness.placing import check_placing
from harness.registry import entry, kind_beside
from harness.weights.local import LocalWeights, check_given, found
from harness.weights.repository import Repository, gigabytes
from models.multi_device import Division, divide
from models.published import published_models
from models.shapes.load import weights as weights_of
from models.sheet import Sheet, sheet
from verifiers.spec import parse_verifier
from verifiers.weight_bytes import weight_bytes

NOTE = """download: all files as published, often in float32 or with parts that are not used.
in memory: all networks, text encoders included, in the number formats they run in.
each row: one candidate image. Passes and decoding are estimates.
Candidates of one prefix share its cache, so that a search may fit more; a batch that does
not fit is tried again with half the rows. Verifiers and graders lie beside the model: name
them too, and their weights are taken off (what they need while they score is not counted).
--set offload=model keeps one network on the device at a time, --set device=A,B divides a
model over several devices."""


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


def needs(texts: Sequence[str], memory: Mapping[str, int], local: LocalWeights) -> Iterator[Need]:
    """Those of the models named, of all published ones without names; of a pair each beside the other's weights.

    memory: free bytes of each device.

    Raises WrongInput at once, also for a folder that was given and is no copy of what it is given for.
    """
    specs = [parse_model(text) for text in texts or published_models()]
    for member in (member for spec in specs for member in spec.members):
        member.published()
        check_given(member.name, member.entry, local)
    return (need for spec in specs for need in _each(spec, memory, local))


def _each(spec: ModelSpec, memory: Mapping[str, int], local: LocalWeights) -> Iterator[Need]:
    """The need of a model, or of both of a pair."""
    if not spec.pair:
        yield _need(spec, memory, local)
        return
    draft, refine = spec.pair
    for own, other in ((draft, refine), (refine, draft)):
        need = _need(own, beside(memory, _sheet(other).weight_bytes), local)
        yield replace(need, model=f"{own.text} beside {other.text}")


def _sheet(spec: ModelSpec) -> Sheet:
    model = spec.published()
    return sheet(model, model.merged(spec.overrides))


def _need(spec: ModelSpec, memory: Mapping[str, int], local: LocalWeights) -> Need:
    model, one = spec.published(), _sheet(spec)
    refusal, apart = _refusal(spec, offload="model"), _refusal(spec, divided=True) if len(memory) > 1 else ""
    several = len(memory) > 1 and not apart
    division = divide(one.networks, [int(SHARE * free) for free in memory.values()]) if one.networks and several else None
    kept = f"{gigabytes(one.row_bytes)} {'of cache' if one.cache_step_bytes else 'of latents'}"
    growth = [("each step", f"adds {_span(one.cache_step_bytes)} of it")] if one.cache_step_bytes else []
    divided = [("" if at else "divided", line) for at, line in enumerate(_said(one, division, memory))] if division else []
    largest = fit(one, memory, division, offload=not refusal)
    settings = largest.run_with(Settings.model_fields["max_rows"].default)
    refused = [line for line in dict.fromkeys((refusal, apart)) if line]
    return Need(spec.text, in_words(largest, memory), found(spec.name, spec.entry, local), (
        *([("run with", settings)] if settings else []),
        *([("presets", f"{spec.name}:preset={' or '.join(model.presets)}")] if model.presets else []),
        ("download", gigabytes(model.bytes)),
        ("in memory", f"{gigabytes(one.weight_bytes)}; {gigabytes(one.all_parameters * torch.float32.itemsize)} in float32"),
        ("each row", f"{kept}, {gigabytes(one.pass_bytes)} more within a pass"),
        *growth,
        ("decoding", f"{gigabytes(one.decode_bytes)} an image"),
        *divided,
        *(("" if at else "refused", line) for at, line in enumerate(refused)),
    ))  # fmt: skip


def _refusal(spec: ModelSpec, **placing: Any) -> str:
    """Why the model cannot lie so, as `check_placing` says; "" where it can."""
    try:
        check_placing(spec.entry, spec.overrides, **placing)
    except WrongInput as error:
        return str(error)
    return ""


def _said(one: Sheet, division: Division, memory: Mapping[str, int]) -> Iterator[str]:
    """The largest batch over all devices, and what would lie where, a device at a time."""
    yield f"{max(0, rows_divided(one, division, list(memory.values())))} rows with device={','.join(memory)}"
    for at, device in enumerate(memory):
        texts = [name for name, place in division.places.items() if place == at and "." not in name]
        held = [f"{division.blocks[at]} of {sum(division.blocks)} blocks", *texts, *(["decoder"] if at == 0 else [])]
        yield f"{device} {gigabytes(division.bytes[at])} ({', '.join(held)})"


def _span(sizes: Sequence[int]) -> str:
    return gigabytes(sizes[0]) if len(set(sizes)) == 1 else f"{gigabytes(min(sizes))} to {gigabytes(max(sizes))}"


def _cpu_bfloat16() -> bool:
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def sorted_out(texts: Sequence[str]) -> tuple[list[str], dict[str, int]]:
    """Models among these names, and the bytes that the weights of each verifier and grader take. Raises UnknownName or WrongInput.

    Of what has no outline (graders, features) that is what it downloads, without what others of these hold in memory already.
    """
    others = {text: kind for text in texts if (kind := kind_beside(text))}
    judges = {text: parse_verifier(text) for text, kind in others.items() if kind == "verifier"}
    sizes = {text: weight_bytes(spec) for text, spec in judges.items()}
    held = {one.repo for spec in judges.values() for name in spec.names for one in _repositories("verifier", name)}
    for text, kind in others.items():
        if kind != "verifier":
            own = {one.repo: one.bytes for one in _repositories(kind, text) if one.repo not in held}
            sizes[text] = sum(own.values())
            held |= own.keys()
    return [text for text in texts if text not in others], sizes


def _repositories(kind: str, name: str) -> Sequence[Repository]:
    row = entry(kind, name).row
    return tuple(row.repositories.values()) if row is not None else ()


def _devices(asked: str, memory: str | None) -> tuple[torch.device, ...]:
    """The devices asked for; where memory is given, another machine is meant, and cards need not be on this one."""
    try:
        return pick_devices(asked)
    except WrongInput:
        if memory is None or asked.partition(":")[0] != "cuda":
            raise
        return pick_devices("auto")


def show(texts: Sequence[str], device: str, memory: str | None, weights: Sequence[str]) -> None:
    """Print both; `memory` in GB, one number or one for each device, stands for what is free.

    Raises WrongInput for a name, setting or device that is not there.
    """
    from rich.console import Console

    console, local = Console(soft_wrap=True), LocalWeights.parse(weights)
    named, judges = sorted_out(texts)
    own = [member for text in named for member in members_of(text) if name_of(member) in EMBEDDED]
    models = [text for text in named if any(name_of(member) not in EMBEDDED for member in members_of(text))]
    beside_them = [(kind, member) for text in judges if (kind := kind_beside(text))
                   for member in (parse_verifier(text).names if kind == "verifier" else (text,))]  # fmt: skip
    shown = [name_of(member) for text in models or (() if own else published_models()) for member in members_of(text)]
    local.check_used([*shown, *(member for _, member in beside_them)])
    for kind, member in beside_them:
        check_given(member, entry(kind, member), local)
    devices, read = _devices(device, memory), cache(free_and_total)  # memory is read once: what is said of it is what is planned with
    free = planned(devices, memory, read)
    needed = needs(models, beside(free, sum(judges.values())), local) if models or not own else ()
    for name, value in described(machine(devices[0], read), elsewhere=memory is not None):
        console.print(f"{name:<10} {value}", highlight=False, markup=False)
    said = ", ".join(f"{gigabytes(count)} free" + (f" on {name}" if len(free) > 1 else "") for name, count in free.items())
    console.print(f"\nwith {said}, of which {SHARE:.0%} are planned with:\n", highlight=False)
    for name, count in judges.items():
        taken = f"{gigabytes(count)} of weights beside each model, taken off" if count else "no weights beside those named already"
        console.print(f"{name}: {taken}", highlight=False, markup=False)
    for spec in map(parse_model, own):
        size = gigabytes(sum(file.stat().st_size for file in weights_of(spec.name).rglob("*.safetensors")))
        console.print(f"{spec.text}: comes with the package, {size} of weights: runs on any machine", highlight=False, markup=False)
    for need in needed:
        stored = "yes" if need.here else "no"
        console.print(f"{need.model}: rows that fit: {need.fits}; weights here: {stored}", highlight=False, markup=False)
        for name, value in need.lines:
            console.print(f"  {name:<10} {value}", highlight=False, markup=False)
    console.print(f"\n{NOTE}", highlight=False, markup=False)


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
