"""What `compile=true` means for every family: whether it is asked for, and how many variants of one block torch may keep."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from harness.errors import WrongInput
from models.attention import kernel_of

VARIANTS = 64
"""Of one block's code: few for one model (a scale of one token, a batch of one row), times the models and settings of a run."""


def how_it_runs(
    settings: Mapping[str, Any], devices: Sequence[torch.device], offload: str = "none"
) -> tuple[bool, str]:
    """Whether a model's blocks are compiled, and the attention kernel that it tries first. Raises WrongInput where it cannot run so."""
    return asks_to_compile(settings, offload, len(devices) > 1), kernel_of(settings, devices[0])


def asks_to_compile(settings: Mapping[str, Any], offload: str = "none", divided: bool = False) -> bool:
    """Whether the blocks shall be compiled; models without that setting are not.

    Raises WrongInput beside an offload, which moves what was compiled, and for a model that is divided over several devices.
    """
    asked = bool(settings.get("compile", False))
    if asked and offload != "none":
        raise WrongInput(f"compile=true does not go with offload={offload}: leave one of them out")
    if asked and divided:
        raise WrongInput("compile=true does not go with several devices: leave it out, or give one device")
    return asked


def prepare_compiler() -> None:
    """Let torch keep as many variants of one function as a run of several models needs; its own limit is 8.

    Without a card it has nothing to warn of where only CUDA's toolkit is installed.
    """
    config: Any = torch._dynamo.config
    config.recompile_limit = max(config.recompile_limit, VARIANTS)
    logging.getLogger("torch.utils.cpp_extension").addFilter(_worth_saying)


def _worth_saying(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith("No CUDA runtime is found")
