"""The exact shape finder behind GenEval's rules: the detector of the embedded world."""

from collections.abc import Sequence

import torch

from models.base import Images
from suites.geneval.rules import PUBLISHED, Detection, Thresholds
from suites.shapes.finder import Found, find
from suites.shapes.vocabulary import IMAGE_SIDE


def detections(parts: Sequence[Found]) -> list[Detection]:
    """Turn the parts of one picture to GenEval's detections."""
    return [Detection(part.kind, part.confidence, part.box, part.colour) for part in parts]


class ShapesDetector:
    """Finds every shape with its colour; its confidences are made to be read at GenEval's published thresholds."""

    name = "shapes-finder"
    thresholds: Thresholds = PUBLISHED

    def unread(self, images_BCHW: Images) -> str:
        """Why it reads no picture of this height and width, "" where it does: in another size even a perfect circle is no shape to it."""
        height, width = images_BCHW.shape[2:]
        if height == width == IMAGE_SIDE:
            return ""
        return f"the shapes finder reads pictures of {IMAGE_SIDE}x{IMAGE_SIDE} pixels, this one has {width}x{height}: give it at that size"

    def detect(self, images_BCHW: Images) -> list[list[Detection]]:
        """Every part of each picture that differs from its background -> one list per picture, same order."""
        return [detections(parts) for parts in find(images_BCHW)]

    def colors(self, images: Sequence[torch.Tensor], detections: Sequence[Detection]) -> list[str]:
        """Raise ValueError: the finder names every colour as it finds the shape."""
        raise ValueError(f"{self.name} names colours while it detects: keep Detection.color as `detect` gave it")
