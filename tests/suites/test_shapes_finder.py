"""The finder is right on rendered pictures, unsure on broken ones, and finds nothing where there is nothing.

Blur: up to a standard deviation of 0.8 pixels nearly all shapes stay above 0.9; at 3 pixels few are above 0.3. A shape
with a third of it missing, or of two colours, is below 0.9.
"""

from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from scipy import ndimage
from torchvision.transforms.functional import pil_to_tensor

from suites.geneval.grader import grade
from suites.geneval.wording import TAGS
from suites.shapes.detector import ShapesDetector
from suites.shapes.finder import find
from suites.shapes.oracle import soft_scores
from suites.shapes.renderer import Scene, Shape, render
from suites.shapes.scenes import sample_pairs
from suites.shapes.vocabulary import COLOURS, KINDS


def pictures(count: int, seed: int = 17, **options: object) -> tuple[list, list, torch.Tensor]:
    records, scenes = sample_pairs(np.random.default_rng(seed), count, **options)
    return records, scenes, render(scenes)


def blurred(images: torch.Tensor, pixels: float) -> torch.Tensor:
    soft = ndimage.gaussian_filter(images.numpy().astype(np.float32), (0, 0, pixels, pixels))
    return torch.from_numpy(soft.astype(np.uint8))


def confidences(images: torch.Tensor) -> np.ndarray:
    return np.array([part.confidence for parts in find(images) for part in parts])


@pytest.mark.parametrize("task", range(len(TAGS)))
def test_rendered_pictures_are_correct(task: int) -> None:
    weights = [float(i == task) for i in range(len(TAGS))]
    records, _, images = pictures(200, task_weights=weights)
    assert np.mean([verdict.correct for verdict in grade(images, records, ShapesDetector())]) >= 0.99


def test_every_shape_is_found_as_painted() -> None:
    _, scenes, images = pictures(150)
    for scene, parts in zip(scenes, find(images), strict=True):
        assert Counter((s.kind, s.colour) for s in scene.shapes) == Counter((p.kind, p.colour) for p in parts)
        assert min(part.confidence for part in parts) > 0.9
        for shape in scene.shapes:
            (part,) = [p for p in parts if (p.box[0] >= shape.left - 1) and (p.box[2] <= shape.left + shape.side + 1)
                       and (p.box[1] >= shape.top - 1) and (p.box[3] <= shape.top + shape.side + 1)]  # fmt: skip
            assert part.kind == shape.kind


@pytest.mark.parametrize("background", range(4))
def test_all_kinds_in_all_colours(background: int) -> None:
    scenes = [Scene((Shape(k, c, 14, 10, 20),), background) for k in KINDS for c in COLOURS]
    for scene, parts in zip(scenes, find(render(scenes)), strict=True):
        assert [(part.kind, part.colour) for part in parts] == [(scene.shapes[0].kind, scene.shapes[0].colour)]


@pytest.mark.parametrize(("radius", "least", "most"), [(4, 0.0, 0.3), (6, 0.9, 1.0), (12, 0.9, 1.0), (15, 0.0, 0.01)])
def test_circles_of_any_painter_are_read_in_the_sizes_that_the_page_names(radius: int, least: float, most: float) -> None:
    picture = Image.new("RGB", (48, 48), "white")
    ImageDraw.Draw(picture).ellipse((24 - radius, 24 - radius, 24 + radius, 24 + radius), fill=(255, 0, 0))
    ((part,),) = find(pil_to_tensor(picture)[None])
    assert (part.kind, part.colour) == ("circle", "red")
    assert least <= part.confidence <= most


def test_other_captions_are_mostly_refused() -> None:
    records, _, images = pictures(300)
    shifted = records[1:] + records[:1]
    assert np.mean([verdict.correct for verdict in grade(images, shifted, ShapesDetector())]) < 0.06
    assert soft_scores(images, records).mean() > soft_scores(images, shifted).mean() + 0.5


def test_confidence_falls_with_blur() -> None:
    _, _, images = pictures(60)
    by_blur = [confidences(blurred(images, pixels)) for pixels in (0.8, 1.6, 2.4, 3.2)]
    means = [float(found.mean()) for found in by_blur]
    assert np.quantile(by_blur[0], 0.1) > 0.9
    assert means == sorted(means, reverse=True)
    assert np.median(by_blur[-1]) < 0.3


@pytest.mark.parametrize("kind", KINDS)
def test_cut_and_two_coloured_shapes_are_doubted(kind: str) -> None:
    whole = render([Scene((Shape(kind, "blue", 14, 14, 20),))])
    cut = whole.clone()
    cut[:, :, :, 27:] = cut[:, :, :1, :1]
    mixed = whole.clone()
    other = render([Scene((Shape(kind, "orange", 14, 14, 20),))])
    mixed[..., 24:] = other[..., 24:]
    assert confidences(whole).max() > 0.9
    assert max(confidences(cut), default=0) < 0.9
    assert max(confidences(mixed), default=0) < 0.9


def test_nothing_is_never_correct() -> None:
    empty = torch.full((2, 3, 48, 48), 240, dtype=torch.uint8)
    assert find(empty) == [[], []]
    star = {"tag": "single_object", "include": [{"class": "star", "count": 1}], "prompt": "a photo of a star"}
    (verdict,) = grade(empty[:1], [star], ShapesDetector())
    assert not verdict.correct
    assert verdict.reasons == ("expected star>=1, found 0",)
    only_exclude = {"tag": "counting", "include": [], "exclude": [{"class": "star", "count": 3}], "prompt": "no stars"}
    with pytest.raises(ValueError, match="includes nothing"):
        grade(empty[:1], [only_exclude], ShapesDetector())
    assert soft_scores(empty[:1], [star]).item() == 0


def test_noise_is_no_shape() -> None:
    noise = torch.randint(0, 256, (20, 3, 48, 48), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
    assert max(confidences(noise), default=0) < 0.3


def test_wrong_input_is_refused() -> None:
    with pytest.raises(ValueError, match="give uint8"):
        find(torch.zeros(1, 3, 48, 48))
    with pytest.raises(ValueError, match="2 images for 1 prompts"):
        grade(torch.zeros(2, 3, 48, 48, dtype=torch.uint8), [{}], ShapesDetector())
