"""The shapes world shows what its records ask, exactly, and is the same for the same seed."""

import hashlib
import json

import numpy as np
import pytest
import torch

from suites.geneval.records import check_record
from suites.geneval.wording import RELATIONS, TAGS, plural
from suites.shapes.renderer import Scene, Shape, mask, render
from suites.shapes.scenes import GAP, layouts, sample_pairs, sample_record, sample_scene, side_for
from suites.shapes.vocabulary import BACKGROUNDS, COLOURS, IMAGE_SIDE, KINDS

CAPTIONS_SHA256 = "29e699bc410bd0be1766288fdadb366ca9e4fabb042a257a7e7d13a17ad98aa8"


def rng(seed: int = 3) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_records_are_genevals() -> None:
    for task in TAGS:
        for seed in range(20):
            record = sample_record(rng(seed), task)
            check_record(record)
            assert record["tag"] == task
            assert record["prompt"].startswith("a photo of ")


def test_captions_are_those_the_shipped_models_were_trained_on() -> None:
    generator = rng(7)
    drawn = [sample_record(generator) for _ in range(2000)]
    assert hashlib.sha256(json.dumps(drawn).encode()).hexdigest() == CAPTIONS_SHA256


def test_position_record_lists_the_reference_first() -> None:
    record = sample_record(rng(), "position")
    reference, asked = record["include"]
    relation, target = asked["position"]
    assert target == 0
    assert f" {asked['class']} {relation} " in record["prompt"]
    assert record["prompt"].endswith(reference["class"])


def test_counting_excludes_one_more() -> None:
    record = sample_record(rng(), "counting")
    (need,) = record["include"]
    assert record["exclude"] == [{"class": need["class"], "count": need["count"] + 1}]
    assert record["prompt"].endswith(plural(need["class"]))


def test_unknown_task_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"colour.*single_object"):
        sample_record(rng(), "colour")


@pytest.mark.parametrize("task", TAGS)
def test_scene_holds_exactly_what_is_asked(task: str) -> None:
    for seed in range(30):
        generator = rng(seed)
        record = sample_record(generator, task)
        scene = sample_scene(generator, record)
        asked = [need["class"] for need in record["include"] for _ in range(need["count"])]
        assert sorted(shape.kind for shape in scene.shapes) == sorted(asked)
        for need in record["include"]:
            if "color" in need:
                assert [s.colour for s in scene.shapes if s.kind == need["class"]] == [need["color"]] * need["count"]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_layouts_keep_shapes_apart_and_inside(count: int) -> None:
    side = side_for(count)
    corners = layouts(count, side)
    assert corners.min() > 0
    assert corners.max() + side < IMAGE_SIDE
    for i in range(count):
        for j in range(i):
            assert (np.abs(corners[:, i] - corners[:, j]).max(axis=1) >= side + GAP).all()


@pytest.mark.parametrize("relation", RELATIONS)
def test_related_layouts_relate_the_second_to_the_first(relation: str) -> None:
    corners = layouts(2, 20, relation).astype(int)
    axis, sign = {"left of": (0, -1), "right of": (0, 1), "above": (1, -1), "below": (1, 1)}[relation]
    assert (sign * (corners[:, 1, axis] - corners[:, 0, axis]) >= 24).all()


def test_same_seed_same_pictures() -> None:
    first, second = sample_pairs(rng(9), 20), sample_pairs(rng(9), 20)
    assert first == second
    assert torch.equal(render(first[1]), render(second[1]))


def test_picture_is_background_and_colour() -> None:
    image = render([Scene((Shape("square", "red", 10, 6, 20),), background=2)])
    assert image.dtype == torch.uint8
    assert image.shape == (1, 3, IMAGE_SIDE, IMAGE_SIDE)
    assert tuple(image[0, :, 0, 0].tolist()) == BACKGROUNDS[2]
    assert tuple(image[0, :, 16, 20].tolist()) == COLOURS["red"]


@pytest.mark.parametrize("kind", KINDS)
def test_masks_fill_their_box_and_leave_its_edge(kind: str) -> None:
    for side in (16, 20):
        coverage = mask(kind, side)
        assert coverage.shape == (side, side)
        assert coverage.min() >= 0
        assert coverage.max() == 1
        rows, columns = np.flatnonzero(coverage.max(axis=1) > 0.5), np.flatnonzero(coverage.max(axis=0) > 0.5)
        assert max(np.ptp(rows), np.ptp(columns)) >= side - 4
