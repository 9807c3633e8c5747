"""GenEval's prompt set, drawn offline from a seed (Ghosh et al. 2023, arXiv 2310.11513; github.com/djghosh13/geneval).

The official 553 records are `records(PHOTO)`: the order of the draws below is the original's and must not change.
"""

import json
from collections.abc import Callable, Iterable

import numpy as np

from suites.geneval.records import RELATIONS, Record
from suites.geneval.vocabulary import Vocabulary

NUMBER_WORDS: dict[int, str] = {2: "two", 3: "three", 4: "four"}

OFFICIAL_SEED = 43
OFFICIAL_DRAWS = 100


def with_article(words: str) -> str:
    """Put "an" before a vowel letter and "a" before anything else, as GenEval does."""
    return f"an {words}" if words[0] in "aeiou" else f"a {words}"


def plural(name: str) -> str:
    """GenEval's plural rule, irregular words included ("persons", "toothbrushs")."""
    return f"{name}es" if name.endswith("s") else f"{name}s"


def _need(name: str, color: str | None = None) -> Record:
    return {"class": name, "count": 1} | ({"color": color} if color else {})


def _single_objects(rng: np.random.Generator, words: Vocabulary) -> list[Record]:
    order = rng.choice(len(words.objects), size=len(words.objects), replace=False)
    names = [words.objects[i] for i in order]
    return [
        {"tag": "single_object", "include": [_need(name)], "prompt": f"a photo of {with_article(name)}"}
        for name in names
    ]


def _two_objects(rng: np.random.Generator, words: Vocabulary) -> Record:
    a, b = (words.objects[i] for i in rng.choice(len(words.objects), size=2, replace=False))
    return {
        "tag": "two_object",
        "include": [_need(a), _need(b)],
        "prompt": f"a photo of {with_article(a)} and {with_article(b)}",
    }


def _counting(rng: np.random.Generator, words: Vocabulary) -> Record:
    name = words.objects[rng.choice(len(words.objects))]
    count = int(rng.integers(min(NUMBER_WORDS), max(NUMBER_WORDS), endpoint=True))
    return {
        "tag": "counting",
        "include": [{"class": name, "count": count}],
        "exclude": [{"class": name, "count": count + 1}],
        "prompt": f"a photo of {NUMBER_WORDS[count]} {plural(name)}",
    }


def _colors(rng: np.random.Generator, words: Vocabulary) -> Record:
    name = words.colorable[rng.choice(len(words.colorable))]
    color = words.colors[rng.choice(len(words.colors))]
    return {"tag": "colors", "include": [_need(name, color)], "prompt": f"a photo of {with_article(color)} {name}"}


def _position(rng: np.random.Generator, words: Vocabulary) -> Record:
    a, b = (words.objects[i] for i in rng.choice(len(words.objects), size=2, replace=False))
    relation = RELATIONS[rng.choice(len(RELATIONS))]
    # The reference object is named second in the prompt but comes first in `include`, so that index 0 points at it.
    return {
        "tag": "position",
        "include": [_need(b), _need(a) | {"position": [relation, 0]}],
        "prompt": f"a photo of {with_article(a)} {relation} {with_article(b)}",
    }


def _color_attr(rng: np.random.Generator, words: Vocabulary) -> Record:
    a, b = (words.colorable[i] for i in rng.choice(len(words.colorable), size=2, replace=False))
    color_a, color_b = (words.colors[i] for i in rng.choice(len(words.colors), size=2, replace=False))
    return {
        "tag": "color_attr",
        "include": [_need(a, color_a), _need(b, color_b)],
        "prompt": f"a photo of {with_article(color_a)} {a} and {with_article(color_b)} {b}",
    }


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
