"""Measured FLOPs: what static prices are checked against."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count


def _cpu_attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return sdpa_flop_count(query, key, value)


def _fused_attention_module(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    """Four projections and the attention of nn.MultiheadAttention's inference path; shapes [B, L, C]."""
    batch, length, width = query
    return 8 * batch * length * width**2 + 4 * batch * length**2 * width


def _linear(rows: Any, weight: Any, *_: Any, **__: Any) -> int:
    return 2 * math.prod(rows) * weight[0]


MISSING = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _cpu_attention,
    torch.ops.aten._native_multi_head_attention: _fused_attention_module,
}
"""Formulas that torch's counter lacks: the attention kernels used on a CPU and in nn.MultiheadAttention at inference."""


def count_flops(call: Callable[[], object]) -> int:
    """Floating point operations of one call, 2 per multiply-add, by torch's formulas and those of `MISSING`."""
    with FlopCounter() as counter:
        call()
    return counter.flops


class FlopCounter(TorchDispatchMode):
    """The sum that torch's `FlopCounterMode` counts, in a fraction of its time.

    It keeps no table by module, so modules need no hooks; it takes an operator that is made of others apart once for the same
    shapes, and asks a formula once for them; and it counts a linear layer without taking it apart.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0
        formulas = {**MISSING, torch.ops.aten.linear: _linear}
        self._formulas = FlopCounterMode(display=False, custom_mapping=formulas).flop_registry
        self._whole: set[Any] = {torch.ops.aten.linear.default}
        self._free: set[Any] = set()
        """Of those the ones without a formula."""
        self._known: dict[Any, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in self._free:
            return func(*args, **kwargs)
        key = (func, *map(_described, args), *kwargs, *map(_described, kwargs.values()))
        if key in self._known:
            self.flops += self._known[key]
            return func(*args, **kwargs)
        if func not in self._whole:
            before = self.flops
            with self:
                made = func.decompose(*args, **kwargs)
            if made is not NotImplemented:
                self._known[key] = self.flops - before
                return made
            self._whole.add(func)
        made = func(*args, **kwargs)
        formula = self._formulas.get(func.overloadpacket)
        if formula is None:
            self._free.add(func)
        else:
            self._known[key] = formula(*args, **kwargs, out_val=made)
            self.flops += self._known[key]
        return made


def _described(given: Any) -> Any:
    """All that a count depends on, for any kernel that an operator may choose."""
    if isinstance(given, torch.Tensor):
        return given.shape, given.dtype, given.device
    return tuple(map(_described, given)) if isinstance(given, list | tuple) else given
