"""The detector behind GenEval's scores on photographs: Mask2Former for objects, CLIP for their colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from models.base import Images
from suites.geneval.colors import ColorClassifier
from suites.geneval.instances import Instance, instances
from suites.geneval.pixels import prepare
from suites.geneval.rules import PUBLISHED, Detection
from suites.geneval.vocabulary import PHOTO_OBJECTS

BATCH = 8
"""Pictures in one pass of the detector; at full size a process with two took 3.6 GB in all, in float32."""


class PhotoDetector:
    """GenEval's 80 COCO classes and ten colours; all pictures of a call have one size and go through in batches."""

    thresholds = PUBLISHED

    def __init__(self, network: Any, colors: ColorClassifier, name: str, batch: int = BATCH) -> None:
        """Take a Mask2FormerForUniversalSegmentation with COCO's 80 classes, and what names colours."""
        self._network = network
        self._colors = colors
        self.name = name
        """Which weights look at the pictures."""
        self._batch = batch

    @torch.no_grad()
    def detect(self, images_BCHW: Images) -> list[list[Detection]]:
        """The hundred best (query, class) pairs of each picture -> one list per picture, same order."""
        found: list[list[Detection]] = []
        height, width = images_BCHW.shape[2:]
        for pictures in images_BCHW.split(self._batch) if len(images_BCHW) else ():
            pixels, unpadded = prepare(pictures, self._network.device)
            padded = (pixels.shape[2], pixels.shape[3])
            output = self._network(pixel_values=pixels)
            for classes, masks in zip(output.class_queries_logits, output.masks_queries_logits, strict=True):
                parts = instances(classes, masks, padded, unpadded, (height, width))
                found.append([self._detection(part) for part in parts])
        return found

    def colors(self, images: Sequence[torch.Tensor], detections: Sequence[Detection]) -> list[str]:
        """Name the colour of detection n in picture n."""
        return self._colors(images, detections)

    def _detection(self, part: Instance) -> Detection:
        # Masks are only needed for colours, and colours only of detections that count.
        mask = part.mask if part.score > self.thresholds.score else None
        return Detection(PHOTO_OBJECTS[part.label], part.score, part.box, mask=mask)
