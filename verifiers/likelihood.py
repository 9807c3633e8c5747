"""An autoregressive generator's own log-probability of what it drew: a guide that no network computes.

It cannot be read off a picture, so it is heard: the metered generator tells it the log-probability of every picture it decodes
or previews, under guidance, temperature and filters, and it finds the picture again by its contents.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from models.base import Images
from verifiers.base import VerifierCard
from verifiers.scorer import Scorer

NAME = "likelihood"
UNHEARD = "no generator has told this picture's probability: likelihood guides autoregressive models and measures nothing else"


class Likelihood(Scorer):
    """Log-probability in nats of the choices behind a picture so far, 0 at most; longer prefixes have less of it."""

    reads_text = False

    def __init__(self) -> None:
        self._heard: dict[tuple[bytes, str], float] = {}
        self.card = VerifierCard(
            name=NAME, domain="", score_range=(-np.inf, 0.0), parts=(NAME,), weights_sha256="", licence="the generator's"
        )

    @property
    def image_passes(self) -> Mapping[str, int]:
        """None: what is told was computed in drawing."""
        return {}

    def hear(self, images: Images, prompts: Sequence[str], log_prob_N: torch.Tensor) -> None:
        """Take note of the log-probability of pictures; kept until prompts are forgotten."""
        for image, prompt, log_prob in zip(images, prompts, log_prob_N.tolist(), strict=True):
            self._heard[_key(image, prompt)] = log_prob

    def values(self, images: Sequence[torch.Tensor], prompts: Sequence[str]) -> np.ndarray:
        """Return what was told, float64 [N], NaN for pictures never told of."""
        keys = [_key(image, prompt) for image, prompt in zip(images, prompts, strict=True)]
        return np.asarray([self._heard.get(key, float("nan")) for key in keys], dtype=np.float64)

    def verdicts(self, images: Sequence[torch.Tensor], prompts: Sequence[str]) -> tuple[np.ndarray, list[str]]:
        """What was told, and why there is nothing where there is nothing."""
        values_N = self.values(images, prompts)
        return values_N, [UNHEARD if np.isnan(value) else "" for value in values_N]

    def forget(self) -> None:
        """Drop everything heard."""
        self._heard.clear()


def likelihood(device: Any = "cpu") -> Likelihood:
    """A verifier that has heard nothing yet."""
    return Likelihood()


def _key(image: torch.Tensor, prompt: str) -> tuple[bytes, str]:
    return hashlib.blake2b(image.contiguous().numpy().tobytes(), digest_size=16).digest(), prompt
