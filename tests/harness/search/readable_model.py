"""What generators whose images can be read by hand have in common, and the judge that reads them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from harness.compute.ledger import Cost
from verifiers.base import Scores, VerifierCard


@dataclass(frozen=True)
class Words:
    """Prompts of one text token each."""

    prompts: tuple[str, ...]
    text_tokens: tuple[int, ...]


class ReadableModel(ABC):
    """A generator whose preview is its decode and whose prices are small whole numbers; `late` passes may cost more."""

    device = torch.device("cpu")
    late = 0
    """By how much a pass costs more than the one before."""

    def encode(self, prompts: Sequence[str]) -> Words:
        return Words(tuple(prompts), self.text_tokens(prompts))

    def text_tokens(self, prompts: Sequence[str]) -> tuple[int, ...]:
        return (1,) * len(prompts)

    def predict(self, state: Any) -> Any:
        return replace(state, predicted=True)

    def preview(self, state: Any) -> torch.Tensor:
        return self.decode(state)

    @abstractmethod
    def decode(self, state: Any) -> torch.Tensor: ...

    def price(self, operation: str, step: int = 0, text_tokens: int = 0) -> Cost:
        return {"encode": Cost(text_flops=1), "predict": Cost(forwards=1, model_flops=10 + self.late * step), "draw": Cost(nfe=1),
                "preview": Cost(decode_flops=2), "decode": Cost(decode_flops=2, images=1)}[operation]  # fmt: skip


class ReadableJudge(ABC):
    """The score of what an image says."""

    card = VerifierCard("judge", "shapes", (0.0, 1.0), ("judge",), "0" * 64, "none")

    @abstractmethod
    def read(self, image: torch.Tensor) -> float: ...

    def score(self, images: torch.Tensor, prompts: Sequence[str]) -> Scores:
        return Scores(np.array([[self.read(image)] for image in images]), ("",) * len(prompts))

    def forget(self) -> None:
        """Nothing is kept."""
        return

    def combine(self, values_NM: np.ndarray) -> np.ndarray:
        return values_NM[:, 0]

    def price(self, images: int, new_prompts: int = 0) -> Cost:
        return Cost(verifier_flops=3 * images + new_prompts, verifier_calls=images)
