"""Loaders of the published judges by a vision-language model: (row, folders by role, device, settings) to a verifier."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch

from verifiers.published import PublishedVerifier
from verifiers.vlm import VisionLanguage
from verifiers.vlm_judge import JUDGE, VQA, VQA_FLAN, Rubric, VlmScorer, YesNo


@cache
def _network(folder: Path, device: str, dtype: str, image_side: int, text_tokens: int) -> VisionLanguage:
    """Judges that differ only in what they ask share one network."""
    return VisionLanguage.from_folder(folder, device, getattr(torch, dtype), image_side, text_tokens)


def _of(folders: Mapping[str, Path], device: Any, settings: Mapping[str, Any]) -> VisionLanguage:
    return _network(folders["weights"], str(device), settings["dtype"], settings["image_side"], settings["text_tokens"])


def vqa_score(row: PublishedVerifier, folders: Mapping[str, Path], device: Any, settings: Mapping[str, Any]) -> VlmScorer:
    """VQAScore's question to any vision-language model of transformers."""
    question = VQA_FLAN if settings["answer"] == "geometric" else VQA
    return YesNo(_of(folders, device, settings), row.name, row.licence, question, settings["answer"])


def vlm_judge(row: PublishedVerifier, folders: Mapping[str, Path], device: Any, settings: Mapping[str, Any]) -> VlmScorer:
    """Yes or no, or a graded rubric."""
    network = _of(folders, device, settings)
    if settings["mode"] == "rubric":
        return Rubric(network, row.name, row.licence, settings["new_tokens"])
    return YesNo(network, row.name, row.licence, JUDGE, "yes-no")
