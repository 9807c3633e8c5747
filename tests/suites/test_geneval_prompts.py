"""GenEval's prompt set is the official one, and the same code words the shapes world."""

import hashlib
from collections import Counter
from pathlib import Path

import pytest

from suites.geneval.prompts import records, to_jsonl
from suites.geneval.records import check_record
from suites.geneval.suite import SHAPES
from suites.geneval.vocabulary import PHOTO, Vocabulary
from suites.geneval.wording import RELATIONS, TAGS
from suites.shapes import vocabulary as shapes_words

OFFICIAL_SHA256 = "5c48e0813e812e3c373fa5c8ed07a8f0a483be30272b4427b0559c8048e67c13"
SHAPES_SHA256 = "d279d096c702c767fb56cd09f679d6be4dcea17d4f3dbcfda3c20d8e87315453"
SHARED = Path(__file__).parents[2] / "../shared/data/geneval"


@pytest.mark.parametrize(
    ("words", "known"), [(PHOTO, OFFICIAL_SHA256), (SHAPES, SHAPES_SHA256)], ids=["photo", "shapes"]
)
def test_a_prompt_set_has_its_known_hash(words: Vocabulary, known: str):
    """Prompt ids are positions in the set and seeds come from ids, so published figures hold for this text only."""
    assert hashlib.sha256(to_jsonl(records(words)).encode()).hexdigest() == known


@pytest.mark.skipif(not SHARED.is_dir(), reason="the original GenEval files are not beside this checkout")
def test_the_official_set_equals_the_original_files():
    rows = records(PHOTO)
    assert to_jsonl(rows) == (SHARED / "evaluation_metadata.jsonl").read_text()
    assert [row["prompt"] for row in rows] == (SHARED / "generation_prompts.txt").read_text().splitlines()
    assert list(PHOTO.objects) == (SHARED / "object_names.txt").read_text().splitlines()


def test_official_counts_per_task_and_relation():
    rows = records(PHOTO)
    assert [Counter(row["tag"] for row in rows)[tag] for tag in TAGS] == [80, 99, 80, 94, 100, 100]
    asked = Counter(row["include"][1]["position"][0] for row in rows if row["tag"] == "position")
    assert [asked[relation] for relation in RELATIONS] == [19, 27, 26, 28]
    assert Counter(row["include"][0]["count"] for row in rows if row["tag"] == "counting") == {2: 26, 3: 28, 4: 26}


@pytest.mark.parametrize("words", [PHOTO, SHAPES], ids=["photo", "shapes"])
def test_every_record_can_be_judged_and_uses_the_vocabulary(words: Vocabulary):
    rows = records(words)
    assert {row["tag"] for row in rows} == set(TAGS)
    assert len({row["prompt"] for row in rows}) == len(rows)
    for row in rows:
        check_record(row)
        for need in row["include"]:
            assert need["class"] in words.objects
            assert need.get("color", words.colors[0]) in words.colors
            assert "color" not in need or need["class"] not in words.colorless
            assert need["count"] in ({2, 3, 4} if row["tag"] == "counting" else {1})
        classes = [need["class"] for need in row["include"]]
        assert len(set(classes)) == len(classes)


def test_shapes_have_ten_kinds_eight_colours_and_every_task():
    assert (len(SHAPES.objects), len(SHAPES.colors), SHAPES.colorless) == (10, 8, frozenset())
    counts = Counter(row["tag"] for row in records(SHAPES))
    assert counts["single_object"] == 10
    assert all(counts[tag] >= 20 for tag in TAGS[1:])


def test_shapes_prompts_use_only_words_the_embedded_models_know():
    known = {*shapes_words.content_words(), *shapes_words.STOP_WORDS}
    assert {word for row in records(SHAPES) for word in row["prompt"].split()} <= known


def test_the_set_depends_on_the_seed_and_on_nothing_else():
    assert records(PHOTO) == records(PHOTO)
    assert records(PHOTO, seed=44) != records(PHOTO)
    assert len(records(PHOTO, draws_per_task=3)) == 80 + 5 * 3


def test_vocabulary_refuses_what_it_cannot_draw_from():
    with pytest.raises(ValueError, match=r"repeat \['a'\]"):
        Vocabulary(("a", "a", "b"), ("red", "blue"))
    with pytest.raises(ValueError, match="not among the objects"):
        Vocabulary(("a", "b"), ("red", "blue"), frozenset({"person"}))
    with pytest.raises(ValueError, match="at least two"):
        Vocabulary(("a", "b"), ("red", "blue"), frozenset({"a"}))
