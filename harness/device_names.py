"""Names of devices, told to be none before anything is loaded."""

from __future__ import annotations

from harness.errors import WrongInput, near

AUTO = "auto"
COMMON = (AUTO, "cpu", "cuda")
_KINDS = (*COMMON, "mps", "xpu", "hip", "hpu", "ipu", "mtia", "npu", "xla", "maia", "privateuseone")
"""Kinds that PyTorch, or a package for it, has devices of; whether one is there is seen when it is used. Not meta,
which holds no values."""


def check_device_names(asked: str) -> None:
    """Raise WrongInput where a list such as "cuda:0,cuda:1" has a name that is no kind of device."""
    for part in asked.split(","):
        kind = part.strip().partition(":")[0]
        if kind not in _KINDS:
            hint = "did you mean cuda? " if kind.lower() == "gpu" else near(kind, COMMON) and f"{near(kind, COMMON)} "
            raise WrongInput(
                f"device {asked!r} is no kind of device: {hint}give {AUTO} (an accelerator where there is one), cpu, cuda or cuda:1"
            )
