"""Records that contradict themselves are told from those that do not, whoever worded them."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from suites.base import Prompt
from suites.geneval.consistency import contradiction
from suites.geneval.suite import VOCABULARIES, GenEvalSuite
from suites.geneval.vocabulary import PHOTO, PHOTO_OBJECTS
from suites.geneval.wording import TAGS, plural


def need(name: str, count: int = 1, **more: Any) -> dict[str, Any]:
    return {"class": name, "count": count, **more}


def record(tag: str, prompt: str, *include: dict[str, Any], exclude: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {"tag": tag, "include": list(include), "exclude": exclude or [], "prompt": prompt}


@pytest.mark.parametrize("domain", ["photo", "shapes"])
def test_no_official_record_contradicts_itself_and_every_one_does_with_one_object_more(domain: Any) -> None:
    words = VOCABULARIES[domain]
    for prompt in GenEvalSuite().prompts(domain):
        assert contradiction(prompt.metadata, words) == ""
        first, *rest = prompt.metadata["include"]
        more = {**prompt.metadata, "include": [{**first, "count": first["count"] + 1}, *rest], "exclude": []}
        assert f"{first['count'] + 1} " in contradiction(more, words)


IRREGULAR = {
    "person": "people", "bus": "buses", "bench": "benches", "sheep": "sheep", "skis": "skis", "wine glass": "wine glasses",
    "knife": "knives", "sandwich": "sandwiches", "broccoli": "broccoli", "couch": "couches", "computer mouse": "computer mice",
    "scissors": "scissors", "toothbrush": "toothbrushes",
}  # fmt: skip
"""English plurals of COCO's classes that are not the class and an s."""


@pytest.mark.parametrize(("word", "count"), [("two", 2), ("four", 4), ("five", 5), ("ten", 10)])
def test_every_class_is_counted_in_english_and_in_genevals_plural(word: str, count: int) -> None:
    for name in PHOTO_OBJECTS:
        for many in {IRREGULAR.get(name, f"{name}s"), plural(name)}:
            text = f"a photo of {word} {many}"
            assert contradiction(record("counting", text, need(name, count)), PHOTO) == ""
            assert f"but {count + 1} {name} required" in contradiction(record("counting", text, need(name, count + 1)), PHOTO)


def test_the_record_of_the_page_can_be_graded() -> None:
    page = (Path(__file__).parents[2] / "docs" / "suites.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"```json\n(.*)\n```", page)
    given = json.loads(line)
    assert GenEvalSuite().check(Prompt("x", given["prompt"], given["tag"], given), "shapes") == ""
    for tag in TAGS:
        assert tag in page


LEFT, RIGHT, ABOVE = ({"position": [relation, 0]} for relation in ("left of", "right of", "above"))
RED = {"color": "red"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (record("counting", "a photo of five dogs", need("dog", 5)), ""),
        (record("counting", "my five dogs", need("dog", 4)), ""),
        (record("counting", "a photo of six mice", need("computer mouse", 6)), ""),
        (record("counting", "a photo of 12 dogs", need("dog", 12)), ""),
        (record("counting", "a photo of a dozen dogs", need("dog", 12)), ""),
        (record("counting", "a photo of one dog", need("dog")), ""),
        (record("counting", "a photo of two dogs and a cat", need("dog", 2), need("cat")), ""),
        (record("counting", "a photo of five red buses", need("bus", 5, **RED)), ""),
        (record("single_object", "my own words", need("dog")), ""),
        (record("single_object", "a photo of a sofa", need("couch")), ""),
        (record("single_object", "a photo of scissors", need("scissors")), ""),
        (record("single_object", "a photo of an orange", need("orange")), ""),
        (record("colors", "a photo of an orange orange", need("orange", color="orange")), ""),
        (record("colors", "a photo of a red, shiny car", need("car", **RED)), ""),
        (record("two_object", "a photo of a cat and a dog", need("dog"), need("cat")), ""),
        (record("two_object", "a photo of a cat, a dog, and a bus", need("dog"), need("cat"), need("bus")), ""),
        (record("position", "a photo of a dog right of a cat", need("dog"), need("cat", **LEFT)), ""),
        (record("position", "a photo of a dog to the left of a cat", need("cat"), need("dog", **LEFT)), ""),
        (record("position", "a photo of a dog below a cat", need("dog"), need("cat", **ABOVE)), ""),
        (record("counting", "a photo of three cats", need("dog")), "names no dog"),
        (record("counting", "a photo of five dogs", need("dog", 6)), "but 6 dog required"),
        (record("counting", "a photo of one dog", need("dog", 2)), "but 2 dog required"),
        (record("counting", "a photo of five people", need("person", 6)), "but 6 person required"),
        (record("counting", "a photo of two dogs and a cat", need("dog", 2)), "but 2 dog required"),
        (record("counting", "a photo of two green dogs", need("dog", 2)), 'but dog of any color required: add "color": "green" to it'),
        (record("counting", "a photo of two green dogs", need("dog", 3)), "but 3 dog required"),
        (record("colors", "a photo of a blue dog", need("dog", **RED)), "but 1 red dog required"),
        (record("single_object", "a photo of a dog", need("dog", 2)), "but 2 dog required"),
        (record("two_object", "a photo of a dog", need("dog")), "tag two_object with a single requirement"),
        (record("color_attr", "my own words", need("dog"), need("cat")), "tag color_attr without color"),
        (record("position", "a photo of a dog and a cat", need("dog"), need("cat")), "tag position without position"),
        (record("position", "a photo of a cat right of a dog", need("dog"), need("cat", **LEFT)), "1 dog and 1 cat and cat left of dog"),
        (record("position", "a photo of a cat left of a dog", need("dog"), need("cat", **RIGHT)), "1 dog and 1 cat and dog left of cat"),
        (record("two_object", "x", need("dog"), need("dog"), exclude=[need("dog", 2)]), "asks for 2 dog and excludes 2"),
        (record("two_object", "x", need("dog"), exclude=[need("dog", 2), need("cat", 1)]), ""),
    ],
)  # fmt: skip
def test_what_denies_what(given: dict[str, Any], said: str) -> None:
    found = contradiction(given, PHOTO)
    assert found.startswith("metadata contradicts itself: ") if said else found == ""
    assert said in found
