"""Prompts that are longer than a text encoder takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def longer_than(tokenizer: Any, prompts: Sequence[str], limit: int) -> tuple[bool, ...]:
    """Whether each prompt has more than `limit` tokens, special ones included, so that its end is cut."""
    if not prompts:
        return ()
    ids: list[list[int]] = tokenizer(list(prompts), truncation=False, verbose=False)["input_ids"]
    return tuple(len(one) > limit for one in ids)
