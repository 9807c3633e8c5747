"""Prompts of a planned run that a model or a verifier will not read to the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from harness.compute.amounts import counted
from harness.forecast.forecast import Forecast
from harness.run.session import Session


def unread(session: Session, every: Sequence[Forecast]) -> Mapping[str, int]:
    """Model or verifier to how many prompts; those that read all are left out."""
    judges = Counter(name for names in session.evaluator.cut(session.prompts) for name in sorted(names))
    return {name: count for name, count in ({one.model: one.unread for one in every} | judges).items() if count}


def unread_lines(session: Session, every: Sequence[Forecast]) -> Iterator[str]:
    """The same for people."""
    found = unread(session, every)
    if found:
        least = "at least " if session.outlined else ""
        said = ", ".join(f"{least}{count} by {name}" for name, count in found.items())
        yield f"of {counted(len(session.prompts), 'prompt')} too long to be read to the end: {said}"
