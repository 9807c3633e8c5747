"""GenEval's rules give the original's verdicts, and an empty picture never satisfies anything."""

import json
import random
from pathlib import Path

import pytest

from suites.geneval.geometry import overlap, relations
from suites.geneval.prompts import records
from suites.geneval.rules import Detection, Thresholds, evaluate, judge, select
from suites.geneval.vocabulary import PHOTO

VECTORS = Path(__file__).parents[2] / "../shared/vectors"
needs_vectors = pytest.mark.skipif(
    not VECTORS.is_dir(), reason="GenEval's reference vectors are not beside this checkout"
)
OFFICIAL = records(PHOTO)
BOX = (0.0, 0.0, 10.0, 10.0)


def box_at(x: float, y: float, size: float = 100) -> tuple[float, float, float, float]:
    return (x, y, x + size, y + size)


def first(tag: str) -> dict:
    return next(row for row in OFFICIAL if row["tag"] == tag)


def perfect(record: dict) -> list[Detection]:
    """Detections that satisfy a record: every object where and how it is asked for."""
    step = {"left of": (-500, 0), "right of": (500, 0), "above": (0, -500), "below": (0, 500)}
    found = []
    for need in record["include"]:
        dx, dy = step[need["position"][0]] if "position" in need else (0, 0)
        found += [Detection(need["class"], 0.95, box_at(dx, dy), need.get("color"))] * need["count"]
    return found


@needs_vectors
def test_rules_give_the_original_verdicts_and_reason_counts():
    cases = json.loads((VECTORS / "geneval_rules.json").read_text())
    assert cases
    for case in cases:
        groups = {
            name: [Detection(name, found["score"], tuple(found["box"]), found["color"]) for found in group]
            for name, group in case["objects"].items()
        }
        record = OFFICIAL[case["index"]]
        assert record["tag"] == case["tag"]
        verdict = judge(record, groups)
        assert (verdict.correct, len(verdict.reasons)) == (case["correct"], case["n_reasons"]), (case, verdict)


@needs_vectors
def test_relative_position_gives_the_original_relations():
    cases = json.loads((VECTORS / "geneval_relative_position.json").read_text())
    assert cases
    for case in cases:
        assert relations(case["a"], case["b"]) == set(case["relations_of_a_wrt_b"]), case


def test_boxes_must_be_further_apart_than_a_tenth_of_their_sizes():
    assert relations(box_at(40, 0), box_at(0, 0)) == set()
    assert relations(box_at(41, 0), box_at(0, 0)) == {"right of"}
    assert relations(box_at(0, -41), box_at(0, 0)) == {"above"}
    assert relations(box_at(300, 300), box_at(0, 0)) == {"right of", "below"}
    assert relations(box_at(0, 0), box_at(0, 0)) == set()


def test_relations_are_mirrored_when_the_boxes_change_places():
    opposite = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
    rng = random.Random(0)
    for _ in range(200):
        a, b = (box_at(rng.uniform(0, 400), rng.uniform(0, 400), rng.uniform(5, 150)) for _ in range(2))
        assert {opposite[relation] for relation in relations(a, b)} == relations(b, a)


def test_nothing_there_is_never_a_success():
    for record in OFFICIAL:
        verdict = evaluate(record, [])
        assert not verdict.correct
        assert verdict.reasons
    with pytest.raises(ValueError, match="includes nothing"):
        evaluate({"tag": "single_object", "include": [], "prompt": ""}, [])
    with pytest.raises(ValueError, match="counts are whole numbers from 1"):
        evaluate({"tag": "single_object", "include": [{"class": "dog", "count": 0}], "prompt": ""}, [])


def test_every_official_record_can_be_satisfied_and_needs_each_of_its_objects():
    for record in OFFICIAL:
        found = perfect(record)
        assert evaluate(record, found).correct, record
        for missing in range(len(found)):
            assert not evaluate(record, found[:missing] + found[missing + 1 :]).correct


def test_the_order_of_detections_does_not_matter():
    rng = random.Random(1)
    for record in OFFICIAL[::20]:
        names = [need["class"] for need in record["include"]]
        found = [
            Detection(
                rng.choice(names),
                rng.random(),
                box_at(rng.uniform(0, 500), rng.uniform(0, 500)),
                rng.choice(PHOTO.colors),
            )
            for _ in range(12)
        ]
        assert evaluate(record, found) == evaluate(record, rng.sample(found, len(found)))


def test_extra_objects_fail_only_where_the_record_excludes_them():
    two, counted = first("two_object"), first("counting")
    assert evaluate(two, perfect(two) * 5).correct
    extra = [*perfect(counted), perfect(counted)[0]]
    verdict = evaluate(counted, extra)
    assert not verdict.correct
    assert f"<{len(extra)}" in verdict.reasons[0]


def test_counting_looks_only_at_detections_above_its_own_threshold():
    record = first("counting")
    name = record["include"][0]["class"]
    weak = Detection(name, 0.9, BOX)
    assert evaluate(record, [*perfect(record), weak]).correct
    assert not evaluate(record, [weak] * 4).correct
    assert select([Detection("dog", 0.3, BOX)], "colors") == {}


def test_colours_are_asked_only_of_the_detections_a_requirement_depends_on():
    record = first("colors")
    need = record["include"][0]
    asked: list[Detection] = []

    def classify(found):
        asked.extend(found)
        return [need["color"]] * len(found)

    best, weaker = Detection(need["class"], 0.9, BOX), Detection(need["class"], 0.5, BOX)
    other = Detection("person", 0.99, BOX)
    assert evaluate(record, [weaker, other, best], classify).correct
    assert asked == [best]
    assert evaluate(first("two_object"), perfect(first("two_object")), classify).correct
    assert len(asked) == 1
    with pytest.raises(ValueError, match="has no color"):
        evaluate(record, [best])
    with pytest.raises(ValueError, match="named 0 colors for 1"):
        evaluate(record, [best], lambda found: [])


def test_every_counted_object_must_have_the_colour_and_every_pair_the_relation():
    two_red = {"tag": "colors", "include": [{"class": "dog", "count": 2, "color": "red"}], "prompt": "two red dogs"}
    red, blue = (Detection("dog", 0.9, BOX, color) for color in ("red", "blue"))
    assert evaluate(two_red, [red, red]).correct
    assert not evaluate(two_red, [red, blue]).correct
    herd = [{"class": "cat", "count": 1}, {"class": "dog", "count": 2, "position": ["above", 0]}]
    above = {"tag": "position", "include": herd, "prompt": "two dogs above a cat"}
    cat, high, low = (
        Detection("cat", 0.9, BOX),
        Detection("dog", 0.9, box_at(0, -300)),
        Detection("dog", 0.8, box_at(0, 300)),
    )
    assert evaluate(above, [cat, high, high]).correct
    assert not evaluate(above, [cat, high, low]).correct


def test_at_most_sixteen_of_a_class_count_and_overlapping_ones_can_be_dropped():
    same = [Detection("dog", 0.5 + index / 100, BOX) for index in range(20)]
    assert select(same, "colors")["dog"] == same[:3:-1]
    apart = Detection("dog", 0.4, box_at(500, 0))
    assert select([apart, *same], "colors", Thresholds(max_overlap=0.5))["dog"] == [same[-1]]
    few = select([apart, *same[:3]], "colors", Thresholds(max_overlap=0.5))["dog"]
    assert few == [same[2], apart]
    assert overlap((0, 0, 9, 9), (0, 0, 9, 9)) == 1
    assert overlap((0, 0, 9, 9), (5, 0, 14, 9)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 9, 9), (20, 20, 29, 29)) == 0


@pytest.mark.parametrize(
    ("score", "box", "words"),
    [
        (float("nan"), BOX, "score nan"),
        (0.5, (0, 0, float("inf"), 1), "four finite numbers"),
        (0.5, (0, 0, 1), "four finite"),
    ],
)
def test_a_detection_that_is_no_measurement_is_refused(score, box, words):
    with pytest.raises(ValueError, match=words):
        Detection("dog", score, box)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tag": "colour"}, "tag 'colour'"),
        ({"include": [{"count": 1}]}, "names no class"),
        ({"include": [{"class": "dog", "count": 1, "position": ["beside", 0]}]}, "relation 'beside'"),
        ({"include": [{"class": "dog", "count": 1, "position": ["above", 0]}]}, "earlier requirement"),
    ],
)
def test_a_record_that_cannot_be_judged_is_refused(change, words):
    with pytest.raises(ValueError, match=words):
        evaluate(first("position") | change, [])
