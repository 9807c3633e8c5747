"""GenEval's prompt set, drawn offline from a seed (Ghosh et al. 2023, arXiv 2310.11513; github.com/djghosh13/geneval).

The official 553 records are `records(PHOTO)`: the order of the draws below is the original's and must not change.
"""

import json
from collections.abc import Callable, Iterable

import numpy as np

from suites.geneval.records import Record, record_of
from suites.geneval.vocabulary import Vocabulary
from suites.geneval.wording import NUMBER_WORDS, RELATIONS

OFFICIAL_SEED = 43
OFFICIAL_DRAWS = 100


def _need(name: str, color: str | None = None) -> Record:
    return {"class": name, "count": 1} | ({"color": color} if color else {})


def _single_objects(rng: np.random.Generator, words: Vocabulary) -> list[Record]:
    order = rng.choice(len(words.objects), size=len(words.objects), replace=False)
    return [record_of("single_object", [_need(words.objects[i])]) for i in order]


def _two_objects(rng: np.random.Generator, words: Vocabulary) -> Record:
    a, b = (words.objects[i] for i in rng.choice(len(words.objects), size=2, replace=False))
    return record_of("two_object", [_need(a), _need(b)])


def _counting(rng: np.random.Generator, words: Vocabulary) -> Record:
    name = words.objects[rng.choice(len(words.objects))]
    count = int(rng.integers(min(NUMBER_WORDS), max(NUMBER_WORDS), endpoint=True))
    return record_of("counting", [{"class": name, "count": count}])


def _colors(rng: np.random.Generator, words: Vocabulary) -> Record:
    name = words.colorable[rng.choice(len(words.colorable))]
    color = words.colors[rng.choice(len(words.colors))]
    return record_of("colors", [_need(name, color)])


def _position(rng: np.random.Generator, words: Vocabulary) -> Record:
    a, b = (words.objects[i] for i in rng.choice(len(words.objects), size=2, replace=False))
    relation = RELATIONS[rng.choice(len(RELATIONS))]
    # The reference object is named second in the prompt but comes first in `include`, so that index 0 points at it.
    return record_of("position", [_need(b), _need(a) | {"position": [relation, 0]}])


def _color_attr(rng: np.random.Generator, words: Vocabulary) -> Record:
    a, b = (words.colorable[i] for i in rng.choice(len(words.colorable), size=2, replace=False))
    color_a, color_b = (words.colors[i] for i in rng.choice(len(words.colors), size=2, replace=False))
    return record_of("color_attr", [_need(a, color_a), _need(b, color_b)])


_DRAWS: tuple[Callable[[np.random.Generator, Vocabulary], Record], ...] = (
    _two_objects,
    _counting,
    _colors,
    _position,
    _color_attr,
)


def records(words: Vocabulary, seed: int = OFFICIAL_SEED, draws_per_task: int = OFFICIAL_DRAWS) -> list[Record]:
    """Draw a prompt set: every object once, then `draws_per_task` of each other task, repeats dropped.

    With the PHOTO vocabulary and the default seed and draws these are GenEval's official 553 records in their order.
    """
    rng = np.random.default_rng(seed)
    drawn = _single_objects(rng, words)
    for draw in _DRAWS:
        drawn += [draw(rng, words) for _ in range(draws_per_task)]
    return list({json.dumps(record): record for record in drawn}.values())


def to_jsonl(rows: Iterable[Record]) -> str:
    """Write records one JSON object per line, byte for byte as `evaluation_metadata.jsonl`."""
    return "".join(json.dumps(row) + "\n" for row in rows)
