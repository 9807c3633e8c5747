"""A dry run: what a call on the meta device would compute and hold, without computing or holding anything."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from harness.compute.flops import FlopCounter


@dataclass(frozen=True)
class DryRun:
    """What one call costs."""

    flops: int
    """2 per multiply-add, attention in full."""
    peak_bytes: int
    """Most that its intermediate tensors, results included, hold at once; parameters and workspaces of kernels are not in it."""


def dry_run(call: Callable[[], Any]) -> DryRun:
    """Run a call whose tensors are all on the meta device.

    Attention counts as a kernel that keeps no matrix of scores, as those of accelerators do.
    """
    live, attention, counter = _Live(), _Attention(), FlopCounter()
    with torch.no_grad(), Shapes(), counter, live, attention:
        call()
    return DryRun(counter.flops + attention.flops, live.peak)


class CudaAutocast(TorchFunctionMode):
    """CUDA's autocast, which the meta device has none of, for convolutional networks: convolutions low, norms in float32.

    Weights stay in their own type; their low copies are held, as autocast does, until the mode is left.
    """

    def __init__(self, low: torch.dtype) -> None:
        super().__init__()
        self._low, self._weights = low, dict[torch.Tensor, torch.Tensor]()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (functional.conv2d, functional.linear):
            args = tree_map(self._lowered, args)
        elif func is functional.group_norm:
            args = tree_map(lambda one: one.float() if isinstance(one, torch.Tensor) else one, args)
        return func(*args, **(kwargs or {}))

    def _lowered(self, value: Any) -> Any:
        if not isinstance(value, torch.nn.Parameter):
            return value.to(self._low) if isinstance(value, torch.Tensor) else value
        if value not in self._weights:
            self._weights[value] = value.to(self._low)
        return self._weights[value]


class Shapes(TorchDispatchMode):
    """Works out what an operation makes once for the same shapes: blocks are alike, and many shapes are worked out in Python."""

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[Any, list[tuple[Any, Any, torch.dtype]]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = list(_tensors(args, kwargs))
        if not given or not all(tensor.is_meta for tensor in given):
            return func(*args, **kwargs)
        key = (func, *map(_described, args), *kwargs, *map(_described, kwargs.values()))
        if key in self._known:
            fresh = [torch.empty_strided(shape, stride, dtype=dtype, device="meta") for shape, stride, dtype in self._known[key]]
            return tuple(fresh) if len(fresh) > 1 else fresh[0]
        made = func(*args, **kwargs)
        several = made if isinstance(made, tuple) else (made,)
        if all(isinstance(one, torch.Tensor) and one.is_meta for one in several):
            storages = {_storage(one) for one in several}
            if len(storages) == len(several) and storages.isdisjoint(map(_storage, given)):  # no views, nothing in place
                self._known[key] = [(one.shape, one.stride(), one.dtype) for one in several]
        return made


def _described(given: Any) -> Any:
    """All that the shape of a result depends on."""
    if isinstance(given, torch.Tensor):
        return given.shape, given.stride(), given.dtype
    return tuple(map(_described, given)) if isinstance(given, list | tuple) else (type(given), given)


class _Live(TorchDispatchMode):
    """Follows the storages that operations make until the last tensor on them is gone."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = self._held = 0
        self._tensors: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = set(map(_storage, _tensors(args, kwargs)))
        made = func(*args, **(kwargs or {}))
        for tensor in _tensors(made):
            if _storage(tensor) in self._tensors or _storage(tensor) not in given:
                self._follow(tensor)
        return made

    def _follow(self, tensor: torch.Tensor) -> None:
        key, size = _storage(tensor), tensor.untyped_storage().nbytes()
        if key not in self._tensors:
            self._held += size
            self.peak = max(self.peak, self._held)
        self._tensors[key] = self._tensors.get(key, 0) + 1
        weakref.finalize(tensor, self._drop, key, size)

    def _drop(self, key: int, size: int) -> None:
        self._tensors[key] -= 1
        if not self._tensors[key]:
            del self._tensors[key]
            self._held -= size


def _tensors(*given: Any) -> Iterator[torch.Tensor]:
    """All tensors in what an operation takes or makes; torch's walk through trees of any kind takes most of a dry run."""
    for one in given:
        if isinstance(one, torch.Tensor):
            yield one
        elif isinstance(one, list | tuple | dict):
            yield from _tensors(*(one.values() if isinstance(one, dict) else one))


def _storage(tensor: torch.Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


class _Attention(TorchFunctionMode):
    """Stands for scaled_dot_product_attention, which the meta device would run as matrices of scores."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is functional.scaled_dot_product_attention:
            query, key, value = (*args, *(kwargs or {}).values())[:3]
            pairs = query.numel() // query.shape[-1] * key.shape[-2]
            self.flops += 2 * pairs * (query.shape[-1] + value.shape[-1])
            return query.new_empty((*query.shape[:-1], value.shape[-1]))
        return func(*args, **(kwargs or {}))
