"""Records that contradict themselves are told from those that do not, whoever worded them."""

from typing import Any

import pytest

from suites.geneval.consistency import contradiction
from suites.geneval.suite import GenEvalSuite


def need(name: str, count: int = 1, **more: Any) -> dict[str, Any]:
    return {"class": name, "count": count, **more}


def record(tag: str, prompt: str, *include: dict[str, Any], exclude: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {"tag": tag, "include": list(include), "exclude": exclude or [], "prompt": prompt}


@pytest.mark.parametrize("domain", ["photo", "shapes"])
def test_no_official_record_contradicts_itself(domain: Any) -> None:
    assert {contradiction(prompt.metadata) for prompt in GenEvalSuite().prompts(domain)} == {""}


LEFT = {"position": ["left of", 0]}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (record("counting", "a photo of five dogs", need("dog", 5)), ""),
        (record("counting", "my five dogs", need("dog", 4)), ""),
        (record("single_object", "my own words", need("dog")), ""),
        (record("counting", "a photo of two dogs and a cat", need("dog", 2), need("cat")), "requirements of 'a photo of two dogs'"),
        (record("counting", "a photo of three cats", need("dog")), "names no dog"),
        (record("counting", "a photo of five dogs", need("dog", 6)), "but 6 dog required"),
        (record("single_object", "a photo of a dog", need("dog", 2)), "but 2 dog required"),
        (record("two_object", "a photo of a dog", need("dog")), "tag two_object with a single requirement"),
        (record("color_attr", "my own words", need("dog"), need("cat")), "tag color_attr without color"),
        (record("position", "a photo of a dog and a cat", need("dog"), need("cat")), "tag position without position"),
        (record("position", "a photo of a cat right of a dog", need("dog"), need("cat", **LEFT)), "'a photo of a cat left of a dog'"),
        (record("two_object", "x", need("dog"), need("dog"), exclude=[need("dog", 2)]), "asks for 2 dog and excludes 2"),
        (record("two_object", "x", need("dog"), exclude=[need("dog", 2), need("cat", 1)]), ""),
    ],
)  # fmt: skip
def test_what_denies_what(given: dict[str, Any], said: str) -> None:
    found = contradiction(given)
    assert found.startswith("metadata contradicts itself: ") if said else found == ""
    assert said in found
