"""The GenEval suite: protocol, prompts in both domains, grading, figures and samples."""

import math
import re
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

from suites.base import Grade, Prompt, Suite, display_name
from suites.geneval.detector import Detector
from suites.geneval.records import check_record
from suites.geneval.rules import PUBLISHED, Detection
from suites.geneval.suite import GenEvalSuite
from suites.geneval.summary import summarize
from suites.geneval.wording import TAGS
from suites.sample import sample
from suites.shapes.renderer import render
from suites.shapes.scenes import sample_scene

SUITE = GenEvalSuite()


class OneDog:
    """A detector that sees one dog in every picture with any light in it."""

    name = "one-dog"
    thresholds = PUBLISHED

    def detect(self, images_BCHW):
        return [[Detection("dog", 0.8, (0, 0, 8, 8))] if image.any() else [] for image in images_BCHW]

    def colors(self, images, detections):
        return ["red" if image[0].any() else "blue" for image, _ in zip(images, detections, strict=True)]


def pictures(prompts, seed=0):
    """A true picture of each shapes prompt: uint8 [N, 3, H, W]."""
    rng = np.random.default_rng(seed)
    return render([sample_scene(rng, prompt.metadata) for prompt in prompts])


def test_the_suite_keeps_the_protocol_and_names_its_domain():
    assert isinstance(SUITE, Suite)
    assert SUITE.card.images_per_prompt == 4
    assert SUITE.card.tasks == TAGS
    assert display_name(SUITE.card.name, "shapes") == "geneval@shapes"
    photo, shapes = SUITE.prompts("photo"), SUITE.prompts("shapes")
    assert (len(photo), photo[0].id, photo[-1].id) == (553, "00000", "00552")
    assert photo[0].text == "a photo of a bench"
    assert {prompt.task for prompt in shapes} == set(TAGS)
    with pytest.raises(ValueError, match=r"'video'.*photo, shapes"):
        SUITE.prompts("video")


def test_true_pictures_are_correct_and_those_of_another_prompt_mostly_not():
    prompts = sample(SUITE.prompts("shapes"), 60, seed=0)
    images = pictures(prompts)
    summary = summarize(SUITE.grade(images, prompts, "shapes"), prompts)
    assert all(score >= 0.9 for score in summary.tasks.values()), summary
    assert summary.overall >= 0.98
    shifted = SUITE.grade(images.roll(7, 0), prompts, "shapes")
    assert sum(grade.value for grade in shifted) < 0.2 * len(prompts)
    assert all(grade.reason for grade in shifted if grade.value == 0)


def test_an_empty_picture_is_never_correct():
    prompts = SUITE.prompts("shapes")[::5]
    for shade in (0, 128, 246, 255):
        blank = torch.full((len(prompts), 3, 48, 48), shade, dtype=torch.uint8)
        assert [grade.value for grade in SUITE.grade(blank, prompts, "shapes")] == [0.0] * len(prompts)


def test_permuting_images_and_prompts_permutes_the_grades_whatever_the_batch():
    prompts = sample(SUITE.prompts("shapes"), 24, seed=1)
    images = pictures(prompts)
    images[::3] = images[::3].flip(0)
    grades = SUITE.grade(images, prompts, "shapes")
    order = np.random.default_rng(0).permutation(len(prompts)).tolist()
    assert SUITE.grade(images[order], [prompts[i] for i in order], "shapes") == [grades[i] for i in order]
    one_by_one = [SUITE.grade(images[n : n + 1], [prompt], "shapes")[0] for n, prompt in enumerate(prompts)]
    assert one_by_one == grades
    assert SUITE.grade(images[:0], [], "shapes") == []


def test_images_that_are_no_pictures_are_named():
    prompts = SUITE.prompts("shapes")[:3]
    images = torch.zeros(3, 3, 48, 48)
    images[1, 0, 0, 0] = math.nan
    with pytest.raises(ValueError, match="float32, not finite in image 1: give uint8"):
        SUITE.grade(images, prompts, "shapes")
    with pytest.raises(ValueError, match="float32: give uint8"):
        SUITE.grade(torch.zeros(3, 3, 48, 48), prompts, "shapes")
    with pytest.raises(ValueError, match="2 images for 3 prompts"):
        SUITE.grade(torch.zeros(2, 3, 48, 48, dtype=torch.uint8), prompts, "shapes")
    with pytest.raises(ValueError, match="shape"):
        SUITE.grade(torch.zeros(3, 48, 48, 3, dtype=torch.uint8), prompts, "shapes")


def test_photographs_are_refused_until_a_detector_is_there(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    prompts = SUITE.prompts("photo")[:1]
    image = torch.full((1, 3, 8, 8), 9, dtype=torch.uint8)
    absent = r"^geneval-grader.clip: .* is not on this machine.*get them with `vistas fetch geneval-grader`"
    with pytest.raises(ValueError, match=absent) as refusal:
        SUITE.grade(image, prompts, "photo")
    assert "\n" not in str(refusal.value)


def test_any_detector_can_be_put_behind_the_rules():
    detector = OneDog()
    assert isinstance(detector, Detector)
    suite = GenEvalSuite({"photo": detector})
    dog = next(p for p in suite.prompts("photo") if p.text == "a photo of a dog")
    red = Prompt("x", "a photo of a red dog", "colors", {
        "tag": "colors", "include": [{"class": "dog", "count": 1, "color": "red"}], "prompt": "a photo of a red dog",
    })  # fmt: skip
    images = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
    images[1:, 2] = 200
    images[3, 0] = 200
    values = [grade.value for grade in suite.grade(images, [dog, dog, red, red], "photo")]
    assert values == [0.0, 1.0, 0.0, 1.0]


def test_prompts_of_another_domain_are_refused_rather_than_found_absent():
    image = torch.zeros(1, 3, 48, 48, dtype=torch.uint8)
    with pytest.raises(ValueError, match="prompt 00000 asks for 'bench', which is not in GenEval's vocabulary for shapes images"):
        SUITE.grade(image, SUITE.prompts("photo")[:1], "shapes")


def test_overall_is_the_unweighted_mean_of_the_tasks_and_the_ungraded_enter_nothing():
    prompts = SUITE.prompts("shapes")
    rng = np.random.default_rng(0)
    grades = [Grade(float(value)) for value in rng.integers(0, 2, len(prompts))]
    summary = summarize(grades, prompts)
    for tag in TAGS:
        assert summary.tasks[tag] == np.mean([g.value for g, p in zip(grades, prompts, strict=True) if p.task == tag])
    assert summary.overall == pytest.approx(np.mean(list(summary.tasks.values())))
    more = summarize([*grades, Grade(math.nan, "damaged")], [*prompts, prompts[0]])
    assert (more.tasks, more.graded, more.ungraded) == (summary.tasks, len(prompts), 1)
    only_one_task = [(g, p) for g, p in zip(grades, prompts, strict=True) if p.task == "colors"]
    assert math.isnan(summarize(*map(list, zip(*only_one_task, strict=True))).overall)
    with pytest.raises(ValueError, match="1 grades for 2 prompts"):
        summarize(grades[:1], prompts[:2])


@pytest.mark.parametrize("domain", ["photo", "shapes"])
def test_samples_are_even_nested_and_repeatable(domain):
    prompts = SUITE.prompts(domain)
    last: set[str] = set()
    for n in (1, 6, 7, 24, 60, len(prompts)):
        chosen = sample(prompts, n, seed=3)
        ids = {prompt.id for prompt in chosen}
        assert len(ids) == n
        assert last <= ids
        assert [prompt.id for prompt in chosen] == sorted(ids)
        assert chosen == sample(prompts, n, seed=3)
        counts = Counter(prompt.task for prompt in chosen)
        if n <= 60:
            assert max(counts[tag] for tag in TAGS) - min(counts[tag] for tag in TAGS) <= 1
        last = ids
    assert {prompt.id for prompt in sample(prompts[::-1], 24, seed=3)} == {p.id for p in sample(prompts, 24, seed=3)}
    assert sample(prompts, 24, seed=4) != sample(prompts, 24, seed=3)
    for n in (0, len(prompts) + 1):
        with pytest.raises(ValueError, match=f"{n} prompts asked for"):
            sample(prompts, n, seed=3)


@pytest.mark.parametrize(
    ("spoilt", "expected"),
    [
        ({"include": {"class": "star", "count": 1}}, "has include {'class': 'star', 'count': 1}: give a list of objects"),
        ({"include": [1]}, r"has include \[1\]: give a list of objects"),
        ({"exclude": None}, "has exclude None: give a list of objects"),
        ({"include": [{"class": "star", "count": 1, "position": "x"}]}, r"has position 'x': write \[relation, index\]"),
    ],
)
def test_records_of_another_form_say_what_is_wrong(spoilt: dict[str, Any], expected: str) -> None:
    record = {"tag": "two_object", "include": [{"class": "star", "count": 1}], "prompt": "a photo of a star"} | spoilt
    with pytest.raises(ValueError, match=expected):
        check_record(record)
    assert re.search(expected, GenEvalSuite().check(Prompt("00000", "", "two_object", record), "shapes"))
