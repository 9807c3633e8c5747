"""Grades any requirements of the shapes world exactly: GenEval's rules, with colour and kind together as one class.

GenEval looks at the best `count` shapes of a kind and asks for their colour, so it cannot ask for a red circle beside a
blue one. Here every shape is found under its kind and under its colour and kind ("red circle"), and a requirement with a colour
asks for the latter; counts, relations, exclusions and thresholds are GenEval's, unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from models.base import Images
from suites.base import Grade, Prompt
from suites.geneval.consistency import contradiction
from suites.geneval.grader import grades
from suites.geneval.records import check_parts, check_record
from suites.geneval.rules import Detection
from suites.geneval.suite import SHAPES
from suites.shapes.detector import ShapesDetector
from suites.shapes.vocabulary import COLOUR_NAMES, KINDS


class AttributeDetector(ShapesDetector):
    """The exact finder; each shape counts as its kind and as its colour and kind."""

    name = "shapes-finder with attributes"

    def detect(self, images_BCHW: Images) -> list[list[Detection]]:
        """Every shape twice -> one list per picture, same order."""
        return [
            [*found, *(replace(one, class_name=f"{one.color} {one.class_name}") for one in found)]
            for found in super().detect(images_BCHW)
        ]


def grade(images: Images, prompts: Sequence[Prompt]) -> list[Grade]:
    """Judge image n (uint8 [N, 3, H, W]) by the requirements of prompt n: 1.0 or 0.0, with the reasons of a failure.

    NaN where the finder does not read pictures of this size.

    Raises:
        ValueError: images that are no pictures, or requirements outside the shapes vocabulary.
    """
    return grades(images, [asked(prompt) for prompt in prompts], AttributeDetector())


def check(prompt: Prompt) -> str:
    """Why no picture of this prompt can be graded, "" where it can."""
    try:
        check_record(asked(prompt))
    except (ValueError, TypeError, AttributeError) as error:
        return str(error)
    return contradiction(prompt.metadata, SHAPES)


def asked(prompt: Prompt) -> dict[str, Any]:
    """The prompt's record with colours moved into the classes."""
    record = prompt.metadata
    if not record.get("include"):
        raise ValueError(f"prompt {prompt.text!r:.80} is none of the suite's in the shapes world and has no requirements: "
                         "only verifiers can score it")  # fmt: skip
    check_parts(record)
    return {
        **record,
        "include": [_joined(need, prompt) for need in record["include"]],
        "exclude": [_joined(ban, prompt) for ban in record.get("exclude", ())],
    }


def _joined(need: Mapping[str, Any], prompt: Prompt) -> dict[str, Any]:
    kind, colour = need.get("class"), need.get("color")
    if kind not in KINDS or colour not in (None, *COLOUR_NAMES):
        named = " ".join(str(word) for word in (colour, kind) if word)
        raise ValueError(f"prompt {prompt.id} asks for {named!r}, which is not in the shapes vocabulary")
    rest = {key: value for key, value in need.items() if key not in ("class", "color")}
    return {"class": f"{colour} {kind}" if colour else kind, **rest}
