"""Names the colour of a detected object as GenEval does: CLIP on its cut-out, against ten colours in three wordings."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional
from torchvision.transforms.functional import crop

from suites.geneval.rules import Detection
from suites.geneval.vocabulary import PHOTO
from verifiers.clip_backbone import ClipBackbone

COLORS = PHOTO.colors
TEMPLATES = ("a photo of a {color} {name}", "a photo of a {color}-colored {name}", "a photo of a {color} object")
GREY = 0x99
"""What everything outside an object's mask is painted with, in all three channels."""


class ColorClassifier:
    """Zero-shot over the ten colours; text weights are made once per class."""

    def __init__(self, clip: ClipBackbone) -> None:
        self._clip = clip
        self._weights: dict[str, torch.Tensor] = {}

    def __call__(self, images: Sequence[torch.Tensor], detections: Sequence[Detection]) -> list[str]:
        """Name the colour of detection n in picture n (uint8 [3, H, W]); all cut-outs go through CLIP together."""
        if not detections:
            return []
        crops = [cut_out(image, detection) for image, detection in zip(images, detections, strict=True)]
        features_NE = self._clip.image_features(crops)
        weights_NCE = torch.stack([self._class_weights(detection.class_name) for detection in detections])
        best = (weights_NCE @ features_NE[..., None])[..., 0].argmax(dim=1)
        return [COLORS[index] for index in best.tolist()]

    def _class_weights(self, name: str) -> torch.Tensor:
        """One direction per colour, [10, E]: the mean of the wordings' normalised embeddings, normalised."""
        if name not in self._weights:
            texts = [template.format(color=color, name=name) for color in COLORS for template in TEMPLATES]
            features_CTE = self._clip.text_features(texts).unflatten(0, (len(COLORS), len(TEMPLATES)))
            self._weights[name] = functional.normalize(features_CTE.mean(dim=1), dim=-1)
        return self._weights[name]


def cut_out(image_CHW: torch.Tensor, detection: Detection) -> torch.Tensor:
    """The object on plain grey, then cropped to its box -> uint8 [3, h, w]; without a mask, the box as it is.

    Cropped as PIL does: edges are rounded, and what lies beyond the picture is black. A box has at least a pixel.

    Raises:
        ValueError: the mask has neither the box's size nor the picture's.
    """
    x1, y1, x2, y2 = (round(edge) for edge in detection.box)
    place = (y1, x1, max(1, y2 - y1), max(1, x2 - x1))
    cropped, mask = crop(image_CHW, *place).cpu(), detection.mask
    if mask is None:
        return cropped
    if mask.shape == image_CHW.shape[1:] != cropped.shape[1:]:
        mask = crop(mask[None], *place)[0]
    if mask.shape != cropped.shape[1:]:
        raise ValueError(f"mask of {detection.class_name!r} has shape {tuple(mask.shape)}: give the box's {tuple(cropped.shape[1:])}")
    ground = crop(torch.full_like(image_CHW, GREY, device="cpu"), *place)
    return torch.where(mask.cpu(), cropped, ground)
