"""How bits are drawn from logits: guidance, temperature, filters, and the two sources of randomness."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Sampling:
    """Sampling settings; the defaults of the filters are those of every published entry point."""

    guidance: float | tuple[float, ...] = 3.0
    """Classifier-free guidance g, one value or one per scale: g * conditional + (1 - g) * unconditional; 1 is off."""
    temperature: float | tuple[float, ...] = 1.0
    """Logits are divided by it; one value or one per scale."""
    insertion_layers: tuple[int, ...] = (0,)
    """Where guidance mixes: 0 is on the logits, -m on the residual stream right after block depth - m, 1 nowhere.

    The authors' code reads 1 ("on probabilities") and never uses it.
    """
    top_k: int = 900
    """1 is greedy; more has no effect on the two values of a bit."""
    top_p: float = 0.97
    """A bit's less likely value is left out where its probability is at most 1 - top_p; 0 is off."""

    def __post_init__(self) -> None:
        for name in ("guidance", "temperature", "insertion_layers"):
            if isinstance(getattr(self, name), list):  # as JSON has them
                object.__setattr__(self, name, tuple(getattr(self, name)))

    def fitted(self, scales: int, depth: int) -> Sampling:
        """The same for so many scales: of longer lists the first values, as a schedule may be the beginning of another's.

        Raises ValueError where a value has no meaning, or lists or layers do not fit this depth and number of scales.
        """
        for name in ("guidance", "temperature"):
            value = getattr(self, name)
            if isinstance(value, tuple) and len(value) < scales:
                raise ValueError(f"{name} has {len(value)} values for {scales} scales: give one, or one per scale")
        for layer in self.insertion_layers:
            if layer > 1 or depth + layer <= 0:
                raise ValueError(f"insertion layer {layer} is not 0, 1 (mixes nothing) or one of -1..{1 - depth} (depth {depth}): use 0")
        if any(guidance < 0 for guidance in _values(self.guidance)):
            raise ValueError(f"guidance {self.guidance} is negative: use 1 for none")
        if any(temperature <= 0 for temperature in _values(self.temperature)):
            raise ValueError(f"temperature {self.temperature} must be positive: use top_k=1 for greedy sampling")
        if self.top_k < 0 or not 0 <= self.top_p <= 1:
            raise ValueError(f"top_k {self.top_k} and top_p {self.top_p}: top_k is a whole number from 0 (off), "
                             "top_p is from 0 (off) to 1")
        guidance, temperature = (one[:scales] if isinstance(one, tuple) else one for one in (self.guidance, self.temperature))
        return replace(self, guidance=guidance, temperature=temperature)

    def guidance_at(self, k: int) -> float:
        return self.guidance[k] if isinstance(self.guidance, tuple) else self.guidance

    def temperature_at(self, k: int) -> float:
        return self.temperature[k] if isinstance(self.temperature, tuple) else self.temperature

    def halves(self, k: int) -> int:
        """Sequences per row at scale k: 2 while this or a later scale is guided, else 1 (the rest cannot matter)."""
        if not any(layer <= 0 for layer in self.insertion_layers):
            return 1
        later = self.guidance[k:] if isinstance(self.guidance, tuple) else (self.guidance,)
        return 2 if any(value != 1 for value in later) else 1

    def mixes_logits(self, k: int) -> bool:
        """Whether both halves need logits at scale k."""
        return self.guidance_at(k) != 1 and 0 in self.insertion_layers

    def mixes_residuals(self, k: int, depth: int) -> tuple[int, ...]:
        """Indices of the blocks after which the halves are mixed at scale k."""
        if self.guidance_at(k) == 1:
            return ()
        return tuple(depth + layer for layer in self.insertion_layers if layer < 0)


def _values(value: float | tuple[float, ...]) -> tuple[float, ...]:
    return value if isinstance(value, tuple) else (value,)


def mix_halves(x_BX: Tensor, guidance: float) -> Tensor:
    """Guidance over a batch of conditional rows followed by their unconditional halves -> half the rows."""
    conditional, unconditional = x_BX.chunk(2)
    return guidance * conditional + (1 - guidance) * unconditional


def bit_probabilities(logits_BnD2: Tensor, sampling: Sampling) -> Tensor:
    """Probability that each bit is 1, after the filters [B, n, D]."""
    margin_BnD = logits_BnD2[..., 1] - logits_BnD2[..., 0]
    p_BnD = torch.sigmoid(margin_BnD)
    if sampling.top_k == 1:
        return torch.where(p_BnD.isnan(), p_BnD, (margin_BnD > 0).float())
    if sampling.top_p > 0:
        certain_BnD = torch.sigmoid(-margin_BnD.abs()) <= 1 - sampling.top_p
        p_BnD = torch.where(certain_BnD, (margin_BnD > 0).float(), p_BnD)
    return p_BnD


Draw = Callable[[Tensor], Tensor]
"""From probabilities [B, n, D] to boolean bits [B, n, D]."""


def draw_by_row(p_BnD: Tensor, seeds: Sequence[int]) -> Tensor:
    """Bits [B, n, D] where each row has its own seed: u < p, u drawn on the CPU, so no other row matters."""
    shape = p_BnD.shape[1:]
    generator = torch.Generator()
    uniform_BnD = torch.stack([torch.rand(shape, generator=generator.manual_seed(seed)) for seed in seeds])
    return uniform_BnD.to(p_BnD.device) < p_BnD


def draw_shared(p_BnD: Tensor, generator: torch.Generator) -> Tensor:
    """Bits [B, n, D] from one generator for the whole batch, in the original's order (torch.multinomial)."""
    pairs = torch.stack([1 - p_BnD, p_BnD], dim=-1).view(-1, 2)
    return torch.multinomial(pairs, 1, replacement=True, generator=generator).view(p_BnD.shape).bool()


def log_probability(bits_BnD: Tensor, p_BnD: Tensor) -> Tensor:
    """Log-probability of each row's bits in nats, float64 [B]."""
    return torch.where(bits_BnD, p_BnD, 1 - p_BnD).log().sum((1, 2), dtype=torch.float64)
