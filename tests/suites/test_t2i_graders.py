"""T2I-CompBench's graders run on random weights in the published formats; what they give does not depend on the batch."""

from __future__ import annotations

import json
import math
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tiny_clip
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch.nn import functional
from torchvision.transforms.functional import to_pil_image
from transformers import (
    BertTokenizer,
    BitConfig,
    BlipConfig,
    BlipForQuestionAnswering,
    DPTConfig,
    DPTForDepthEstimation,
    Owlv2Config,
    Owlv2ForObjectDetection,
)
from transformers.utils import logging

from harness.errors import WrongInput
from harness.weights.local import LocalWeights
from suites.base import Prompt
from suites.published import load_grader, published_graders
from suites.t2i_compbench import open_vocabulary, parsed
from suites.t2i_compbench.blip_vqa import NO, QUESTION, START, YES, BlipVqa, question
from suites.t2i_compbench.categories import ENDS, GRADER_OF
from suites.t2i_compbench.depth import DepthEstimator, _in_frame
from suites.t2i_compbench.open_vocabulary import OpenVocabularyDetector
from suites.t2i_compbench.suite import T2ICompBenchSuite

logging.disable_progress_bar()
CPU = torch.device("cpu")
pytestmark = pytest.mark.usefixtures("any_size")
PROMPTS = {
    "t2i-blip-vqa": ["a green bench and a blue bowl", "a blue bench and a green bowl"],
    "t2i-clip-score": ["a red circle", "two stars"],
    "t2i-spatial-owlv2": ["a girl on the top of a frog", "a cat on the top of a sofa"],
    "t2i-spatial-3d-owlv2": ["a dog in front of a desk", "a cat behind a boy"],
    "t2i-numeracy-owlv2": ["two boys", "six airplanes and one dog"],
    "t2i-3-in-1-owlv2": ["The red hat was on top of the brown coat rack.", "The fluffy cat is on the left of the soft pillow."],
}


def shaken(network):
    """Random weights large enough for answers to differ."""
    for name, value in network.named_parameters():
        if value.ndim > 1:
            value.data.normal_(std=1.0 if "embedding" in name else 0.4)
    return network.eval().requires_grad_(False)


def blip(folder: Path) -> None:
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    text = {**size, "vocab_size": 30524, "encoder_hidden_size": 16, "bos_token_id": START, "sep_token_id": 102}
    config = BlipConfig(text_config=text, vision_config={**size, "image_size": 32, "patch_size": 8})
    shaken(BlipForQuestionAnswering(config)).save_pretrained(folder)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "green", "blue", "bench", "bowl", "the", "red", "hat", "?"]
    (folder / "vocab.txt").write_text("\n".join(words))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer", "do_lower_case": true}')


def owlv2(folder: Path) -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["!", "<|startoftext|>", "<|endoftext|>", *letters, *(f"{one}</w>" for one in letters)]
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
    text = {**size, "vocab_size": len(words), "max_position_embeddings": 16, "bos_token_id": 1, "eos_token_id": 2}
    config = Owlv2Config(text_config=text, vision_config={**size, "image_size": 64, "patch_size": 16}, projection_dim=16)
    shaken(Owlv2ForObjectDetection(config)).save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps({word: n for n, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "CLIPTokenizer", "model_max_length": 16}')
    processor = {"image_processor_type": "Owlv2ImageProcessor", "processor_class": "Owlv2Processor"}
    (folder / "preprocessor_config.json").write_text(json.dumps({**processor, "size": {"height": 64, "width": 64}}))


def dpt(folder: Path) -> None:
    bit = BitConfig(
        embedding_size=8, hidden_sizes=[16, 16, 16, 16], depths=[1, 1, 1, 1], num_groups=2, layer_type="bottleneck",
        global_padding="same", embedding_dynamic_padding=True, out_features=["stage1", "stage2", "stage3"],
    )  # fmt: skip
    config = DPTConfig(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=24, image_size=384, patch_size=16,
        is_hybrid=True, backbone_config=bit, backbone_featmap_shape=[1, 16, 24, 24], neck_hidden_sizes=[16, 16, 16, 16],
        neck_ignore_stages=[0, 1], fusion_hidden_size=8, readout_type="project", backbone_out_indices=[0, 1, 2, 3],
    )  # fmt: skip
    shaken(DPTForDepthEstimation(config)).save_pretrained(folder)
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")  # what the hub's repository has
    (folder / "model.safetensors").unlink()


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """One folder a network, as the hub's repositories hold them."""
    torch.manual_seed(0)
    found = {role: tmp_path_factory.mktemp(role) for role in ("vqa", "clip", "detector", "depth")}
    blip(found["vqa"])
    owlv2(found["detector"])
    dpt(found["depth"])
    tiny_clip.save(found["clip"])
    return found


@pytest.fixture(scope="module")
def weights(folders):
    given = [
        f"{name}.{role}={folders[role]}" for name in PROMPTS for role in published_graders()[name].repositories
    ]
    return LocalWeights.parse(given)


@pytest.fixture(autouse=True)
def low_threshold(monkeypatch):
    """Random weights are sure of nothing."""
    monkeypatch.setattr(open_vocabulary, "LEAST_SCORE", 0.02)


def pictures(sizes):
    generator = torch.Generator().manual_seed(7)
    coarse = [torch.randint(0, 256, (1, 3, 6, 6), generator=generator).float() for _ in sizes]
    large = [functional.interpolate(one, size, mode="bicubic")[0] for one, size in zip(coarse, sizes, strict=True)]
    return [one.clamp(0, 255).to(torch.uint8) for one in large]


EIGHT = [(64, 64), (48, 80), (80, 48), (64, 64), (32, 32), (64, 64), (100, 60), (64, 64)]


def test_every_category_has_a_grader_with_published_weights():
    assert set(GRADER_OF.values()) == set(PROMPTS)
    assert set(PROMPTS) <= set(published_graders())
    not_official = [name for name in PROMPTS if "owlv2" in name]
    assert len(not_official) == 4
    assert all("official" not in published_graders()[name].summary.split("not the official")[0] for name in not_official)


@pytest.mark.parametrize("name", PROMPTS)
def test_scores_do_not_depend_on_the_batch_or_the_order(name, weights):
    grader = load_grader([name], CPU, weights)
    images, prompts = pictures(EIGHT), PROMPTS[name] * 4
    grades = [grade.value for grade in grader.grade(images, prompts)]
    assert all(math.isfinite(value) for value in grades)
    assert len(set(grades)) > 1
    least, most = ENDS[name]
    assert all(least <= value <= most for value in grades)
    alone = [grader.grade([image], [prompt])[0].value for image, prompt in zip(images, prompts, strict=True)]
    order = [5, 2, 7, 0, 1, 6, 3, 4]
    moved = [grade.value for grade in grader.grade([images[n] for n in order], [prompts[n] for n in order])]
    # BLIP's answers are rounded to four decimals, so that a difference in the last bit can become one of them.
    assert grades == pytest.approx(alone, abs=2e-4)
    assert [grades[n] for n in order] == pytest.approx(moved, abs=2e-4)
    assert grader.grade([], []) == []


def test_the_suite_sends_every_picture_to_its_categorys_grader(weights, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    suite = T2ICompBenchSuite()
    every = r"^t2i-blip-vqa and .*blip-vqa-capfilt-large is not .*`vistas fetch t2i-blip-vqa .*t2i-3-in-1-owlv2`"
    with pytest.raises(ValueError, match=every):
        suite.grade(torch.zeros(0, 3, 8, 8, dtype=torch.uint8), [], "photo")
    asked = [Prompt(str(n), PROMPTS[GRADER_OF[task]][0], task) for n, task in enumerate(("numeracy", "color", "non_spatial", "color"))]
    images = torch.stack(pictures([(64, 64)] * 4))
    suite.equip(CPU, weights)
    values = [grade.value for grade in suite.grade(images, asked, "photo")]
    for n, prompt in enumerate(asked):
        alone = load_grader([GRADER_OF[prompt.task]], CPU, weights).grade([images[n]], [prompt.text])[0].value
        assert values[n] == pytest.approx(alone, abs=2e-4)
    suite.equip(CPU, LocalWeights({key: path for key, path in weights.folders.items() if key[0] == "t2i-clip-score"}))
    partly = suite.grade(images, asked, "photo")
    assert [math.isnan(grade.value) for grade in partly] == [grade.absent for grade in partly] == [True, True, False, True]
    assert "`vistas fetch t2i-numeracy-owlv2`" in partly[0].reason


def test_blip_is_asked_as_published(folders):
    """The question's first token, the answer's first step, yes against no: by hand, one phrase at a time."""
    grader = BlipVqa.from_folder(folders["vqa"])
    image, phrases = pictures([(40, 60)])[0], ["The red hat.", "a green bench"]
    network = BlipForQuestionAnswering.from_pretrained(folders["vqa"]).eval()
    tokenizer = BertTokenizer.from_pretrained(folders["vqa"])
    squashed = np.asarray(to_pil_image(image).resize((32, 32), Image.Resampling.BICUBIC)).astype(np.float32) / 255
    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    pixels = torch.from_numpy((squashed - np.float32(mean)) / np.float32(std)).permute(2, 0, 1)[None]
    product = 1.0
    for text in ("the red hat?", "a green bench?"):
        tokens = tokenizer(text, return_tensors="pt")
        tokens.input_ids[0, 0] = QUESTION
        with torch.no_grad():
            seen = network.vision_model(pixel_values=pixels)[0]
            states = network.text_encoder(
                input_ids=tokens.input_ids, attention_mask=tokens.attention_mask, encoder_hidden_states=seen
            )[0]
            logits = network.text_decoder(input_ids=torch.tensor([[START]]), encoder_hidden_states=states).logits[0, 0]
        yes, no = torch.softmax(logits, dim=0)[[YES, NO]].tolist()
        product *= yes / (yes + no)
    assert grader.scores([image], [phrases]) == pytest.approx([product], abs=2e-4)
    assert 0.001 < product < 0.999
    assert grader.scores([image], [[]]) == [1.0]


def test_answers_and_their_product_have_four_decimals(folders, monkeypatch):
    grader = BlipVqa.from_folder(folders["vqa"])
    monkeypatch.setattr(grader, "_answers", lambda pictures, tokens: [0.77777] * len(tokens))
    # 0.6049 were the answers not rounded, 0.60497284 were their product not
    assert grader.scores(pictures([(40, 60)]), [["a green bench", "a blue bowl"]]) == [0.605]


def test_products_are_of_float32_as_published(folders, monkeypatch):
    grader = BlipVqa.from_folder(folders["vqa"])
    monkeypatch.setattr(grader, "_sure", lambda pictures, questions: [0.5, 0.0001])
    # 0.00005 as the published script multiplies it is 4.99999987e-05, in double precision it is above and rounds up
    assert grader.scores(pictures([(40, 60)]), [["a green bench", "a blue bowl"]]) == [0.0]


def test_questions_are_lower_case_without_punctuation():
    assert question("The red hat.") == "the red hat?"
    assert question('a "blue" (bowl)') == "a blue bowl?"
    assert len(question("word " * 80).split()) == 50


def test_detections_are_in_the_frame_sorted_and_not_repeated(folders):
    found = OpenVocabularyDetector.from_folder(folders["detector"]).find(pictures([(48, 80)] * 2), [["dog", "cat"], []])
    assert found[1] == []
    assert {each.label for each in found[0]} <= {"dog", "cat"}
    scores = [each.score for each in found[0]]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) >= 1
    for each in found[0]:
        assert 0 <= each.box[0] <= each.box[2] <= 480
        assert 0 <= each.box[1] <= each.box[3] <= 288


def test_depth_is_an_8_bit_picture_in_the_frame(folders):
    flat, wide = DepthEstimator.from_folder(folders["depth"]).depths(pictures([(64, 64), (48, 80)]))
    assert flat.shape == (479, 479)
    assert wide.shape == (288, 480)
    assert 0 <= flat.min() < 0.1
    assert 0.9 < flat.max() <= 1
    assert np.array_equal(np.round(flat * 255), flat * 255)


def test_a_flat_picture_has_one_depth_and_a_slim_one_a_frame():
    assert not _in_frame(torch.full((6, 6), 2.5), 64, 64).any()
    assert _in_frame(torch.rand(6, 6), 1, 4000).shape == (1, 480)


@pytest.mark.parametrize(
    ("role", "kind", "lost"),
    [
        ("vqa", BlipVqa, "text_decoder"),
        ("detector", OpenVocabularyDetector, "class_head"),
        ("depth", DepthEstimator, "neck.fusion_stage.layers.1"),
    ],
)
def test_a_file_that_lacks_weights_is_refused(role, kind, lost, folders, tmp_path):
    shutil.copytree(folders[role], tmp_path, dirs_exist_ok=True)
    pickled = (tmp_path / "pytorch_model.bin").exists()
    path = tmp_path / ("pytorch_model.bin" if pickled else "model.safetensors")
    saved = torch.load(path, weights_only=True) if pickled else load_file(path)
    write = torch.save if pickled else partial(save_file, metadata={"format": "pt"})
    whole = {key: value for key, value in saved.items() if "fusion_stage.layers.0.residual_layer1" not in key}
    write(whole, path)
    kind.from_folder(tmp_path)
    gone = next(key for key in whole if lost in key and key.endswith("weight"))
    write({key: value for key, value in whole.items() if key != gone}, path)
    with pytest.raises(WrongInput, match=rf"contradicts its configuration: 1 missing keys, first {lost}\S+; give the published"):
        kind.from_folder(tmp_path)


def test_depth_weights_that_are_none_or_need_code_are_refused(folders, tmp_path):
    shutil.copytree(folders["depth"], tmp_path, dirs_exist_ok=True)
    torch.save([torch.zeros(1)], tmp_path / "pytorch_model.bin")
    with pytest.raises(WrongInput, match="holds a list and no weights by name"):
        DepthEstimator.from_folder(tmp_path)
    torch.save({"a": Path("x")}, tmp_path / "pytorch_model.bin")
    with pytest.raises(WrongInput, match="pickle that needs code to load"):
        DepthEstimator.from_folder(tmp_path)


def test_a_detector_that_sees_nobody_is_refused(folders, monkeypatch):
    monkeypatch.setattr(open_vocabulary, "LEAST_SCORE", 1.0)
    local = LocalWeights({("t2i-numeracy-owlv2", "detector"): _copy(folders["detector"])})
    with pytest.raises(WrongInput, match=r"does not see the person in grace_hopper\.jpg: nothing is graded"):
        load_grader(["t2i-numeracy-owlv2"], CPU, local)


def _copy(folder: Path) -> Path:
    """A folder that nothing has been loaded from."""
    return Path(shutil.copytree(folder, folder.with_name(f"{folder.name}-copy")))


def test_a_prompt_that_cannot_be_parsed_has_no_score_and_a_reason(weights, monkeypatch):
    monkeypatch.setattr(parsed, "_load", lambda spacy: (_ for _ in ()).throw(OSError("no model")))
    parsed._doc.cache_clear()
    grader = load_grader(["t2i-spatial-owlv2"], CPU, weights)
    known, unknown = grader.grade(pictures([(64, 64)] * 2), ["a girl on the top of a frog", "a zyx next to a yxz"])
    assert known.reason == ""
    assert math.isnan(unknown.value)
    assert "'a zyx next to a yxz' is none of T2I-CompBench's own, and spaCy" in unknown.reason
    nothing = load_grader(["t2i-numeracy-owlv2"], CPU, weights).grade(pictures([(64, 64)]), ["five unicorns"])[0]
    assert math.isnan(nothing.value)
    assert nothing.reason == "prompt names no object that could be looked for"
