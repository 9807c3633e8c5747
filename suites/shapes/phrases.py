"""Requirements of the shapes world and the words for them, for suites that ask more than GenEval's six tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from suites.base import Prompt
from suites.geneval.wording import NUMBER_WORDS, RELATIONS, plural, with_article
from suites.shapes.unknown_words import read_words
from suites.shapes.vocabulary import COLOUR_NAMES, KINDS, STOP_WORDS

READ_WORDS = 5
"""Words besides stop words that the embedded models read of a prompt; the rest is cut off."""

Need = dict[str, Any]
"""Something that must be there: class, count, and color or position."""
Draw = Callable[[np.random.Generator], tuple[str, list[Need]]]
"""Draws one prompt of a task: its words and what it asks for."""


def need(kind: str, colour: str = "", count: int = 1) -> Need:
    """Ask for `count` shapes of a kind, in a colour where one is given."""
    return {"class": kind, "count": count} | ({"color": colour} if colour else {})


def words(asked: Mapping[str, Any]) -> str:
    """The noun phrase of a requirement: "a red circle", "two stars"."""
    name = f"{asked['color']} {asked['class']}" if "color" in asked else asked["class"]
    return with_article(name) if asked["count"] == 1 else f"{NUMBER_WORDS[asked['count']]} {plural(name)}"


def related(first: Need, relation: str, second: Need) -> list[Need]:
    """Ask for both, the first related to the second; the reference object comes first, as in GenEval."""
    return [second, first | {"position": [relation, 0]}]


def kinds(rng: np.random.Generator, n: int) -> list[str]:
    """Draw `n` different kinds."""
    return [KINDS[i] for i in rng.choice(len(KINDS), size=n, replace=False)]


def colours(rng: np.random.Generator, n: int) -> list[str]:
    """Draw `n` different colours."""
    return [COLOUR_NAMES[i] for i in rng.choice(len(COLOUR_NAMES), size=n, replace=False)]


def relation(rng: np.random.Generator) -> str:
    """Draw one of the four relations."""
    return RELATIONS[rng.integers(len(RELATIONS))]


def draw_set(tasks: Mapping[str, Draw], each: int, seed: int) -> tuple[Prompt, ...]:
    """Draw `each` different prompts of every task; numbers are always exact: more than asked for is a fault."""
    rng = np.random.default_rng(seed)
    prompts: list[Prompt] = []
    for task, draw in tasks.items():
        found: dict[str, list[Need]] = {}
        while len(found) < each:
            text, needs = draw(rng)
            found.setdefault(text, needs)
        prompts += [_prompt(f"{task}-{n:03d}", text, task, needs) for n, (text, needs) in enumerate(found.items())]
    return tuple(prompts)


def _prompt(name: str, text: str, task: str, needs: Sequence[Need]) -> Prompt:
    counted = any(one["count"] > 1 for one in needs)
    record: dict[str, Any] = {"tag": "counting" if counted else "two_object", "include": list(needs)}
    if counted:
        keys = ("class", "color")
        record["exclude"] = [
            {key: one[key] for key in keys if key in one} | {"count": one["count"] + 1} for one in needs
        ]
    return Prompt(name, text, task, {**record, "prompt": text})


def cut_off(prompts: Sequence[Prompt]) -> list[Prompt]:
    """The prompts of which the embedded models do not read everything."""
    return [prompt for prompt in prompts if len(read_words(prompt.text)) > READ_WORDS]


def cut_off_note(prompts: Sequence[Prompt]) -> list[str]:
    """A sentence about them, none where there are none."""
    longer = cut_off(prompts)
    if not longer:
        return []
    several = len({prompt.task for prompt in prompts}) > 1
    tasks = f" ({', '.join(dict.fromkeys(prompt.task for prompt in longer))})" if several else ""
    return [
        f"cut off: {len(longer)} of {len(prompts)} prompts{tasks} are longer than the {READ_WORDS} words, besides "
        f"{', '.join(STOP_WORDS)}, that the embedded models read"
    ]
