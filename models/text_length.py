"""Prompts that are longer than a text encoder takes."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from harness.errors import WrongInput

_SAID_ELSEWHERE = ("The following part of your input was truncated", "Token indices sequence length is longer")


def longer_than(tokenizer: Any, prompts: Sequence[str], limit: int) -> tuple[bool, ...]:
    """Whether each prompt has more than `limit` tokens, special ones included, so that its end is cut."""
    if not prompts:
        return ()
    ids: list[list[int]] = tokenizer(list(prompts), truncation=False, verbose=False)["input_ids"]
    return tuple(len(one) > limit for one in ids)


def refuse_cut_negative(model: str, cut: bool) -> None:
    """Refuse a negative prompt whose end would be cut off, which no table would show. Raises WrongInput."""
    if cut:
        raise WrongInput(
            f"model {model}: negative_prompt has more tokens than its text encoder takes, and no table would say that it is cut: "
            "give a shorter one"
        )


def refuse_unread_negative(model: str, negative: str, read: bool, setting: str, instead: str) -> None:
    """Refuse a negative prompt that changes no image, because this setting (NAME=VALUE) has no guidance. Raises WrongInput."""
    if negative and not read:
        raise WrongInput(f"model {model}: negative_prompt is not read while {setting}: give {instead} too, or leave negative_prompt out")


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
