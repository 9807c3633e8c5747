"""The rows of a batch that `vistas bench-model` measures: how many, and of which prompts."""

from __future__ import annotations

from harness.errors import WrongInput
from harness.run.suites import open_suite
from suites.base import Prompt
from suites.sample import sample

PROMPT = Prompt("0", "a photo of a bench and a dog", "")


def sizes(text: str, prompts: int = 1) -> list[int]:
    """Batch sizes as typed, ascending. Raises WrongInput, also for one that this many prompts cannot share evenly, as they do
    in a search."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) for part in parts):
        raise WrongInput(f"--batch {text!r} is not a list of whole numbers from 1: write --batch 1,2,4, for example")
    found = sorted({int(part) for part in parts})
    for batch in found:
        if batch > prompts and batch % prompts:
            raise WrongInput(f"--batch {batch} cannot be shared out evenly among {prompts} prompts: give multiples, or fewer rows")
    return found


def some_prompts(count: int) -> list[Prompt]:
    """So many different prompts, GenEval's after the first. Raises WrongInput."""
    known = [prompt for prompt in open_suite("geneval", None).prompts("photo") if prompt.text != PROMPT.text]
    if not 1 <= count <= len(known) + 1:
        raise WrongInput(f"--prompts {count} is not from 1 to {len(known) + 1}: give how many the rows of a batch are of at most")
    return [PROMPT, *(sample(known, count - 1, seed=0) if count > 1 else ())]
