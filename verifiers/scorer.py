"""What all verifiers with one score share: reasons for what cannot be scored, and prices made of network passes."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch

from harness.compute.ledger import Cost
from verifiers.base import Scores, VerifierCard
from verifiers.input_checks import Pictures, faults


class Scorer(ABC):
    """A verifier with one score per picture; see `verifiers.base.Verifier` for the contract."""

    card: VerifierCard
    """What a report has to know."""
    reads_text: bool = True
    """Whether the score depends on the prompt."""

    @property
    @abstractmethod
    def image_passes(self) -> Mapping[str, int]:
        """FLOPs per picture of each network pass, by a name that verifiers sharing the pass have in common."""

    @property
    def text_passes(self) -> Mapping[str, int]:
        """FLOPs per new prompt of each network pass, by a name that verifiers sharing the pass have in common."""
        return {}

    @abstractmethod
    def values(self, images: Sequence[torch.Tensor], prompts: Sequence[str]) -> np.ndarray:
        """Return the scores of sound pictures uint8 [3, H, W] of any sizes, float64 [N]."""

    def verdicts(self, images: Sequence[torch.Tensor], prompts: Sequence[str]) -> tuple[np.ndarray, list[str]]:
        """`values`, and for each that is not finite why, where more is known than that."""
        return self.values(images, prompts), [""] * len(images)

    def sharing(self) -> AbstractContextManager[None]:
        """Within, verifiers that have a pass in common run it once: what an ensemble scores its members in."""
        return nullcontext()

    def forget(self) -> None:
        """Drop what is kept of prompts; a verifier that reads no text, or keeps nothing of it, has nothing to drop."""
        return

    def truncated(self, prompts: Sequence[str]) -> tuple[bool, ...]:
        """Whether each prompt is longer than what is read of it."""
        return (False,) * len(prompts)

    def score(self, images: Pictures, prompts: Sequence[str]) -> Scores:
        """Score image n against prompt n; what cannot be scored is NaN with a reason.

        Raises:
            ValueError: there are not as many prompts as images.
        """
        reasons = faults(images, prompts, self.reads_text)
        sound = [index for index, reason in enumerate(reasons) if not reason]
        values_NM = np.full((len(reasons), 1), np.nan)
        pictures = [picture for index in sound if (picture := images[index]) is not None]
        if sound:
            values_NM[sound, 0], why = self.verdicts(pictures, [prompts[index] for index in sound])
            for index, reason in zip(sound, why, strict=True):
                if not np.isfinite(values_NM[index, 0]):
                    values_NM[index, 0] = np.nan
                    reasons[index] = reason or f"{self.card.name} gave no finite score"
        return Scores(values_NM, tuple(reasons))

    def combine(self, values_NM: np.ndarray) -> np.ndarray:
        """The score itself, float64 [N]."""
        return np.asarray(values_NM, dtype=np.float64)[:, 0]

    def price(self, images: int, new_prompts: int = 0) -> Cost:
        """Static price of `images` pictures and `new_prompts` prompts not seen before."""
        return passes_price(self.image_passes, self.text_passes, images, new_prompts)


def passes_price(
    image_passes: Mapping[str, int], text_passes: Mapping[str, int], images: int, new_prompts: int
) -> Cost:
    """Price of running every image pass per picture and every text pass per new prompt."""
    flops = images * sum(image_passes.values()) + new_prompts * sum(text_passes.values())
    return Cost(verifier_flops=flops, verifier_calls=images)
