"""Muon (Jordan et al. 2024) in float32 beside AdamW: orthogonalised momentum for matrices, AdamW for everything else.

torch.optim.Muon orthogonalises in bfloat16, which is many times slower than float32 on a processor.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Quintic Newton-Schulz iteration of the original."""
ITERATIONS = 4
"""One fewer than the original: singular values still end between 0.68 and 1.2 from a hundredth of the norm on."""


def orthogonalise(matrices_NRC: torch.Tensor) -> torch.Tensor:
    """Return matrices with singular values near 1 and the same singular vectors, [N, rows, columns]."""
    wide = matrices_NRC.shape[1] <= matrices_NRC.shape[2]
    x = matrices_NRC if wide else matrices_NRC.mT
    x = x / (1.01 * x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x if wide else x.mT


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov momentum; updates are scaled to the size that AdamW's usually have (Moonlight's rule)."""

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, momentum: float, weight_decay: float) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update every matrix that has a gradient."""
        for group in self.param_groups:
            same_shape = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    same_shape[tuple(parameter.shape)].append(parameter)
            for shape, parameters in same_shape.items():
                updates = orthogonalise(self._directions(parameters, group["momentum"]))
                size = group["lr"] * 0.2 * max(shape) ** 0.5
                torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
                torch._foreach_add_(parameters, list(updates), alpha=-size)

    def _directions(self, parameters: list[nn.Parameter], momentum: float) -> torch.Tensor:
        """Nesterov's directions of parameters of one shape, [N, rows, columns]."""
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        for parameter in parameters:
            self.state[parameter].setdefault("momentum", torch.zeros_like(parameter))
        momenta = [self.state[parameter]["momentum"] for parameter in parameters]
        torch._foreach_lerp_(momenta, gradients, 1 - momentum)
        return torch.stack(gradients).lerp_(torch.stack(momenta), momentum)


class MuonWithAdamW:
    """Both optimisers as one: hidden matrices to Muon; embeddings, vectors and output heads to AdamW."""

    def __init__(self, modules: Iterable[nn.Module], lr: float, adam_lr: float, heads: Iterable[str]) -> None:
        """`heads` are patterns of parameter names that AdamW shall take although they are matrices."""
        matrices: list[nn.Parameter] = []
        rest: list[nn.Parameter] = []
        for module in modules:
            for name, parameter in module.named_parameters():
                plain = parameter.ndim != 2 or min(parameter.shape) < 8 or any(re.search(head, name) for head in heads)
                (rest if plain else matrices).append(parameter)
        self.muon = Muon(matrices, lr, momentum=0.95, weight_decay=0.01)
        self.adam = torch.optim.AdamW(rest, lr=adam_lr, betas=(0.9, 0.99), weight_decay=0.0)
        self.rates = (lr, adam_lr)

    def step(self, factor: float) -> None:
        """Update with the learning rates times `factor`, then drop the gradients."""
        for optimizer, rate in zip((self.muon, self.adam), self.rates, strict=True):
            optimizer.param_groups[0]["lr"] = rate * factor
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        """Return both states."""
        return {"muon": self.muon.state_dict(), "adam": self.adam.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore both states."""
        self.muon.load_state_dict(state["muon"])
        self.adam.load_state_dict(state["adam"])
