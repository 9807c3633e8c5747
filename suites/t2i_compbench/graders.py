"""T2I-CompBench's graders, one for each kind of prompt: pictures and prompts in, one score a picture out.

BLIP-VQA and CLIPScore are the official ones. Where the official grader detects objects with UniDet, ours detects them with
OWLv2 and applies the official rule; those say so in their names, and their scores are not the official figures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch

from suites.base import Grade
from suites.t2i_compbench import numeracy, parsed, spatial, spatial_3d
from suites.t2i_compbench.blip_vqa import BlipVqa
from suites.t2i_compbench.depth import DepthEstimator
from suites.t2i_compbench.detections import known_as
from suites.t2i_compbench.open_vocabulary import OpenVocabularyDetector
from suites.t2i_compbench.three_in_one import three_in_one
from verifiers.clip_backbone import ClipBackbone

NOTHING_NAMED = "prompt names no object that could be looked for"


class CategoryGrader(Protocol):
    """Scores pictures of one kind of prompt."""

    def grade(self, images: Sequence[torch.Tensor], prompts: Sequence[str]) -> list[Grade]:
        """Score picture n (uint8 [3, H, W], of any size) for prompt n; NaN with a reason where the prompt cannot be parsed."""
        ...


class Attributes:
    """BLIP-VQA: the product of BLIP's answers about each noun phrase."""

    def __init__(self, blip: BlipVqa) -> None:
        self._blip = blip

    def grade(self, images: Sequence[torch.Tensor], prompts: Sequence[str]) -> list[Grade]:
        """Score picture n for prompt n."""
        return _graded(images, prompts, parsed.phrases, self._scores)

    def _scores(self, images: Sequence[torch.Tensor], asked: Sequence[list[str]]) -> list[float]:
        values = self._blip.scores(images, asked)
        return [value if phrases else math.nan for value, phrases in zip(values, asked, strict=True)]


class Likeness:
    """CLIPScore: the raw cosine under CLIP ViT-B/32; negative ones are kept."""

    def __init__(self, clip: ClipBackbone) -> None:
        self._clip = clip

    def grade(self, images: Sequence[torch.Tensor], prompts: Sequence[str]) -> list[Grade]:
        """Score picture n for prompt n."""
        return _graded(images, prompts, str, self.cosines)

    def cosines(self, images: Sequence[torch.Tensor], texts: Sequence[str]) -> list[float]:
        """Cosine of picture n and text n."""
        images_NE, texts_NE = self._clip.image_features(images), self._clip.text_features(texts)
        return [float(value) for value in (images_NE.double() * texts_NE.double()).sum(dim=-1)]


class Positions:
    """Positions in the plane; `pair_of` names the two objects of a prompt, and a prompt without them scores `without`."""

    def __init__(
        self,
        detector: OpenVocabularyDetector,
        pair_of: Callable[[str], parsed.Pair] = parsed.ends,
        without: float = math.nan,
    ) -> None:
        self._detector, self._pair_of, self._without = detector, pair_of, without

    def grade(self, images: Sequence[torch.Tensor], prompts: Sequence[str]) -> list[Grade]:
        """Score picture n for prompt n."""
        return _graded(images, prompts, lambda prompt: (spatial.relation_of(prompt), self._pair_of(prompt)), self._scores)

    def _scores(
        self, images: Sequence[torch.Tensor], asked: Sequence[tuple[str | None, parsed.Pair]]
    ) -> list[float]:
        found = self._detector.find(images, [_names(pair) for _, pair in asked])
        return [
            spatial.spatial_score(relation, pair, each) if pair else self._without
            for (relation, pair), each in zip(asked, found, strict=True)
        ]


class Depths:
    """Positions in depth."""

    def __init__(self, detector: OpenVocabularyDetector, depth: DepthEstimator) -> None:
        self._detector, self._depth = detector, depth

    def grade(self, images: Sequence[torch.Tensor], prompts: Sequence[str]) -> list[Grade]:
        """Score picture n for prompt n."""
        return _graded(images, prompts, lambda prompt: (spatial_3d.relation_of(prompt), parsed.ends(prompt)), self._scores)

    def _scores(
        self, images: Sequence[torch.Tensor], asked: Sequence[tuple[str | None, parsed.Pair]]
    ) -> list[float]:
        found = self._detector.find(images, [_names(pair) for _, pair in asked])
        depths = self._depth.depths(images)
        return [
            spatial_3d.spatial_3d_score(relation, pair, each, depth) if pair else math.nan
            for (relation, pair), each, depth in zip(asked, found, depths, strict=True)
        ]


class Numbers:
    """Numbers of objects."""

    def __init__(self, detector: OpenVocabularyDetector) -> None:
        self._detector = detector

    def grade(self, images: Sequence[torch.Tensor], prompts: Sequence[str]) -> list[Grade]:
        """Score picture n for prompt n."""
        return _graded(images, prompts, _counted, self._scores)

    def _scores(self, images: Sequence[torch.Tensor], asked: Sequence[list[numeracy.Wanted]]) -> list[float]:
        names = [[numeracy.ALIASES.get(name, name) for name, _ in each] for each in asked]
        found = self._detector.find(images, names)
        return [numeracy.numeracy_score(objects, each) for objects, each in zip(asked, found, strict=True)]


class Mixture:
    """The three scores of complex prompts, mixed by what a prompt relates its objects by."""

    def __init__(self, blip: BlipVqa, clip: ClipBackbone, detector: OpenVocabularyDetector) -> None:
        self._attributes, self._likeness = Attributes(blip), Likeness(clip)
        self._positions = Positions(detector, parsed.around, without=0.0)

    def grade(self, images: Sequence[torch.Tensor], prompts: Sequence[str]) -> list[Grade]:
        """Score picture n for prompt n."""
        attributes = self._attributes.grade(images, prompts)
        positions = self._positions.grade(images, prompts)
        actions = _graded(images, prompts, parsed.without_adjectives, self._likeness.cosines)
        return [
            Grade(three_in_one(parsed.kind(prompt), one.value, two.value, three.value), one.reason or two.reason)
            for prompt, one, two, three in zip(prompts, attributes, positions, actions, strict=True)
        ]


def _graded(
    images: Sequence[torch.Tensor],
    prompts: Sequence[str],
    parse: Callable[[str], Any],
    score: Callable[[Sequence[torch.Tensor], Sequence[Any]], list[float]],
) -> list[Grade]:
    """Score what can be parsed, all in one call; the rest is NaN with the reason."""
    grades = [Grade(math.nan)] * len(prompts)
    asked: dict[int, Any] = {}
    for place, prompt in enumerate(prompts):
        try:
            asked[place] = parse(prompt)
        except parsed.NoParser as error:
            grades[place] = Grade(math.nan, str(error))
    if asked:
        values = score([images[place] for place in asked], list(asked.values()))
        for place, value in zip(asked, values, strict=True):
            grades[place] = Grade(value, NOTHING_NAMED if math.isnan(value) else "")
    return grades


def _names(pair: parsed.Pair) -> list[str]:
    return [] if pair is None else [known_as(name) for name in pair]


def _counted(prompt: str) -> list[numeracy.Wanted]:
    return numeracy.wanted(prompt, parsed.plurals())
