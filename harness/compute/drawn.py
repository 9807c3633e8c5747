"""Whether a model draws pictures at all: one that is nothing but NaN is stopped before it has cost hours."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import RunFailed

HOPELESS = 3
"""Prompts without a picture, from a model's first on, that say it is the model and not the prompt: a text encoder may overflow on one."""


class Drawn:
    """What a model, of a pair each of its members, has drawn so far in all units of a process."""

    def __init__(self, model: str) -> None:
        """`model` is named as in the run, with its settings: in another type it is another model."""
        self._model = model
        self._well: set[str] = set()
        self._lost: dict[str, set[str]] = {}

    def look(self, member: str, prompts: Sequence[str], blank: Sequence[bool]) -> None:
        """Take note of pictures of a member, each of one prompt's, and which of them are blanks (models/blank.py).

        Raises:
            RunFailed: it has drawn nothing but blanks, of several prompts.
        """
        if member in self._well:
            return
        if not all(blank):
            self._well.add(member)
            return
        lost = self._lost.setdefault(member, set())
        lost |= set(prompts)
        if len(lost) >= HOPELESS:
            raise RunFailed(
                f"model {self._model}: {member} draws values that are no numbers (NaN) in all pictures of {len(lost)} prompts: its weights "
                "are damaged, or its type is too narrow; fetch or copy them again, or try the setting dtype=float32"
            )
