"""Prompts that are longer than a text encoder takes."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

_SAID_ELSEWHERE = ("The following part of your input was truncated", "Token indices sequence length is longer")


def longer_than(tokenizer: Any, prompts: Sequence[str], limit: int) -> tuple[bool, ...]:
    """Whether each prompt has more than `limit` tokens, special ones included, so that its end is cut."""
    if not prompts:
        return ()
    ids: list[list[int]] = tokenizer(list(prompts), truncation=False, verbose=False)["input_ids"]
    return tuple(len(one) > limit for one in ids)


@contextmanager
def cut_off_unsaid() -> Iterator[None]:
    """Keep diffusers and transformers from warning of every prompt that is cut off: the tables and the run's notes say it."""
    handlers = [one for name in ("diffusers", "transformers", None) for one in logging.getLogger(name).handlers]
    for handler in handlers:
        handler.addFilter(_other)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(_other)


def _other(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(_SAID_ELSEWHERE)
