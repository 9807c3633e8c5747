"""The T2I-CompBench suite: its protocol card, its prompts and its graders in either domain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.weights.local import LocalWeights
from models.base import Domain, Images
from suites.base import Grade, Prompt, ProtocolCard
from suites.prompt_set import PromptSetSuite
from suites.t2i_compbench.categories import ENDS, GRADER_OF
from suites.t2i_compbench.photo import ALONE, PhotoGraders
from suites.t2i_compbench.prompts import CATEGORIES, PROMPTS_SHA256, SOURCE, SPLIT
from suites.t2i_compbench.shapes import MEASURES, shapes_prompts

if TYPE_CHECKING:
    import torch

CARD = ProtocolCard(
    name="t2i-compbench",
    version="Karine-Huang/T2I-CompBench 1b70949, validation split",
    source="Huang et al.: T2I-CompBench and T2I-CompBench++, arXiv 2307.06350; github.com/Karine-Huang/T2I-CompBench",
    licence="MIT",
    images_per_prompt=10,
    tasks=CATEGORIES,
    overall="none is published: each category has its own evaluator and its mean over images; a mean over categories is ours",
    scores={"photo": {category: ENDS[grader] for category, grader in GRADER_OF.items()}},
    settings={"split": SPLIT, "prompts_per_category": 300, "graders": dict(GRADER_OF), "shapes": dict(MEASURES)},
)


class T2ICompBenchSuite(PromptSetSuite):
    """Eight categories of photographs (2400 validation prompts), or five in the shapes vocabulary (`t2i-compbench@shapes`)."""

    def __init__(self) -> None:
        super().__init__(CARD, SOURCE, PROMPTS_SHA256, shapes_prompts)
        self.equip("cpu", LocalWeights())

    def equip(self, device: torch.device | str, weights: LocalWeights) -> None:
        """Say where the graders of photographs run, and which folders hold their weights."""
        self._photo = PhotoGraders(device, weights)

    def graders(self, domain: Domain) -> tuple[tuple[str, ...], ...]:
        """The grader of every category of photographs, each once."""
        return ALONE if domain == "photo" else ()

    def grade(self, images: Images, prompts: Sequence[Prompt], domain: Domain) -> list[Grade]:
        """Judge image n (uint8 [N, 3, H, W]) for prompt n: shapes exactly, photographs by the grader of the category.

        Raises:
            ValueError: none of the graders of photographs is on this machine.
        """
        return self._photo.grade(images, prompts) if domain == "photo" else super().grade(images, prompts, domain)
