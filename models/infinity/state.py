"""Candidates of Infinity: distinct prefixes of scales and what the transformer makes of their prompts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from models.infinity.conditions import PromptConditions
from models.infinity.rollout import Prediction, Prefixes
from models.prefix_state import PrefixState


@dataclass(frozen=True, slots=True, eq=False)
class InfinityConditioning:
    """Encoded prompts with everything the transformer needs of them."""

    prompts: tuple[str, ...]
    text_tokens: tuple[int, ...]
    conditions: PromptConditions
    text_truncated: tuple[bool, ...] = ()


InfinityState: TypeAlias = PrefixState[Prefixes, Prediction]
