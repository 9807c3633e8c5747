"""Bytes that the networks of a verifier hold on a device, told without its files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn

from harness.registry import entry
from verifiers.published import PublishedVerifier
from verifiers.spec import VerifierSpec


def weight_bytes(spec: VerifierSpec) -> int:
    """Of a verifier as asked for, members included; of one without an outline, such as a judge, what it downloads."""
    if spec.members:
        return sum(weight_bytes(member) for member, _ in spec.members)
    row = entry("verifier", spec.name).row
    outlined = spec.without_weights()
    if outlined is not None:
        return sum(one.numel() * one.element_size() for network in _networks(outlined, set()) for one in _held(network))
    return sum(one.bytes for one in row.repositories.values()) if isinstance(row, PublishedVerifier) else 0


def _held(network: nn.Module) -> Iterator[Any]:
    yield from network.parameters()
    yield from network.buffers()


def _networks(part: Any, seen: set[int]) -> Iterator[nn.Module]:
    """Every network that a verifier's fields lead to, each once."""
    if id(part) in seen:
        return
    seen.add(id(part))
    if isinstance(part, nn.Module):
        yield part
    elif isinstance(part, (list, tuple)):
        for one in part:
            yield from _networks(one, seen)
    elif isinstance(part, Mapping):
        for one in part.values():
            yield from _networks(one, seen)
    elif type(part).__module__.startswith("verifiers."):
        yield from _networks(getattr(part, "__dict__", {}), seen)
