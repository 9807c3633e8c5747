"""The GenEval suite: its protocol card, its prompts in either domain, and its grader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from harness.weights.local import LocalWeights
from models.base import Domain, Images
from suites.base import Grade, Prompt, ProtocolCard
from suites.geneval.consistency import contradiction
from suites.geneval.detector import Detector
from suites.geneval.grader import grades
from suites.geneval.prompts import OFFICIAL_DRAWS, OFFICIAL_SEED, records
from suites.geneval.records import Record, check_record
from suites.geneval.rules import PUBLISHED
from suites.geneval.vocabulary import PHOTO, Vocabulary
from suites.geneval.wording import TAGS
from suites.published import load_grader
from suites.shapes.vocabulary import COLOUR_NAMES, KINDS

if TYPE_CHECKING:
    import torch

SHAPES = Vocabulary(objects=KINDS, colors=COLOUR_NAMES)
VOCABULARIES: Mapping[Domain, Vocabulary] = {"photo": PHOTO, "shapes": SHAPES}

GRADERS = ("geneval-grader", "geneval-grader-hf")
"""Graders of photographs; the first whose weights are here is taken. Scores of the second are close to official ones."""

CARD = ProtocolCard(
    name="geneval",
    version="djghosh13/geneval af4902f",
    source="Ghosh, Hajishirzi, Schmidt: GenEval, arXiv 2310.11513; github.com/djghosh13/geneval",
    licence="MIT",
    images_per_prompt=4,
    tasks=TAGS,
    overall="unweighted mean of the six task scores; a task score is the fraction of correct images",
    settings={
        "prompt_seed": OFFICIAL_SEED,
        "draws_per_task": OFFICIAL_DRAWS,
        "prompt_rewriting": "none",
        "position_threshold": PUBLISHED.position,
        # The exact finder of the shapes world is sure of everything it finds.
        "photo": {
            "threshold": PUBLISHED.score,
            "counting_threshold": PUBLISHED.counting_score,
            "max_objects": PUBLISHED.max_per_class,
            "max_overlap": PUBLISHED.max_overlap,
        },
    },
)


class GenEvalSuite:
    """GenEval's six tasks on photographs (553 official prompts) or in the shapes vocabulary (`geneval@shapes`)."""

    def __init__(self, detectors: Mapping[Domain, Detector] | None = None) -> None:
        """Grade with the given detectors; without any, the exact finder grades shapes and Mask2Former photographs."""
        self._detectors: dict[Domain, Detector] = dict(detectors or {})
        self._device: torch.device | str = "cpu"
        self._weights = LocalWeights()

    def equip(self, device: torch.device, weights: LocalWeights) -> None:
        """Say where Mask2Former and CLIP run, and which folders hold their weights."""
        self._device, self._weights = device, weights

    def graders(self, domain: Domain) -> tuple[tuple[str, ...], ...]:
        """Mask2Former of either publication for photographs; none where a detector was given or comes with the package."""
        return (GRADERS,) if domain == "photo" and domain not in self._detectors else ()

    @property
    def card(self) -> ProtocolCard:
        """The published protocol."""
        return CARD

    def prompts(self, domain: Domain) -> tuple[Prompt, ...]:
        """All prompts in order; ids are GenEval's five-digit folder names.

        Raises:
            ValueError: GenEval has no vocabulary for the domain.
        """
        if domain not in VOCABULARIES:
            raise ValueError(f"geneval has no prompts for domain {domain!r}: use one of {', '.join(VOCABULARIES)}")
        return _prompts(domain)

    def grade(self, images: Images, prompts: Sequence[Prompt], domain: Domain) -> list[Grade]:
        """Judge image n (uint8 [N, 3, H, W]) by the rules of prompt n: 1.0 or 0.0, with the reasons of a failure.

        NaN where the detector does not read pictures of this size.

        Raises:
            ValueError: no detector for the domain on this machine, images that are no pictures, or prompts of another domain.
        """
        detector = self.detector(domain)
        for prompt in prompts:
            _check_domain(prompt, domain)
        return grades(images, [prompt.metadata for prompt in prompts], detector)

    def check(self, prompt: Prompt, domain: Domain) -> str:
        """Why no picture of this prompt can be graded: a record that is none, contradicts itself, or has unknown words."""
        if not prompt.metadata:
            return (f"prompt {prompt.text!r:.80} is none of GenEval's for {domain} images, and there is no record of what it asks for: "
                    "only verifiers can score it here; in a folder in GenEval's layout it can have one")  # fmt: skip
        try:
            check_record(prompt.metadata)
            _check_domain(prompt, domain)
        except (ValueError, TypeError, AttributeError) as error:
            return str(error)
        return contradiction(prompt.metadata, VOCABULARIES[domain])

    def detector(self, domain: Domain) -> Detector:
        """What looks at the pictures; loaded when it is first needed.

        Raises:
            MissingWeights: GenEval's networks are not on this machine; says how to get them.
            WrongInput: they do not see what is on known pictures.
        """
        if domain not in self._detectors:
            if domain == "shapes":
                # Only here, because the shapes world builds on GenEval's rules and words.
                from suites.shapes.detector import ShapesDetector

                self._detectors[domain] = ShapesDetector()
            else:
                self._detectors[domain] = load_grader(GRADERS, self._device, self._weights)
        return self._detectors[domain]


@cache
def _prompts(domain: Domain) -> tuple[Prompt, ...]:
    return tuple(
        Prompt(id=f"{index:05d}", text=record["prompt"], task=record["tag"], metadata=record)
        for index, record in enumerate(records(VOCABULARIES[domain]))
    )


def _check_domain(prompt: Prompt, domain: Domain) -> None:
    """A class the detector cannot know would be graded as absent, so it is refused instead."""
    words = VOCABULARIES[domain]
    needs: list[Record] = [*prompt.metadata.get("include", ()), *prompt.metadata.get("exclude", ())]
    for need in needs:
        if need.get("class") not in words.objects or need.get("color", words.colors[0]) not in words.colors:
            asked = " ".join(str(need[key]) for key in ("color", "class") if key in need)
            raise ValueError(f"prompt {prompt.id} asks for {asked!r}, which is not in GenEval's vocabulary for {domain} images"
                             f"{_elsewhere(need, domain)}")  # fmt: skip


def _elsewhere(need: Record, domain: Domain) -> str:
    """Which domain has the words that this one has not."""
    others = [
        other for other, words in VOCABULARIES.items()
        if other != domain and need.get("class") in words.objects and need.get("color", words.colors[0]) in words.colors
    ]  # fmt: skip
    return f": it is in that of {others[0]} images, --domain {others[0]}" if others else ", nor in another: correct its metadata"
