"""GenEval's detector for photographs: pixels in, scored instances and colours out, on random weights in the published formats."""

from __future__ import annotations

import numpy as np
import open_clip
import pytest
import tiny_clip
import tiny_mask2former as tiny
import torch
from PIL import Image
from torch.nn import functional
from torchvision.transforms.functional import pil_to_tensor, to_pil_image

from harness.errors import WrongInput
from harness.weights.local import LocalWeights
from suites.base import Prompt
from suites.geneval import photo as photo_module
from suites.geneval.colors import COLORS, ColorClassifier, cut_out
from suites.geneval.detector import Detector
from suites.geneval.instances import instances
from suites.geneval.load import detector_path
from suites.geneval.photo import PhotoDetector
from suites.geneval.pixels import prepare, resize, resized
from suites.geneval.rules import Detection
from suites.geneval.selfcheck import PATCHES, check
from suites.geneval.suite import GenEvalSuite
from verifiers.clip_backbone import ClipBackbone

PERSON, DOG = 0, 16


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("clip")
    tiny_clip.save(path, text_cfg={**tiny_clip.NETWORK["text_cfg"], "context_length": 16})
    return path


@pytest.fixture(scope="module")
def colors(clip_folder):
    return ColorClassifier(ClipBackbone.from_folder(clip_folder, quick_gelu=True))


@pytest.fixture
def small_input(monkeypatch):
    """Let the detector look at 96 pixels instead of 800, which changes nothing but the time."""
    monkeypatch.setattr(photo_module, "prepare", lambda images, device: prepare(images, device, 96, 160))


def pictures(count=3, height=40, width=56, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, height, width), dtype=torch.uint8, generator=generator)


def test_sizes_are_those_of_the_published_settings():
    assert resized(512, 512) == resized(1024, 1024) == (800, 800)
    assert resized(512, 768) == (800, 1200)
    assert resized(100, 1000) == (133, 1333)
    assert resized(333, 500) == (800, 1201)
    assert resized(1, 4000) == (1, 1333)
    pixels, unpadded = prepare(pictures(1, 40, 60))
    assert unpadded == (800, 1200)
    assert pixels.shape == (1, 3, 800, 1216)


def test_resizing_is_bilinear_without_smoothing():
    for height, width, to_height, to_width in ((40, 56, 96, 134), (64, 64, 20, 20), (31, 17, 31, 40)):
        images = pictures(2, height, width)
        wanted = functional.interpolate(images.float(), (to_height, to_width), mode="bilinear", align_corners=False)
        found = resize(images, to_height, to_width)
        assert found.dtype == torch.uint8
        assert (found.float() - wanted).abs().max() <= 1
        assert (found.float() - wanted).abs().mean() < 0.3


def test_resizing_is_opencvs_pixel_for_pixel():
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed; it is no dependency")
    for height, width, to_height, to_width in ((512, 512, 800, 800), (64, 48, 1067, 800), (333, 517, 200, 310)):
        image = pictures(1, height, width)
        wanted = cv2.resize(image[0].permute(1, 2, 0).numpy(), (to_width, to_height), interpolation=cv2.INTER_LINEAR)
        assert np.array_equal(resize(image, to_height, to_width)[0].permute(1, 2, 0).numpy(), wanted)


def test_pixels_are_normalised_in_the_order_rgb_and_padded_with_grey():
    image = torch.tensor([10, 120, 250], dtype=torch.uint8)[None, :, None, None].expand(1, 3, 40, 60)
    pixels, (height, width) = prepare(image, short=48, long=64)
    assert (height, width) == (43, 64)
    wanted = [(10 - 123.675) / 58.395, (120 - 116.28) / 57.12, (250 - 103.53) / 57.375]
    padding = [(128 - 123.675) / 58.395, (128 - 116.28) / 57.12, (128 - 103.53) / 57.375]
    assert pixels.shape == (1, 3, 64, 64)
    for channel in range(3):
        assert torch.allclose(pixels[0, channel, :43], torch.tensor(wanted[channel]), atol=1e-5)
        assert torch.allclose(pixels[0, channel, 43:], torch.tensor(padding[channel]), atol=1e-5)


def reference_instances(classes, masks, padded, unpadded, size, count):
    """mmdetection's post-processing, one query and one pixel count at a time."""
    logits = functional.interpolate(masks[None], padded, mode="bilinear", align_corners=False)
    logits = logits[:, :, : unpadded[0], : unpadded[1]]
    logits = functional.interpolate(logits, size, mode="bilinear", align_corners=False)[0].double().numpy()
    scores = torch.softmax(classes.double(), dim=1)[:, :-1].numpy()
    pairs = sorted(((scores[q, c], q, c) for q in range(len(scores)) for c in range(scores.shape[1])), reverse=True)
    found = []
    for score, query, label in pairs[:count]:
        ys, xs = np.nonzero(logits[query] > 0)
        if len(ys):
            sure = 1 / (1 + np.exp(-logits[query][ys, xs]))
            box = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
            found.append((label, score * sure.sum() / (len(ys) + 1e-6), box, logits[query] > 0))
    return found


def test_instances_are_scored_as_mmdetection_scores_them():
    generator = torch.Generator().manual_seed(4)
    classes = torch.randn(20, 9, generator=generator) * 2
    masks = functional.interpolate(torch.randn(1, 20, 4, 4, generator=generator), (24, 32), mode="bicubic")[0]
    masks[3] = -5.0
    settings = ((96, 128), (90, 120), (45, 60))
    wanted = reference_instances(classes, masks, *settings, 30)
    found = instances(classes, masks, *settings, count=30)
    assert 0 < len(wanted) < 30
    assert len(found) == len(wanted)
    for one, (label, score, box, mask) in zip(found, wanted, strict=True):
        assert one.label == label
        assert one.score == pytest.approx(score, rel=1e-5)
        assert one.box == tuple(map(float, box))
        assert np.array_equal(one.mask.numpy(), mask[box[1] : box[3], box[0] : box[2]])


def test_a_query_may_appear_under_several_classes_and_only_a_hundred_are_kept():
    classes = torch.zeros(3, 81)
    classes[0, :2] = 5
    masks = torch.ones(3, 4, 4)
    found = instances(classes, masks, (16, 16), (16, 16), (16, 16))
    assert len(found) == 100
    assert {found[0].label, found[1].label} == {0, 1}
    assert found[0].box == (0, 0, 16, 16)


@pytest.mark.usefixtures("small_input")
def test_the_batch_makes_no_difference(colors):
    images = pictures(8)
    found = PhotoDetector(tiny.network(), colors, "tiny", batch=8).detect(images)
    single = PhotoDetector(tiny.network(), colors, "tiny", batch=1).detect(images)
    order = torch.randperm(8, generator=torch.Generator().manual_seed(1))
    permuted = PhotoDetector(tiny.network(), colors, "tiny", batch=3).detect(images[order])
    assert len({tuple(one.score for one in each) for each in found}) == 8
    for n, (batched, alone) in enumerate(zip(found, single, strict=True)):
        moved = permuted[order.tolist().index(n)]
        for other in (alone, moved):
            assert [one.class_name for one in batched] == [one.class_name for one in other]
            assert [one.box for one in batched] == [one.box for one in other]
            assert [one.score for one in batched] == pytest.approx([one.score for one in other], abs=1e-5)
    assert PhotoDetector(tiny.network(), colors, "tiny").detect(images[:0]) == []


@pytest.mark.usefixtures("small_input")
def test_detections_carry_names_boxes_and_the_masks_that_colours_need(colors):
    detector = PhotoDetector(tiny.one_sees(DOG), colors, "tiny")
    assert isinstance(detector, Detector)
    found = detector.detect(pictures(2))
    best = max(found[0], key=lambda one: one.score)
    assert (best.class_name, best.box) == ("dog", (0, 0, 56, 40))
    assert best.score > 0.99
    assert best.mask.all()
    assert best.mask.shape == (40, 56)
    assert all(one.mask is None for one in found[0] if one.score <= 0.3)
    assert len(found[0]) == 100


def test_cut_outs_are_pils_composite_and_crop():
    image = pictures(1)[0]
    mask = torch.rand(40, 56, generator=torch.Generator().manual_seed(1)) > 0.5
    box = (5, 7, 30, 33)
    whole = Image.composite(to_pil_image(image), Image.new("RGB", (56, 40), "#999"), Image.fromarray(mask.numpy()))
    wanted = pil_to_tensor(whole.crop(box))
    detection = Detection("dog", 0.9, tuple(map(float, box)), mask=mask[7:33, 5:30])
    assert torch.equal(cut_out(image, detection), wanted)
    assert torch.equal(cut_out(image, Detection("dog", 0.9, tuple(map(float, box)), mask=mask)), wanted)
    assert torch.equal(cut_out(image, Detection("dog", 0.9, box)), image[:, 7:33, 5:30])


@pytest.mark.parametrize("box", [(-3.0, -2.0, 20.4, 10.6), (30.5, 31.5, 80.0, 50.0), (5.5, 6.5, 9.5, 10.5)])
def test_boxes_beyond_the_picture_or_between_pixels_are_cut_as_pil_cuts_them(box):
    image = pictures(1)[0]
    assert torch.equal(cut_out(image, Detection("dog", 0.9, box)), pil_to_tensor(to_pil_image(image).crop(box)))
    mask = torch.rand(40, 56, generator=torch.Generator().manual_seed(1)) > 0.5
    whole = Image.composite(to_pil_image(image), Image.new("RGB", (56, 40), "#999"), Image.fromarray(mask.numpy()))
    assert torch.equal(cut_out(image, Detection("dog", 0.9, box, mask=mask)), pil_to_tensor(whole.crop(box)))


def test_a_box_without_a_pixel_has_one_and_a_mask_must_fit():
    image = pictures(1)[0]
    assert cut_out(image, Detection("dog", 0.9, (5.0, 6.0, 5.2, 6.2))).shape == (3, 1, 1)
    with pytest.raises(ValueError, match=r"mask of 'dog' has shape \(3, 3\): give the box's \(26, 25\)"):
        cut_out(image, Detection("dog", 0.9, (5, 7, 30, 33), mask=torch.ones(3, 3, dtype=torch.bool)))


def test_colours_are_those_of_clip_by_hand(colors, clip_folder):
    images = list(pictures(40, 20, 30))
    named = colors(images, [Detection(("dog", "cake")[n % 2], 0.9, (2, 1, 28, 19)) for n in range(40)])
    model = open_clip.create_model(f"local-dir:{clip_folder}", force_quick_gelu=True).eval()
    tokens, transform = open_clip.get_tokenizer(f"local-dir:{clip_folder}"), open_clip.image_transform(32, False)
    for n, (image, color) in enumerate(zip(images, named, strict=True)):
        name, directions = ("dog", "cake")[n % 2], []
        for one in COLORS:
            texts = [f"a photo of a {one} {name}", f"a photo of a {one}-colored {name}", f"a photo of a {one} object"]
            with torch.no_grad():
                mean = functional.normalize(model.encode_text(tokens(texts)), dim=-1).mean(dim=0)
            directions.append(mean / mean.norm())
        with torch.no_grad():
            feature = model.encode_image(transform(to_pil_image(image[:, 1:19, 2:28]))[None])[0]
        cosines = torch.stack([direction @ feature / feature.norm() for direction in directions])
        assert color == COLORS[int(cosines.argmax())]
    assert len(set(named)) > 1
    assert colors([], []) == []


class Counting:
    """Colours by rule, counting the calls."""

    def __init__(self, answer="red"):
        self.answer, self.calls = answer, []

    def __call__(self, images, detections):
        self.calls.append(len(detections))
        return list(PATCHES) if len(detections) == len(PATCHES) and self.answer == "true" else [self.answer] * len(detections)


@pytest.mark.usefixtures("small_input")
def test_a_suite_grades_photographs_and_asks_for_all_colours_at_once():
    classifier = Counting()
    suite = GenEvalSuite({"photo": PhotoDetector(tiny.one_sees(DOG), classifier, "tiny", batch=2)})
    whole = {"tag": "colors", "include": [{"class": "dog", "count": 1, "color": "red"}], "prompt": "a photo of a red dog"}
    blue = {**whole, "include": [{"class": "dog", "count": 1, "color": "blue"}]}
    cat = {"tag": "single_object", "include": [{"class": "cat", "count": 1}], "prompt": "a photo of a cat"}
    prompts = [Prompt(str(n), record["prompt"], record["tag"], record) for n, record in enumerate((whole, blue, cat, whole))]
    assert [grade.value for grade in suite.grade(pictures(4), prompts, "photo")] == [1.0, 0.0, 0.0, 1.0]
    assert classifier.calls == [3]


@pytest.mark.usefixtures("small_input")
def test_a_detector_that_sees_nothing_is_refused(colors):
    with pytest.raises(WrongInput, match=r"does not see the person in grace_hopper.jpg .* nothing is graded; check"):
        check(PhotoDetector(tiny.network(), colors, "tiny"))
    with pytest.raises(WrongInput, match="does not see the person"):
        check(PhotoDetector(tiny.one_sees(DOG), colors, "tiny"))
    seeing = tiny.one_sees(PERSON)
    with pytest.raises(WrongInput, match="takes red, green, blue for red, red, red"):
        check(PhotoDetector(seeing, Counting(), "tiny"))
    check(PhotoDetector(seeing, Counting("true"), "tiny"))


@pytest.fixture(scope="module")
def weights(tmp_path_factory, clip_folder):
    """Both publications of one network that sees a person everywhere, as --weights takes them."""
    hub, official = tmp_path_factory.mktemp("hub"), tmp_path_factory.mktemp("official")
    saved = tiny.openmmlab(tiny.published(tiny.one_sees(PERSON), hub))
    path = official / "mask2former_swin-s-p4-w7-224_lsj_8x2_50e_coco.pth"
    torch.save({"meta": {}, "state_dict": saved}, path)
    assert (detector_path(official), detector_path(hub)) == (path, hub)
    clips = [f"{name}.clip={clip_folder}" for name in ("geneval-grader", "geneval-grader-hf")]
    return {"openmmlab": [*clips, f"geneval-grader.detector={path}"], "hf": [*clips, f"geneval-grader-hf.detector={hub}"]}


@pytest.mark.parametrize("publication", ["openmmlab", "hf"])
@pytest.mark.usefixtures("small_input", "any_size")
def test_a_suite_loads_what_is_on_this_machine_and_looks_through_it(publication, weights, tmp_path, monkeypatch):
    """Random colours fail the second check of known pictures; without it the suite grades."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    suite = GenEvalSuite()
    suite.equip(torch.device("cpu"), LocalWeights.parse(weights[publication]))
    with pytest.raises(WrongInput, match=rf"detector mask2former-swin-s-{publication} takes red, green, blue for"):
        suite.grade(pictures(0), [], "photo")
    monkeypatch.setattr("suites.geneval.load.check", lambda detector: None)
    prompts = [prompt for prompt in suite.prompts("photo") if prompt.text in ("a photo of a person", "a photo of a dog")]
    grades = suite.grade(pictures(2), prompts, "photo")
    named = {prompt.text.split()[-1]: grade.value for prompt, grade in zip(prompts, grades, strict=True)}
    assert named == {"person": 1.0, "dog": 0.0}
    assert suite.detector("photo").name == f"mask2former-swin-s-{publication}"
