"""CLIPScore: the raw cosine between picture and prompt under a CLIP model (Hessel et al. 2021, arXiv 2104.08718).

The cosine is what is stored; `CONVENTIONS` turns it into what others print. All of them order pictures alike, and none can be
compared across backbones.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

import numpy as np
import torch

from models.base import Domain
from verifiers.base import VerifierCard
from verifiers.clip_backbone import ClipBackbone
from verifiers.scorer import Scorer

CAPTIONS: Mapping[str, str] = {"plain": "", "hessel": "A photo depicts "}
"""What is put before the prompt: nothing (torchmetrics, ImageReward's package, T2I-CompBench), or Hessel et al.'s words."""


def hessel(cosine: np.ndarray) -> np.ndarray:
    """CLIPScore as Hessel et al. print it; theirs has ViT-B/32 and the caption "hessel"."""
    return 2.5 * np.maximum(cosine, 0)


def torchmetrics(cosine: np.ndarray) -> np.ndarray:
    """CLIPScore as torchmetrics prints it; theirs has ViT-L/14 unless told otherwise."""
    return 100 * np.maximum(cosine, 0)


CONVENTIONS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = {
    "raw": np.asarray, "hessel": hessel, "torchmetrics": torchmetrics,
}  # fmt: skip
"""From the stored cosine to what is printed elsewhere."""


class ClipScore(Scorer):
    """Cosine of image and text embedding, -1 to 1; times the model's own scale where `scaled` (PickScore)."""

    def __init__(
        self,
        backbone: ClipBackbone,
        name: str,
        licence: str,
        domain: Domain = "photo",
        *,
        caption: str = "plain",
        scaled: bool = False,
    ) -> None:
        self._backbone = backbone
        self._before = CAPTIONS[caption]
        self._scale = backbone.logit_scale if scaled else 1.0
        self._texts: dict[str, torch.Tensor] = {}
        self.card = VerifierCard(
            name=name,
            domain=domain,
            score_range=(-self._scale, self._scale),
            parts=(name,),
            weights_sha256=backbone.weights_sha256,
            licence=licence,
            text_limit_tokens=backbone.text_length,
        )

    @property
    def image_passes(self) -> Mapping[str, int]:
        """The backbone's image pass."""
        return self._backbone.image_passes

    @property
    def text_passes(self) -> Mapping[str, int]:
        """The backbone's text pass."""
        return self._backbone.text_passes

    def values(self, images: Sequence[torch.Tensor], prompts: Sequence[str]) -> np.ndarray:
        """Return the cosines, times the scale, float64 [N]."""
        new = list(dict.fromkeys(prompt for prompt in prompts if prompt not in self._texts))
        if new:
            features = self._backbone.text_features([self._before + prompt for prompt in new])
            self._texts.update(zip(new, features, strict=True))
        images_NE, texts_NE = self._backbone.image_features(images), torch.stack([self._texts[p] for p in prompts])
        return np.asarray((images_NE.double() * texts_NE.double()).sum(dim=-1).numpy()) * self._scale

    def sharing(self) -> AbstractContextManager[None]:
        """Share picture embeddings with others on this backbone."""
        return self._backbone.sharing()

    def forget(self) -> None:
        """Drop the embeddings of prompts."""
        self._texts.clear()

    def truncated(self, prompts: Sequence[str]) -> tuple[bool, ...]:
        """Whether each prompt has more tokens than the text tower reads."""
        return self._backbone.truncated([self._before + prompt for prompt in prompts])
