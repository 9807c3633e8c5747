"""T2I-CompBench's rules give the published scores: on the reference vectors, and on a second writing of each rule."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import numpy as np
import pytest

from suites.t2i_compbench import numeracy, parsed, spatial, spatial_3d
from suites.t2i_compbench.detections import Found, frame, overlap
from suites.t2i_compbench.three_in_one import three_in_one

VECTORS = Path(__file__).parents[2] / "../shared/vectors/t2i_spatial_2d.json"
PROMPTS = Path(__file__).parents[2] / "../shared/data/t2i_compbench"


def box(rng, size=480.0):
    x1, x2 = sorted((rng.uniform(0, size), rng.uniform(0, size)))
    y1, y2 = sorted((rng.uniform(0, size), rng.uniform(0, size)))
    return (x1, y1, x2 + 1, y2 + 1)


@pytest.mark.skipif(not VECTORS.is_file(), reason="T2I-CompBench's reference vectors are not beside this checkout")
def test_positions_score_as_the_original():
    cases = json.loads(VECTORS.read_text())
    assert cases
    for case in cases:
        score = spatial.position_score(case["locality"], tuple(case["box1"]), tuple(case["box2"]))
        assert score == pytest.approx(case["position_score"], abs=1e-12), case


def test_positions_at_the_edges_of_the_rule():
    unit = (0.0, 0.0, 100.0, 100.0)
    right = (300.0, 0.0, 400.0, 100.0)
    assert spatial.position_score("on the left of", unit, right) == 1
    assert spatial.position_score("on the right of", unit, right) == 0
    assert spatial.position_score("on the left of", unit, (300.0, 300.0, 400.0, 400.0)) == 0
    assert spatial.position_score("on top of", unit, right) == 0
    assert spatial.position_score(None, unit, right) == 0
    half = (50.0, 0.0, 150.0, 100.0)
    assert spatial.position_score("on the left of", unit, half) == pytest.approx(0.1 * 3)
    assert spatial.position_score("near", unit, (300.0, 149.0, 400.0, 249.0)) == 1
    assert spatial.position_score("near", unit, (300.0, 200.0, 400.0, 300.0)) == pytest.approx(0.5)
    assert overlap((1.0, 1.0, 1.0, 1.0), (1.0, 1.0, 1.0, 1.0)) == 0


def test_relations_are_looked_for_in_the_published_order():
    assert spatial.relation_of("a cat on the top of a sofa") == "on the top of"
    assert spatial.relation_of("the hat was on top of the rack") == "on top of"
    assert spatial.relation_of("a cat next to a dog near a door") == "next to"
    assert spatial.relation_of("a cat and a dog") is None
    assert spatial_3d.relation_of("a chair hidden by a mouse behind a dog") == "behind"


def test_a_picture_needs_half_of_the_score_to_have_any():
    dog, cat = Found("dog", 0.9, (0.0, 0.0, 100.0, 100.0)), Found("cat", 0.6, (300.0, 0.0, 400.0, 100.0))
    pair = ("dog", "cat")
    assert spatial.spatial_score("on the left of", pair, [dog, cat]) == pytest.approx(0.25 * 1.5 + 0.5)
    assert spatial.spatial_score("on the right of", pair, [dog, cat]) == 0
    assert spatial.spatial_score("on the left of", pair, [dog]) == 0
    other = Found("dog", 0.8, (350.0, 0.0, 450.0, 100.0))
    assert spatial.spatial_score("on the left of", pair, [other, dog, cat]) == 0
    person = Found("person", 0.9, dog.box)
    assert spatial.spatial_score("on the left of", ("girl", "cat"), [person, cat]) > 0.5
    assert spatial.spatial_score("on the left of", ("girl", "cat"), [Found("girl", 0.9, dog.box), cat]) == 0


def reference_3d(relation, names, found, depth):
    """The published script, step by step."""
    labels = [each.label for each in found]
    score, joined = 0.0, " ".join(labels)
    if names[0] in joined and names[1] in joined:
        place = [None, None]
        for n, label in enumerate(labels):
            for which in (0, 1):
                if names[which] in label:
                    place[which] = n
            if None not in place:
                break
        one, two = (found[n] for n in place)
        score = 0.25 * one.score + 0.25 * two.score
        areas = [(each.box[2] - each.box[0]) * (each.box[3] - each.box[1]) for each in (one, two)]
        wide = max(0, min(one.box[2], two.box[2]) - max(one.box[0], two.box[0]))
        high = max(0, min(one.box[3], two.box[3]) - max(one.box[1], two.box[1]))
        iou = wide * high / (sum(areas) - wide * high)
        means = [depth[int(b[0]) : int(b[2]), int(b[1]) : int(b[3])].mean() for b in (one.box, two.box)]
        right = means[0] > means[1] if relation == "in front of" else means[0] < means[1]
        if right and iou > 0.5:
            score += 0.5
        elif right and 0 < iou < 0.5:
            score += iou / 0.5 / 2
    else:
        for name in names:
            first = next((each for each in found if name in each.label), None)
            if first is not None:
                return 0.25 * first.score
    return score


@pytest.mark.filterwarnings("ignore:.*empty slice.*", "ignore:invalid value")
def test_depths_score_as_the_published_script():
    rng, values = random.Random(0), []
    for _ in range(600):
        depth = np.random.default_rng(rng.randrange(9999)).random((479, 479)).astype(np.float32)
        labels = [rng.choice(["dog", "hot dog", "cat", "cup"]) for _ in range(rng.randrange(6))]
        found = [Found(label, rng.random(), box(rng)) for label in labels]
        relation = rng.choice(spatial_3d.RELATIONS)
        score = spatial_3d.spatial_3d_score(relation, ("dog", "cat"), found, depth)
        assert score == pytest.approx(reference_3d(relation, ("dog", "cat"), found, depth), abs=1e-9)
        values.append(score)
    assert len({round(value, 3) for value in values}) > 100


def test_a_box_beyond_the_transposed_picture_is_in_no_order():
    wide = np.ones((360, 480), dtype=np.float32)
    assert spatial_3d.depth_score("behind", (400.0, 0.0, 470.0, 90.0), (390.0, 0.0, 470.0, 95.0), wide) == 0


def test_depth_needs_overlap():
    near = np.zeros((100, 100), dtype=np.float32)
    near[:60] = 1
    front, back = (0.0, 0.0, 60.0, 90.0), (10.0, 0.0, 90.0, 90.0)
    share = overlap(front, back)
    assert 0.5 < share < 1
    assert spatial_3d.depth_score("in front of", front, back, near) == 1
    assert spatial_3d.depth_score("behind", front, back, near) == 0
    assert spatial_3d.depth_score("hidden", back, front, near) == 1
    assert spatial_3d.depth_score("in front of", front, (70.0, 0.0, 90.0, 90.0), near) == 0
    little = (50.0, 0.0, 90.0, 90.0)
    assert spatial_3d.depth_score("in front of", front, little, near) == pytest.approx(overlap(front, little) / 0.5)


PLURALS = parsed.plurals()


@pytest.mark.parametrize(
    ("prompt", "objects"),
    [
        ("two boys", [("boy", 2)]),
        ("six airplanes", [("airplane", 6)]),
        ("a dog, two fish and eight people", [("dog", 1), ("fish", 2), ("person", 8)]),
        ("three mice and one knife", [("mouse", 3), ("knife", 1)]),
        ("a birds", [("bird", None)]),
        ("five unicorns and four", []),
    ],
)
def test_numbers_and_objects_are_read_as_published(prompt, objects):
    assert numeracy.wanted(prompt, PLURALS) == objects


@pytest.mark.parametrize(
    ("prompt", "objects"),
    [
        ("nine dogs and ten cats", [("dog", 9), ("cat", 10)]),
        ("twenty fish, 2 dogs and 1 cup", [("fish", 20), ("dog", 2), ("cup", 1)]),
        ("Two Dogs and A cat", [("dog", 2), ("cat", 1)]),
        ("0 dogs and 12 cups", [("cup", 12)]),
    ],
)
def test_of_other_prompts_numbers_to_twenty_digits_and_capitals_are_read(prompt, objects):
    assert numeracy.wanted(prompt, PLURALS) == objects


def test_objects_weigh_the_same_and_the_exact_number_is_half():
    apart = [(100.0 * n, 0.0, 100.0 * n + 50, 50.0) for n in range(6)]
    dogs = [Found("dog", 0.9, each) for each in apart[:2]]
    cat = Found("cat", 0.9, apart[2])
    objects = [("dog", 2), ("cat", 3)]
    assert numeracy.numeracy_score(objects, [*dogs, cat]) == pytest.approx(0.75)
    assert numeracy.numeracy_score(objects, dogs) == pytest.approx(0.5)
    again = Found("dog", 0.5, (1.0, 0.0, 50.0, 50.0))
    assert numeracy.numeracy_score(objects, [*dogs, again, cat]) == pytest.approx(0.75)
    inside = Found("dog", 0.5, (2.0, 2.0, 10.0, 10.0))
    assert numeracy.numeracy_score([("dog", 2)], [*dogs, inside]) == 1
    assert numeracy.numeracy_score([("dog", 2)], [*dogs, Found("cat", 0.9, inside.box)]) == 1
    assert numeracy.numeracy_score([("dog", None)], dogs) == 0.5
    assert numeracy.numeracy_score([("ship", 1)], [Found("boat", 0.9, apart[0])]) == 1
    assert numeracy.numeracy_score([("lamp", 1)], [Found("desk lamp", 0.9, apart[0])]) == 1
    assert math.isnan(numeracy.numeracy_score([], dogs))


def test_a_name_that_is_no_label_takes_over_those_it_is_part_of():
    hot = Found("hot dog", 0.9, (0.0, 0.0, 50.0, 50.0))
    dog = Found("dog", 0.9, (100.0, 0.0, 150.0, 50.0))
    assert numeracy.numeracy_score([("dog", 1), ("hot dog", 1)], [hot]) == 0.5
    assert numeracy.numeracy_score([("hot dog", 1), ("dog", 1)], [hot]) == 1
    assert numeracy.numeracy_score([("dog", 1), ("hot dog", 1)], [hot, dog]) == 1
    persons = [Found("person", 0.9, each.box) for each in (hot, dog)]
    assert numeracy.numeracy_score([("boy", 2), ("girl", 1)], persons) == 0.75


def test_complex_prompts_mix_what_they_are_about():
    assert three_in_one("spatial", 0.2, 0.6, 1.0) == pytest.approx(0.4)
    assert three_in_one("action", 0.2, 0.6, 1.0) == pytest.approx(0.6)
    assert three_in_one("both", 0.2, 0.6, 1.0) == pytest.approx(0.6)


def test_an_official_prompt_is_known_without_its_capitals_and_full_stop(monkeypatch):
    monkeypatch.setattr(parsed, "_doc", lambda prompt: pytest.fail(f"{prompt!r} is parsed"))
    official = "The red hat was on top of the brown coat rack."
    for prompt in (official, official[:-1], official.lower(), official.upper(), official.replace(" ", "  ")):
        assert parsed.kind(prompt) == "spatial"
        assert parsed.phrases(prompt) == ["The red hat", "the brown coat rack"]
        assert parsed.around(prompt) == ("hat", "coat")
        assert parsed.without_adjectives(prompt) == "The hat was on top of the coat rack ."
    assert parsed.kind("The black phone was resting on the brown charger") == "action"
    assert parsed.around("The black phone was resting on the brown charger") is None
    assert parsed.phrases("A green bench and a blue bowl.") == ["a green bench", "a blue bowl"]
    assert parsed.ends("A girl on the top of a frog.") == ("girl", "frog")


def test_only_the_kind_leaves_out_what_follows_the_first_full_stop(monkeypatch):
    longer = "The red hat was on top of the brown coat rack. A dog slept."
    assert parsed.kind(longer) == "spatial"
    assert parsed.kind("The red hat was on top of the brown") == "both"
    monkeypatch.setattr(parsed, "_doc", lambda prompt: (_ for _ in ()).throw(parsed.NoParser(prompt)))
    for table in (parsed.phrases, parsed.around, parsed.without_adjectives):
        with pytest.raises(parsed.NoParser):
            table(longer)


def test_the_frame_is_torchvisions():
    import torch
    from torchvision.transforms.functional import resize

    for height, width in ((512, 512), (1024, 1024), (480, 640), (640, 480), (300, 1000), (479, 480), (64, 63)):
        picture = torch.zeros(1, height, width)
        assert frame(height, width) == tuple(resize(picture, 479, max_size=480).shape[1:])
    assert (frame(1, 4000), frame(4000, 1)) == ((1, 480), (480, 1))


@pytest.mark.skipif(not PROMPTS.is_dir(), reason="T2I-CompBench's prompts are not beside this checkout")
def test_every_official_prompt_is_parsed_and_counted():
    def lines(name):
        return [line.strip() for line in (PROMPTS / f"{name}_val.txt").read_text(encoding="utf-8").splitlines() if line.strip()]

    for name in ("color", "shape", "texture", "complex"):
        assert all(1 <= len(parsed.phrases(prompt)) <= 8 for prompt in lines(name))
    for name in ("spatial", "3d_spatial"):
        assert all(parsed.ends(prompt) for prompt in lines(name))
    assert sum(parsed.around(prompt) is not None for prompt in lines("complex")) == 86
    assert [sum(parsed.kind(prompt) == kind for prompt in lines("complex")) for kind in ("spatial", "action", "both")] == [58, 212, 30]
    assert all(numeracy.wanted(prompt, PLURALS) for prompt in lines("numeracy"))
    assert all(spatial.relation_of(prompt) for prompt in lines("spatial"))
    assert all(spatial_3d.relation_of(prompt) for prompt in lines("3d_spatial"))


def test_the_table_is_what_spacy_says():
    spacy = pytest.importorskip("spacy", reason="spaCy is not installed; the table of its answers is used")
    model = pytest.importorskip("en_core_web_sm", reason="spaCy's model is not installed")
    assert spacy
    parse = model.load()
    for prompt in ("a green bench and a blue bowl", "The red hat was on top of the brown coat rack."):
        chunks = [chunk.text for chunk in parse(prompt).noun_chunks if chunk.text not in parsed.NOT_ASKED]
        assert parsed.phrases(prompt) == chunks


def test_what_is_in_the_table():
    assert parsed.phrases("a green bench and a blue bowl") == ["a green bench", "a blue bowl"]
    assert parsed.phrases("The red hat was on top of the brown coat rack.") == ["The red hat", "the brown coat rack"]
    assert parsed.ends("a girl on the top of a frog") == ("girl", "frog")
    assert parsed.parser().startswith("spaCy ")
