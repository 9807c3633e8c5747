"""Looks at known pictures before anything is graded: broken weights find nothing, say so nowhere, and grade every picture as wrong."""

from __future__ import annotations

from pathlib import Path

import torch
from torchvision.io import ImageReadMode, decode_image

from harness.errors import WrongInput
from suites.geneval.detector import Detector
from suites.geneval.rules import Detection

PORTRAIT = "grace_hopper.jpg"
"""Portrait of Grace Hopper, a work of the United States Navy in the public domain; it comes with matplotlib."""
LEAST_SCORE, LEAST_SHARE = 0.5, 0.25
"""How sure the detector must be of the person, and how much of the picture the person must fill."""
PATCHES = {"red": (200, 20, 30), "green": (20, 140, 50), "blue": (20, 60, 200)}
NEXT = "nothing is graded; check that the weights are whole (`vistas fetch geneval-grader`) and those of the named network"


def check(detector: Detector) -> None:
    """Refuse a detector that does not find the person in a portrait, or takes plain red, green and blue for other colours.

    Raises:
        WrongInput: what was not found.
    """
    picture = portrait()
    found = detector.detect(picture[None])[0]
    people = [one for one in found if one.class_name == "person"]
    best = max((one.score for one in people), default=0.0)
    if not any(one.score > LEAST_SCORE and _share(one, picture) > LEAST_SHARE for one in people):
        raise WrongInput(
            f"detector {detector.name} does not see the person in {PORTRAIT} (best score {best:.2f}, needed {LEAST_SCORE}): {NEXT}"
        )
    pictures = [torch.tensor(value, dtype=torch.uint8)[:, None, None].expand(3, 64, 64) for value in PATCHES.values()]
    named = detector.colors(pictures, [Detection("apple", 1.0, (0, 0, 64, 64)) for _ in pictures])
    if named != list(PATCHES):
        raise WrongInput(f"detector {detector.name} takes {', '.join(PATCHES)} for {', '.join(named)}: {NEXT}")


def _share(found: Detection, image_CHW: torch.Tensor) -> float:
    x1, y1, x2, y2 = found.box
    return (x2 - x1) * (y2 - y1) / (image_CHW.shape[1] * image_CHW.shape[2])


def portrait() -> torch.Tensor:
    """The picture of a person, uint8 [3, H, W]; raises WrongInput where matplotlib came without it."""
    from matplotlib import get_data_path

    path = Path(get_data_path()) / "sample_data" / PORTRAIT
    if not path.is_file():
        raise WrongInput(f"{path} is missing, so the detector cannot be checked: reinstall matplotlib with its sample data")
    return decode_image(str(path), ImageReadMode.RGB)
