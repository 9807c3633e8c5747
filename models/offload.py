"""Offload: networks that rest in host memory and are on the device only for their turn.

A resting network's weights lie on the meta device, so that using one out of turn fails instead of computing elsewhere;
the values stay in host memory all the time and are copied from there, never back. No result depends on it. Hooks are
accelerate's. Its own chains of hooks (and diffusers', which use them) expect text, denoiser, decoder in this order, once; a
search goes back and forth between the last two, so that here whoever comes sends away whoever is there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Literal

import torch
from accelerate.hooks import ModelHook, add_hook_to_module
from torch import Tensor, nn

Offload = Literal["none", "text", "model"]
"""none: all networks stay on the device. text: text encoders leave it after encoding. model: one network at a time."""


def device_of(module: nn.Module) -> torch.device:
    """Where a network computes, wherever it rests."""
    hook = getattr(module, "_hf_hook", None)
    found: torch.device = hook.execution_device if isinstance(hook, Turn) else next(module.parameters()).device
    return found


@dataclass(frozen=True, slots=True)
class _Place:
    """A parameter or buffer and its value in host memory."""

    owner: nn.Module
    name: str
    home: Tensor
    parameter: bool

    def put(self, value: Tensor) -> None:
        if self.parameter:
            self.owner._parameters[self.name] = nn.Parameter(value, requires_grad=False)
        else:
            self.owner._buffers[self.name] = value


class Turn(ModelHook):
    """The hook of networks that come and go together."""

    def __init__(self, device: torch.device, modules: Sequence[nn.Module], leaves: bool, come: Callable[[Turn], None]) -> None:
        self.execution_device = device  # under the name by which diffusers asks where to put a network's inputs
        self.present, self.loads = True, 0
        self._leaves, self._come = leaves, come
        owners = dict.fromkeys(owner for module in modules for owner in module.modules())
        homes: dict[int, Tensor] = {}  # tied weights stay tied
        self._places = [
            _Place(owner, name, homes.setdefault(id(value), value.detach().cpu()), kind == "_parameters")
            for owner in owners
            for kind in ("_parameters", "_buffers")
            for name, value in getattr(owner, kind).items()
            if value is not None
        ]
        self.leave()

    def pre_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Onto the device, others off it."""
        self._come(self)
        return args, kwargs

    def post_forward(self, module: nn.Module, output: Any) -> Any:
        """Off the device at once, where nothing else may need it soon."""
        if self._leaves:
            self.leave()
        return output

    def arrive(self) -> None:
        """Copy the weights to the device."""
        if not self.present:
            self._put(lambda home: home.to(self.execution_device))
            self.present, self.loads = True, self.loads + 1

    def leave(self) -> None:
        """Free what the weights take on the device."""
        if self.present:
            self._put(lambda home: home.to("meta"))
            self.present = False

    @torch.inference_mode(False)
    def _put(self, moved: Callable[[Tensor], Tensor]) -> None:
        values: dict[int, Tensor] = {}
        for place in self._places:
            values.setdefault(id(place.home), moved(place.home))
            place.put(values[id(place.home)])


class Turns:
    """The networks of one generator that take turns on a device."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.turns: list[Turn] = []

    def add(self, *modules: nn.Module, methods: Sequence[str] = (), leaves: bool = False) -> Turn:
        """Networks of one turn, brought by their `forward` and by these methods of the first; sent away after it if `leaves`."""
        turn = Turn(self.device, modules, leaves, self._come)
        self.turns.append(turn)
        for module in modules:
            add_hook_to_module(module, turn)
        for name in methods:
            setattr(modules[0], name, _brought(modules[0], getattr(modules[0], name), turn))
        return turn

    def _come(self, turn: Turn) -> None:
        for other in self.turns:
            if other is not turn:
                other.leave()
        turn.arrive()


def _brought(module: nn.Module, method: Callable[..., Any], turn: Turn) -> Callable[..., Any]:
    @wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        turn.pre_forward(module)
        return turn.post_forward(module, method(*args, **kwargs))

    return call
