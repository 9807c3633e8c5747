"""A value typed for a search, a model or a verifier is read by one rule."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.errors import WrongInput
from harness.model_spec import parse_model
from harness.search.spec import parse_search, shortest
from harness.values import NUMBER, TEXT, TRUTH, WHOLE, Kind, at_least, like, one_of, several, typed
from verifiers.published import PublishedVerifier, published_verifiers
from verifiers.spec import parse_verifier


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (TRUTH, "true", True), (TRUTH, "False", False), (TRUTH, "TRUE", True), (WHOLE, "-3", -3), (WHOLE, 3.0, 3),
        (NUMBER, "1e-3", 0.001), (TEXT, "3", "3"), (at_least(1), "1", 1), (one_of(("a", "b")), "b", "b"),
        (several(WHOLE), "0/2/4", (0, 2, 4)), (several(NUMBER), [1, 2.5], (1.0, 2.5)), (several(NUMBER), "2", (2.0,)),
    ],
)  # fmt: skip
def test_a_text_is_read(kind: Kind, text: Any, value: Any) -> None:
    assert kind.of(text) == value
    assert type(kind.of(text)) is type(value)


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        (TRUTH, "yes", "true or false"), (TRUTH, "1", "true or false"), (WHOLE, "2.5", "a whole number"), (WHOLE, 2.5, "a whole number"),
        (NUMBER, "nan", "a number"), (NUMBER, "inf", "a number"), (NUMBER, None, "a number"), (at_least(1), "0", "a whole number from 1"),
        (one_of(("a", "b")), "c", "a or b"), (several(NUMBER), "1/", "a number, or several such as a/b"),
        (several(WHOLE), "0-2", "a whole number, or several such as a/b"),
    ],
)  # fmt: skip
def test_what_is_none_is_told_what_it_should_be(kind: Kind, text: Any, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{said}$"):
        kind.of(text)


def test_a_setting_is_of_the_kind_of_its_default_and_reads_its_own_text() -> None:
    for default in (True, 3, 2.5, "plain"):
        assert like(default).of(typed(default)) == default
    assert like(True) is TRUTH  # a bool is an int too


@pytest.mark.parametrize("yes", ["true", "True"])
@pytest.mark.parametrize("no", ["false", "False"])
def test_true_and_false_are_the_same_to_all(yes: str, no: str) -> None:
    assert shortest(parse_search(f"beam:reuse={yes}")) == "beam:reuse=True"  # as tables and the keys of units have it
    assert shortest(parse_search(f"beam:reuse={no}")) == "beam"
    assert parse_model(f"infinity-2b:compile={yes}").overrides == {"compile": True}
    assert parse_model(f"infinity-2b:compile={no}").text == "infinity-2b"
    row = _with_flag(published_verifiers()["clip-score"])
    assert row.typed({"flag": yes}) == {"flag": True}
    assert row.typed({"flag": no}) == {"flag": False}


def test_a_verifier_tells_what_a_value_should_be() -> None:
    with pytest.raises(WrongInput, match="verifier clip-score: flag=maybe is not true or false: write flag=true, for example"):
        _with_flag(published_verifiers()["clip-score"]).typed({"flag": "maybe"})
    with pytest.raises(WrongInput, match=r"image_side=big is not a whole number.*: write image_side=1024, for example"):
        published_verifiers()["vqa-score"].typed({"image_side": "big"})


@pytest.mark.parametrize("text", ["vqa-score:image_side=-5", "vlm-judge:new_tokens=0", "vlm-judge-qwen:text_tokens=0"])
def test_what_a_judge_cannot_read_with_is_refused_before_it_is_loaded(text: str) -> None:
    given = text.partition(":")[2]
    with pytest.raises(WrongInput, match=f"{given} is not a whole number from 1: write "):
        parse_verifier(text)
    name, key = text.partition(":")[0], given.partition("=")[0]
    assert parse_verifier(f"{name}:{key}=1").settings == {key: 1}


def test_every_setting_with_a_least_has_a_default_above_it() -> None:
    for row in published_verifiers().values():
        assert all(row.settings[key] >= least for key, least in row.least.items())
        assert {key for key, value in row.settings.items() if type(value) is int} == set(row.least)


def _with_flag(row: PublishedVerifier) -> PublishedVerifier:
    return replace(row, settings={**row.settings, "flag": True})
