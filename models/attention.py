"""Which of torch's attention kernels a model tries first: a setting of every published model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from harness.errors import WrongInput

SETTING = "attention"
AUTO = "auto"
KERNELS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "math": SDPBackend.MATH,
}
"""By name, in the order in which torch goes on from one that does not take a call's shapes to the next."""
_CUDA_ONLY = ("cudnn", "efficient")


def kernel_of(settings: Mapping[str, Any], device: torch.device | None = None) -> str:
    """The kernel that the settings ask for, or "auto". Raises WrongInput for another name, or one that the device lacks."""
    kernel = str(settings.get(SETTING, AUTO))
    if kernel != AUTO and kernel not in KERNELS:
        raise WrongInput(f"{SETTING}={kernel!r} is no attention kernel: use one of {', '.join((AUTO, *KERNELS))}")
    if kernel in _CUDA_ONLY and device is not None and device.type not in ("cuda", "meta"):
        raise WrongInput(f"{SETTING}={kernel} is a kernel for CUDA, the model is to run on {device}: leave it out, or choose a CUDA device")
    return kernel


def tried(kernel: str) -> tuple[str, ...]:
    """Names of the kernels in the order in which they are tried for a call.

    For "auto" that is torch's own order. On CUDA torch settles it at the first attention, by card and version: cuDNN's is first
    on Hopper with a cuDNN above 9.15, else last (check_prefer_cudnn_attention in torch's sdp_utils.cpp). "math", which takes
    every shape, is the only one where asked for; a CPU has no other choice than that one or none.
    """
    if kernel == AUTO:
        names = {backend.value: name for name, backend in KERNELS.items()}
        order: list[int] = torch._C._get_sdp_priority_order()  # type: ignore[attr-defined]
        return tuple(names[value] for value in order if value in names)
    return (kernel,) if kernel == "math" else (kernel, *(name for name in KERNELS if name != kernel))


def prefer(network: nn.Module, kernel: str, method: str = "forward") -> None:
    """Let every attention within this method try `kernel` first (`tried`); the kernels differ by rounding alone."""
    if kernel != AUTO:
        setattr(network, method, _within(getattr(network, method), [KERNELS[name] for name in tried(kernel)]))


def _within(method: Callable[..., Any], order: list[SDPBackend]) -> Callable[..., Any]:
    @wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        with sdpa_kernel(order, set_priority=True):
            return method(*args, **kwargs)

    return call
