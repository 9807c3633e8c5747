"""Embedded versions of DrawBench and T2I-CompBench: every prompt can be shown, and only what shows it is right."""

import numpy as np
import pytest
import torch

from harness.errors import WrongInput
from harness.registry import entry
from suites.base import Prompt
from suites.shapes.exact_grader import grade
from suites.shapes.phrases import READ_WORDS, cut_off
from suites.shapes.renderer import Scene, Shape, render
from suites.shapes.scenes import sample_scene
from suites.shapes.unknown_words import check_known, read_words, unknown_note
from suites.shapes.vocabulary import COLOUR_NAMES

SUITES = ("drawbench", "t2i-compbench")


def prompts_of(name):
    return entry("suite", name).resolve()().prompts("shapes")


def scene(rng, prompt):
    """A true scene; a relation holds between the first two shapes, so a third must not come between them in the record."""
    return sample_scene(rng, prompt.metadata)


@pytest.mark.parametrize("name", SUITES)
def test_prompts_are_drawn_alike_everywhere_and_fit_their_card(name):
    suite = entry("suite", name).resolve()()
    prompts = suite.prompts("shapes")
    assert prompts == prompts_of(name)
    assert {prompt.task for prompt in prompts} == set(suite.card.settings["shapes"])
    assert len({prompt.id for prompt in prompts}) == len(prompts)
    assert len({(prompt.task, prompt.text) for prompt in prompts}) == len(prompts)


@pytest.mark.parametrize("name", SUITES)
def test_true_pictures_are_right_and_those_of_the_next_prompts_mostly_not(name):
    rng = np.random.default_rng(0)
    prompts = prompts_of(name)
    images = render([scene(rng, prompt) for prompt in prompts])
    grades = grade(images, prompts)
    wrong = [(prompt.text, one.reason) for prompt, one in zip(prompts, grades, strict=True) if not one.value]
    assert len(wrong) <= 0.02 * len(prompts), wrong
    shifted = grade(images.roll(11, 0), prompts)
    assert sum(one.value for one in shifted) < 0.1 * len(prompts)
    assert all(one.reason for one in shifted if not one.value)


def test_a_colour_and_a_kind_are_one_requirement():
    both = next(p for p in prompts_of("drawbench") if p.task == "conflicting" and len({n["class"] for n in p.metadata["include"]}) == 1)
    first, second = both.metadata["include"]
    kind, one, other = first["class"], first["color"], second["color"]

    def verdict(*colours):
        return grade(render([Scene(tuple(Shape(kind, c, 2 + 24 * n, 2, 20) for n, c in enumerate(colours)))]), [both])[0].value

    third = next(colour for colour in COLOUR_NAMES if colour not in (one, other))
    assert verdict(one, other) == verdict(other, one) == 1.0
    assert verdict(one, one) == verdict(one, third) == verdict(one) == 0.0


def test_numbers_are_exact():
    counted = next(p for p in prompts_of("t2i-compbench") if p.task == "numeracy" and p.metadata["include"][0]["count"] == 2)
    rng = np.random.default_rng(3)
    true = scene(rng, counted)
    assert grade(render([true]), [counted])[0].value == 1.0
    fewer = Scene(true.shapes[1:], true.background)
    assert "found 1" in grade(render([fewer]), [counted])[0].reason
    (three,) = [p for p in prompts_of("drawbench") if p.task == "counting" and p.metadata["include"] == [{"class": "star", "count": 3}]]
    more = {"include": [{"class": "star", "count": 4}]}
    assert "expected star<4, found 4" in grade(render([sample_scene(rng, more)]), [three])[0].reason


@pytest.mark.parametrize("name", ["geneval", *SUITES])
def test_pictures_of_another_size_are_not_graded(name: str):
    """A perfect circle in 96 pixels would be no shape to the finder, and so a correct picture wrong."""
    suite = entry("suite", name).resolve()()
    prompts = suite.prompts("shapes")[:2]
    large = render([scene(np.random.default_rng(3), prompt) for prompt in prompts]).repeat_interleave(2, 2).repeat_interleave(3, 3)
    for grade_ in suite.grade(large, prompts, "shapes"):
        assert np.isnan(grade_.value)
        assert grade_.reason == "the shapes finder reads pictures of 48x48 pixels, this one has 144x96: give it at that size"
    with pytest.raises(ValueError, match="2 images for 1 prompt"):
        suite.grade(large, prompts[:1], "shapes")


def test_only_descriptions_are_longer_than_the_models_read():
    from models.shapes.text import TEXT_TOKENS, UNKNOWN, build_tokenizer

    assert READ_WORDS == TEXT_TOKENS - 1
    tokenizer = build_tokenizer()
    for name in SUITES:
        prompts = prompts_of(name)
        longer = cut_off(prompts)
        assert {prompt.task for prompt in longer} <= {"descriptions"}
        for prompt in prompts:
            ids = tokenizer(prompt.text)["input_ids"]
            assert (len(ids) > TEXT_TOKENS) == (prompt in longer), prompt.text
            assert UNKNOWN not in ids or prompt.task == "wording", prompt.text
            assert (UNKNOWN in ids) == bool(unknown_note([prompt.text])), prompt.text
    assert all(prompt in cut_off(prompts_of("drawbench")) for prompt in prompts_of("drawbench") if prompt.task == "descriptions")


@pytest.mark.parametrize("text", ["A Red STAR", "a photo-realistic star", "two stars, one left of a cat", "an off-white square and", " a"])
def test_unknown_words_are_those_that_the_tokenizer_does_not_know(text: str):
    from models.shapes.text import EOS, UNKNOWN, build_tokenizer

    ids = build_tokenizer()(text)["input_ids"]
    assert len(ids) == len(read_words(text)) + 1
    assert ids[-1] == EOS
    assert (UNKNOWN in ids) == bool(unknown_note([text]))


def test_a_note_names_some_unknown_words_and_counts_the_others():
    texts = ["a red star", "one two three cats, in the house", "a blue star, and 猫"]
    (said,) = unknown_note(texts)
    words = "'one', 'cats,', 'in', 'the', 'house', 'star,' and 1 more"
    assert said == f"unknown words: 2 of 3 prompts have words that the embedded models do not know: {words}; a sign that touches a word " \
        "makes it another"  # fmt: skip
    check_known(texts)
    check_known([" "])


def test_a_prompt_without_a_known_word_is_refused_whatever_stands_beside_it():
    with pytest.raises(WrongInput, match=r"know no word of 1 of 3 prompts \('a turquoise hexagon'\): .*, leave those out, or take"):
        check_known(["a red cat", "a turquoise hexagon", " "])
    with pytest.raises(WrongInput, match=r"know no word of the 2 prompts \('turquoise', 'cat'\)"):
        check_known(["turquoise", "a cat"])


def test_what_is_no_shape_is_refused():
    image = torch.zeros(1, 3, 48, 48, dtype=torch.uint8)
    with pytest.raises(ValueError, match="asks for 'red dog'"):
        grade(image, [Prompt("x", "a red dog", "colors", {"tag": "colors", "include": [{"class": "dog", "count": 1, "color": "red"}]})])
    with pytest.raises(ValueError, match="no requirements"):
        grade(image, [Prompt("x", "a red dog", "colors")])
