"""Builds T2I-CompBench's graders from the local folders of their weights; those that share a network share its memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch

from harness.errors import WrongInput
from suites.geneval.selfcheck import PORTRAIT, portrait
from suites.published import PublishedGrader
from suites.t2i_compbench.blip_vqa import BlipVqa
from suites.t2i_compbench.depth import DepthEstimator
from suites.t2i_compbench.graders import Attributes, CategoryGrader, Depths, Likeness, Mixture, Numbers, Positions
from suites.t2i_compbench.open_vocabulary import OpenVocabularyDetector
from verifiers.clip_backbone import openai_clip

_blip, _depth = cache(BlipVqa.from_folder), cache(DepthEstimator.from_folder)


@cache
def _detector(folder: Path, device: torch.device) -> OpenVocabularyDetector:
    """Weights that find nothing would score every picture 0, so they are tried on a picture of a person."""
    detector = OpenVocabularyDetector.from_folder(folder, device)
    if not detector.find([portrait()], [["person"]])[0]:
        raise WrongInput(
            f"OWLv2 in {folder} does not see the person in {PORTRAIT}: nothing is graded; check that its weights are whole "
            "(`vistas fetch t2i-spatial-owlv2`)"
        )
    return detector


def load(
    grader: PublishedGrader, folders: Mapping[str, Path], device: torch.device, settings: Mapping[str, Any]
) -> CategoryGrader:
    """Build the grader of a row.

    Raises:
        DamagedWeights: a folder does not hold its network, or not all of it.
        WrongInput: the detector does not see what is there.
    """
    makers: Mapping[str, Callable[[], CategoryGrader]] = {
        "t2i-blip-vqa": lambda: Attributes(_blip(folders["vqa"], device)),
        "t2i-clip-score": lambda: Likeness(openai_clip(folders["clip"], device)),
        "t2i-spatial-owlv2": lambda: Positions(_detector(folders["detector"], device)),
        "t2i-spatial-3d-owlv2": lambda: Depths(_detector(folders["detector"], device), _depth(folders["depth"], device)),
        "t2i-numeracy-owlv2": lambda: Numbers(_detector(folders["detector"], device)),
        "t2i-3-in-1-owlv2": lambda: Mixture(
            _blip(folders["vqa"], device), openai_clip(folders["clip"], device), _detector(folders["detector"], device)
        ),
    }
    return makers[grader.name]()
