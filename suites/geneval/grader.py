"""Grades pictures: a detector looks at them, GenEval's rules judge what it has found."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch

from models.base import Images
from suites.geneval.detector import Detector
from suites.geneval.rules import Verdict, evaluate


def grade(images: Images, records: Sequence[Mapping[str, Any]], detector: Detector) -> list[Verdict]:
    """Judge image n, uint8 [N, 3, H, W], by record n; an image in which nothing is found is never correct.

    Raises:
        ValueError: images that are no pictures, not one record per image, or a record that is not GenEval's.
    """
    _check_images(images, len(records))
    if not records:
        return []
    return [
        evaluate(record, found, classify=partial(detector.colors, image), thresholds=detector.thresholds)
        for image, record, found in zip(images, records, detector.detect(images), strict=True)
    ]


def _check_images(images: Images, expected: int) -> None:
    if images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape[2:]:
        raise ValueError(
            f"images have shape {tuple(images.shape)}: give [N, 3, H, W] with pictures of at least a pixel"
        )
    if images.dtype != torch.uint8:
        broken = [n for n, image in enumerate(images) if not bool(torch.isfinite(image).all())]
        detail = f", not finite in image {', '.join(map(str, broken))}" if broken else ""
        raise ValueError(f"images are {images.dtype}{detail}: give uint8, as saved in the PNG")
    if len(images) != expected:
        raise ValueError(f"{len(images)} images for {expected} prompts: give one prompt per image")
