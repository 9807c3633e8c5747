"""Networks built without weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import init
from torch.overrides import TorchFunctionMode

_DRAWING = {
    init.uniform_, init.normal_, init.constant_, init.kaiming_uniform_, init.kaiming_normal_, Tensor.uniform_, Tensor.normal_,
    Tensor.fill_, Tensor.zero_,
}  # fmt: skip
"""What gives a new weight its first value; torch's other initialisations are made of these."""


@contextmanager
def outlining() -> Iterator[None]:
    """Networks built inside are on the meta device; nothing is drawn for them, which would take most of the time and be lost there."""
    with torch.device("meta"), _Undrawn():
        yield


class _Undrawn(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _DRAWING:
            tensor = args[0] if args else (kwargs or {})["tensor"]
            if tensor.is_meta:
                return tensor
        return func(*args, **(kwargs or {}))
