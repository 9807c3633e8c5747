"""Grades pictures: a detector looks at them, GenEval's rules judge what it has found."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

from models.base import Images
from suites.base import Grade
from suites.geneval.detector import Detector, Selective
from suites.geneval.records import check_record
from suites.geneval.rules import Detection, Verdict, judge, select, undecided

Groups: TypeAlias = Mapping[str, Sequence[Detection]]


def grade(images: Images, records: Sequence[Mapping[str, Any]], detector: Detector) -> list[Verdict]:
    """Judge image n, uint8 [N, 3, H, W], by record n; an image in which nothing is found is never correct.

    Raises:
        ValueError: images that are no pictures, not one record per image, or a record that is not GenEval's.
    """
    _check_images(images, len(records))
    if not records:
        return []
    for record in records:
        check_record(record)
    groups = [
        select(found, record["tag"], detector.thresholds)
        for record, found in zip(records, detector.detect(images), strict=True)
    ]
    colors = _colors(images, records, groups, detector)
    return [
        judge(record, group, classify=partial(_look_up, colors), position_threshold=detector.thresholds.position)
        for record, group in zip(records, groups, strict=True)
    ]


def grades(images: Images, records: Sequence[Mapping[str, Any]], detector: Detector) -> list[Grade]:
    """1.0 or 0.0 for image n by record n, with the reasons of a failure; NaN where the detector reads no picture of this size.

    Raises:
        ValueError: as `grade`.
    """
    _check_images(images, len(records))
    if records and isinstance(detector, Selective) and (reason := detector.unread(images)):
        return [Grade(float("nan"), reason)] * len(records)
    verdicts = grade(images, records, detector)
    return [Grade(float(verdict.correct), "; ".join(verdict.reasons), _details(verdict)) for verdict in verdicts]


def _details(verdict: Verdict) -> str:
    """GenEval's own form of what was found: JSON of class to [x1, y1, x2, y2, score] of every detection that counted."""
    found = {name: [[*one.box, one.score] for one in group] for name, group in verdict.found.items()}
    return json.dumps(found)


def _colors(
    images: Images, records: Sequence[Mapping[str, Any]], groups: Sequence[Groups], detector: Detector
) -> dict[int, str]:
    """The colour of every detection that a requirement depends on, by its identity; all are named in one call."""
    asked = [
        (image, detection)
        for image, record, group in zip(images, records, groups, strict=True)
        for detection in undecided(record, group)
    ]
    if not asked:
        return {}
    named = detector.colors([image for image, _ in asked], [detection for _, detection in asked])
    if len(named) != len(asked):
        raise ValueError(f"{detector.name} named {len(named)} colors for {len(asked)} detections: one each")
    return {id(detection): color for (_, detection), color in zip(asked, named, strict=True)}


def _look_up(colors: Mapping[int, str], detections: Sequence[Detection]) -> list[str]:
    return [colors[id(detection)] for detection in detections]


def _check_images(images: Images, expected: int) -> None:
    import torch  # here, so that a suite's prompts are had without it

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
