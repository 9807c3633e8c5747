"""Builds T2I-CompBench's graders from the local folders of their weights; those that share a network share its memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch

from suites.published import PublishedGrader
from suites.t2i_compbench.blip_vqa import BlipVqa
from suites.t2i_compbench.depth import DepthEstimator
from suites.t2i_compbench.graders import Attributes, CategoryGrader, Depths, Likeness, Mixture, Numbers, Positions
from suites.t2i_compbench.open_vocabulary import OpenVocabularyDetector
from verifiers.clip_backbone import ClipBackbone

_blip, _detector = cache(BlipVqa.from_folder), cache(OpenVocabularyDetector.from_folder)
_depth = cache(DepthEstimator.from_folder)


@cache
def _clip(folder: Path, device: torch.device) -> ClipBackbone:
    return ClipBackbone.from_folder(folder, device, quick_gelu=True)


def load(
    grader: PublishedGrader, folders: Mapping[str, Path], device: torch.device, settings: Mapping[str, Any]
) -> CategoryGrader:
    """Build the grader of a row.

    Raises:
        OSError: a folder is not in its network's format.
    """
    makers: Mapping[str, Callable[[], CategoryGrader]] = {
        "t2i-blip-vqa": lambda: Attributes(_blip(folders["vqa"], device)),
        "t2i-clip-score": lambda: Likeness(_clip(folders["clip"], device)),
        "t2i-spatial-owlv2": lambda: Positions(_detector(folders["detector"], device)),
        "t2i-spatial-3d-owlv2": lambda: Depths(_detector(folders["detector"], device), _depth(folders["depth"], device)),
        "t2i-numeracy-owlv2": lambda: Numbers(_detector(folders["detector"], device)),
        "t2i-3-in-1-owlv2": lambda: Mixture(
            _blip(folders["vqa"], device), _clip(folders["clip"], device), _detector(folders["detector"], device)
        ),
    }
    return makers[grader.name]()
