"""Loads GenEval's detector for photographs from the local folders of its weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from suites.geneval.colors import ColorClassifier
from suites.geneval.mask2former import load
from suites.geneval.photo import PhotoDetector
from suites.geneval.selfcheck import check
from suites.published import PublishedGrader
from verifiers.clip_backbone import openai_clip

DETECTOR, CLIP = "detector", "clip"


def photo_detector(
    grader: PublishedGrader, folders: Mapping[str, Path], device: torch.device, settings: Mapping[str, Any]
) -> PhotoDetector:
    """Load Mask2Former and CLIP ViT-L/14, and look at known pictures with them.

    Raises:
        DamagedWeights: files that are not these networks.
        WrongInput: weights that load but do not find what is there.
    """
    network, name = load(detector_path(folders[DETECTOR]), device)
    detector = PhotoDetector(network, ColorClassifier(openai_clip(folders[CLIP], device)), name)
    check(detector)
    return detector


def detector_path(folder: Path) -> Path:
    """OpenMMLab's .pth where the folder holds one, else the folder itself, which is in transformers' format."""
    checkpoints = sorted(folder.glob("mask2former*.pth"))
    return checkpoints[0] if checkpoints else folder
