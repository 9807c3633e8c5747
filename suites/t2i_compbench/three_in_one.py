"""T2I-CompBench's mixture of three scores for complex prompts (3_in_1_eval/3_in_1.py)."""

from __future__ import annotations

from typing import Literal

Kind = Literal["spatial", "action", "both"]
"""What a complex prompt relates its objects by: the official list that holds it, or neither alone."""


def three_in_one(kind: Kind, attribute: float, spatial: float, action: float) -> float:
    """The mean of the attribute score (BLIP-VQA) and of the scores for what the prompt relates its objects by."""
    if kind == "spatial":
        return (spatial + attribute) * 0.5
    if kind == "action":
        return (action + attribute) * 0.5
    return (attribute + spatial + action) / 3
