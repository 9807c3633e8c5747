"""One model over several devices: every block of its denoiser, and every text encoder, whole on one of them.

Blocks run one after another, so that one device works at a time: it makes room, not speed. Hooks are accelerate's, which
take tensors to where a block lies. Its own map (`infer_auto_device_map`) is not used: it is of one network that may spill
into host memory, and keeps as much room on the first device as the largest piece takes, here a whole text encoder.
"""

from __future__ import annotations

import warnings
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from accelerate import dispatch_model
from torch import nn

from harness.errors import WrongInput
from harness.memory import SHARE, free_and_total


@dataclass(frozen=True)
class Networks:
    """The networks of a model, by what may be put where; all may be on the meta device."""

    denoiser: nn.Module
    """What searches pass through; what is no block of it stays on the first device."""
    blocks: tuple[str, ...]
    """Its blocks by name, in the order in which they run."""
    encoders: Mapping[str, nn.Module]
    """Text encoders."""
    decoder: nn.Module | None = None
    """Of images; on the first device. None where the denoiser has it within."""
    kept: int = 0
    """Bytes of its cache that a row keeps in each block, at most."""
    passed: int = 0
    """Bytes of a row within a pass, on whichever device that is; known where `kept` is."""


@dataclass(frozen=True)
class Division:
    """Which of some devices holds what, each by its place in their list."""

    places: Mapping[str, int]
    """Every block, by its name in the denoiser, and every text encoder."""
    blocks: tuple[int, ...]
    """Number of blocks on each."""
    bytes: tuple[int, ...]
    """Weights on each."""


def top_blocks(network: nn.Module) -> tuple[str, ...]:
    """Names of the entries of a network's own lists of modules: the blocks of diffusers' networks."""
    return tuple(
        f"{name}.{place}" for name, child in network.named_children() if isinstance(child, nn.ModuleList)
        for place in range(len(child))
    )  # fmt: skip


def size_of(module: nn.Module) -> int:
    """Bytes of a module's parameters and buffers, those that are shared once."""
    tensors = {id(tensor): tensor for tensor in (*module.parameters(), *module.buffers())}
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def divide(networks: Networks, memory: Sequence[int]) -> Division | None:
    """Devices in turn with pieces in turn, so that most rows fit with what blocks keep of them; the fullest device is then filled to
    the least part of its memory with which all fits.

    memory: bytes that weights and rows may take on each device. None where they do not suffice for weights.
    """
    blocks = {name: size_of(networks.denoiser.get_submodule(name)) for name in networks.blocks}
    pieces = blocks | {name: size_of(encoder) for name, encoder in networks.encoders.items()}
    first = size_of(networks.denoiser) - sum(blocks.values()) + (size_of(networks.decoder) if networks.decoder is not None else 0)

    def filled(rows: int, percent: int) -> list[int] | None:
        sizes = [size + rows * networks.kept * (name in blocks) for name, size in pieces.items()]
        return _filled(first, sizes, [most * percent // 100 - rows * networks.passed for most in memory])

    most = sum(memory) // (networks.kept * len(blocks)) if networks.kept else 0
    rows = bisect_left(range(1, most + 1), True, key=lambda rows: filled(rows, 100) is None)
    for percent in range(1, 101):
        places = filled(rows, percent)
        if places is not None:
            held = [first] + [0] * (len(memory) - 1)
            for size, place in zip(pieces.values(), places, strict=True):
                held[place] += size
            counts = tuple(places[: len(blocks)].count(place) for place in range(len(memory)))
            return Division(dict(zip(pieces, places, strict=True)), counts, tuple(held))
    return None


def _filled(first: int, sizes: Sequence[int], memory: Sequence[int]) -> list[int] | None:
    """The device of each piece, `first` bytes being on the first already; None where the last is full too early."""
    places: list[int] = []
    at, held = 0, first
    if held > memory[0]:
        return None
    for size in sizes:
        while held + size > memory[at]:
            at, held = at + 1, 0
            if at == len(memory):
                return None
        held += size
        places.append(at)
    return places


def place(networks: Networks, devices: Sequence[torch.device], name: str) -> None:
    """Put a model, until now in host memory, on these devices as `divide` says. Raises WrongInput where they are too small."""
    free = [_room(networks, device) for device in devices]
    found = divide(networks, [int(SHARE * count) for count in free])
    if found is None:
        said = ", ".join(f"{device} with {count / 1e9:.1f} GB free" for device, count in zip(devices, free, strict=True))
        raise WrongInput(f"{name} does not fit on {said}: give more devices, or one with offload=model (`vistas doctor {name}`)")
    spread(networks, found, devices)


def _room(networks: Networks, device: torch.device) -> int:
    """Bytes that a model, which is in host memory, may take on a device: there what it takes already is its own."""
    free, total = free_and_total(device)
    if device.type != "cpu":
        return free
    every = (networks.denoiser, *networks.encoders.values(), *([networks.decoder] if networks.decoder is not None else []))
    return min(total, free + sum(map(size_of, every)))


def spread(networks: Networks, division: Division, devices: Sequence[torch.device]) -> None:
    """Put every network where a division says, with the hooks that bring tensors there and back to the first device."""
    main, place_of = devices[0], division.places
    places = dict.fromkeys(_others(networks.denoiser, networks.blocks), main) | {one: devices[place_of[one]] for one in networks.blocks}
    with warnings.catch_warnings():  # of names that are parameters and no modules, which it asks for all the same
        warnings.filterwarnings("ignore", "The following device_map keys")
        dispatch_model(networks.denoiser, places, main_device=main, force_hooks=True)
    for name, encoder in networks.encoders.items():
        dispatch_model(encoder, {"": devices[place_of[name]]}, main_device=devices[place_of[name]], force_hooks=True)
    if networks.decoder is not None:
        networks.decoder.to(main)


def _others(module: nn.Module, blocks: Sequence[str], prefix: str = "") -> Iterator[str]:
    """Everything that holds weights beside these blocks, by name."""
    direct = (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
    yield from (f"{prefix}{name}" for name, _ in direct)
    for name, child in module.named_children():
        path = f"{prefix}{name}"
        if path in blocks:
            continue
        if any(block.startswith(f"{path}.") for block in blocks):
            yield from _others(child, blocks, f"{path}.")
        else:
            yield path
