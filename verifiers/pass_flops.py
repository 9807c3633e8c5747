"""The price of a network pass without running it: shapes go through on the meta device and the counter watches."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from harness.compute.flops import count_flops
from models.dry_run import Shapes


def pass_flops(network: nn.Module, inputs: Mapping[str, torch.Tensor]) -> int:
    """FLOPs of one call of the network with keyword inputs of these shapes; no weight is copied and nothing is computed."""
    state = {name: torch.empty_like(value, device="meta") for name, value in _tensors(network).items()}
    arguments: dict[str, Any] = {name: value.to("meta") for name, value in inputs.items()}
    with torch.no_grad(), Shapes():
        return count_flops(lambda: functional_call(network, state, kwargs=arguments))


def _tensors(network: nn.Module) -> dict[str, torch.Tensor]:
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}
