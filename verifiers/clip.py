"""CLIPScore: the raw cosine between picture and prompt under an open_clip model (Hessel et al. 2021, arXiv 2104.08718).

Hessel's CLIPScore is 2.5 max(cosine, 0) with "A photo depicts " before the caption, torchmetrics' is 100 max(cosine, 0);
the cosine orders pictures as both do and is what is stored.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

import numpy as np
import torch

from models.base import Domain
from verifiers.base import VerifierCard
from verifiers.clip_backbone import ClipBackbone
from verifiers.scorer import Scorer


class ClipScore(Scorer):
    """Cosine of image and text embedding, -1 to 1."""

    def __init__(self, backbone: ClipBackbone, name: str, licence: str, domain: Domain = "photo") -> None:
        self._backbone = backbone
        self._texts: dict[str, torch.Tensor] = {}
        self._card = VerifierCard(
            name=name,
            domain=domain,
            score_range=(-1.0, 1.0),
            parts=(name,),
            weights_sha256=backbone.weights_sha256,
            licence=licence,
            text_limit_tokens=backbone.text_length,
        )

    @property
    def card(self) -> VerifierCard:
        """What a report has to know."""
        return self._card

    @property
    def image_passes(self) -> Mapping[str, int]:
        """The backbone's image pass."""
        return self._backbone.image_passes

    @property
    def text_passes(self) -> Mapping[str, int]:
        """The backbone's text pass."""
        return self._backbone.text_passes

    def values(self, images: Sequence[torch.Tensor], prompts: Sequence[str]) -> np.ndarray:
        """Return the cosines, float64 [N]."""
        new = list(dict.fromkeys(prompt for prompt in prompts if prompt not in self._texts))
        if new:
            self._texts.update(zip(new, self._backbone.text_features(new), strict=True))
        images_NE, texts_NE = self._backbone.image_features(images), torch.stack([self._texts[p] for p in prompts])
        return np.asarray((images_NE.double() * texts_NE.double()).sum(dim=-1).numpy())

    def sharing(self) -> AbstractContextManager[None]:
        """Share picture embeddings with others on this backbone."""
        return self._backbone.sharing()

    def forget(self) -> None:
        """Drop the embeddings of prompts."""
        self._texts.clear()

    def truncated(self, prompts: Sequence[str]) -> tuple[bool, ...]:
        """Whether each prompt has more tokens than the text tower reads."""
        return self._backbone.truncated(prompts)
