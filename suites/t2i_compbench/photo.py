"""Photographs of T2I-CompBench's prompts, each judged by the grader of its category, as far as weights are on this machine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.weights.absent import AbsentWeights, MissingWeights
from harness.weights.local import LocalWeights, absent_graders, some_grader
from models.base import Images
from suites.base import Grade, Prompt
from suites.published import load_grader
from suites.t2i_compbench.categories import GRADER_OF

if TYPE_CHECKING:
    import torch

    from suites.t2i_compbench.graders import CategoryGrader

ALONE = tuple((name,) for name in dict.fromkeys(GRADER_OF.values()))
"""Every grader, each with nothing in its place."""


class PhotoGraders:
    """Graders by category, loaded when they are first needed; a category whose weights are not here is not scored."""

    def __init__(self, device: torch.device | str, weights: LocalWeights) -> None:
        self._device, self._weights = device, weights
        self._loaded: dict[str, CategoryGrader] = {}

    def grade(self, images: Images, prompts: Sequence[Prompt]) -> list[Grade]:
        """Score image n (uint8 [N, 3, H, W]) for prompt n; NaN with a reason where its grader is not here.

        Raises:
            AbsentWeights: no grader is here at all.
            ValueError: a prompt of a category that T2I-CompBench does not have.
        """
        if not some_grader(ALONE, self._weights):
            raise AbsentWeights(absent_graders(ALONE, self._weights))
        grades = [Grade(math.nan)] * len(prompts)
        for name, places in _by_grader(prompts).items():
            try:
                grader = self._load(name)
            except MissingWeights as error:
                some = [Grade(math.nan, str(error), absent=True)] * len(places)
            else:
                some = grader.grade([images[place] for place in places], [prompts[place].text for place in places])
            for place, grade in zip(places, some, strict=True):
                grades[place] = grade
        return grades

    def _load(self, name: str) -> CategoryGrader:
        if name not in self._loaded:
            self._loaded[name] = load_grader((name,), self._device, self._weights)
        return self._loaded[name]


def _by_grader(prompts: Sequence[Prompt]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for place, prompt in enumerate(prompts):
        if prompt.task not in GRADER_OF:
            raise ValueError(f"prompt {prompt.id} is of category {prompt.task!r}: T2I-CompBench's are {', '.join(GRADER_OF)}")
        places.setdefault(GRADER_OF[prompt.task], []).append(place)
    return places
