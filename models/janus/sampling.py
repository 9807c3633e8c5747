"""How an image token is drawn: guidance between two halves, temperature and filters, and one seed a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import LogitsProcessor, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper


@dataclass(frozen=True)
class JanusSampling:
    """Sampling settings; the defaults are those of the authors' script, which filters nothing."""

    guidance: float = 5.0
    """Classifier-free guidance g: unconditional + g * (conditional - unconditional); 1 is off."""
    temperature: float = 1.0
    """Logits are divided by it."""
    top_k: int = 0
    """Most likely tokens that are left to choose from; 1 is greedy, 0 is off."""
    top_p: float = 1.0
    """Least probability that the tokens left to choose from hold together; 1 is off."""

    def __post_init__(self) -> None:
        if self.guidance < 0:
            raise ValueError(f"guidance {self.guidance} is negative: use 1 for none")
        if self.temperature <= 0:
            raise ValueError(f"temperature {self.temperature} must be positive: use top_k=1 for greedy sampling")
        if self.top_k < 0 or not 0 < self.top_p <= 1:
            raise ValueError(f"top_k {self.top_k} and top_p {self.top_p}: top_k is a whole number from 0 (off), "
                             "top_p above 0 and at most 1 (off)")

    @property
    def halves(self) -> int:
        """Sequences a row: the conditional, and where guided the unconditional one."""
        return 1 if self.guidance == 1 else 2

    def mixed(self, logits_BV: Tensor) -> Tensor:
        """Conditional rows followed by their unconditional halves -> guided logits of half the rows."""
        if self.halves == 1:
            return logits_BV
        conditional, unconditional = logits_BV.chunk(2)
        return unconditional + self.guidance * (conditional - unconditional)

    def probabilities(self, logits_BV: Tensor) -> Tensor:
        """Probability of each token after temperature and filters, float64 [B, V]."""
        for warper in self._warpers():
            logits_BV = warper(None, logits_BV)  # type: ignore[arg-type]
        return logits_BV.double().softmax(-1)

    def _warpers(self) -> list[LogitsProcessor]:
        warpers: list[LogitsProcessor] = []
        if self.temperature != 1:
            warpers.append(TemperatureLogitsWarper(float(self.temperature)))
        if self.top_k:
            warpers.append(TopKLogitsWarper(self.top_k))
        if self.top_p < 1:
            warpers.append(TopPLogitsWarper(self.top_p))
        return warpers


def uniforms(seeds: Sequence[int], count: int) -> Tensor:
    """The random numbers of each row's draws, float64 [B, count] on the CPU, from its own seed: no other row matters."""
    generator = torch.Generator()
    return torch.stack([torch.rand(count, generator=generator.manual_seed(seed), dtype=torch.float64)
                        for seed in seeds])


def draw_token(p_BV: Tensor, uniform_B: Tensor) -> tuple[Tensor, Tensor]:
    """The token whose part of the cumulated probabilities holds u -> tokens [B], their log-probability [B] in nats."""
    cumulated_BV = p_BV.cumsum(-1)
    at_B1 = (uniform_B * cumulated_BV[:, -1])[:, None]
    tokens_B1 = torch.searchsorted(cumulated_BV, at_B1, right=True).clamp_max(p_BV.shape[-1] - 1)
    return tokens_B1[:, 0], p_BV.gather(-1, tokens_B1)[:, 0].log()
