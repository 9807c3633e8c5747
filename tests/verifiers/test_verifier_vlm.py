"""Judges by a vision-language model on tiny random ones in transformers' format: probabilities by hand, one price, readable answers."""

import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_vlm
import torch
from PIL import Image
from torchvision.transforms.functional import to_pil_image

from harness.compute.flops import count_flops
from harness.errors import WrongInput
from harness.weights.local import LocalWeights
from verifiers.base import Verifier
from verifiers.rubric import read_rubric
from verifiers.spec import parse_verifier
from verifiers.vlm import square
from verifiers.vlm_judge import JUDGE

SHAPE = "image_side=56,text_tokens=24,dtype=float32"
LLAVA, QWEN = f"vlm-judge:{SHAPE}", f"vlm-judge-qwen:{SHAPE}"
NAMES = [LLAVA, QWEN, f"vqa-score:{SHAPE}", f"vqa-score:answer=geometric,{SHAPE}", f"vqa-score:answer=yes-no,{SHAPE}"]
PROMPTS = ["a red dog", "two {cats}", "a <b>cup</b>", "a red dog", "four hats"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> LocalWeights:
    root = tmp_path_factory.mktemp("vlm")
    llava, qwen = tiny_vlm.save_llava(root / "llava"), tiny_vlm.save_qwen(root / "qwen")
    return LocalWeights.parse([f"vlm-judge={llava}", f"vlm-judge-qwen={qwen}", f"vqa-score={qwen}"])


@pytest.fixture(scope="module")
def load(folders: LocalWeights) -> Any:
    return cache(lambda text: parse_verifier(text).load("cpu", folders))


def pictures() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    sides = [(56, 56), (64, 40), (30, 90), (56, 56), (10, 10)]
    return [torch.randint(0, 256, (3, *side), dtype=torch.uint8, generator=generator) for side in sides]


@pytest.mark.parametrize("name", NAMES)
def test_order_batch_disk_price_and_limits(name: str, load: Any, tmp_path: Path) -> None:
    verifier = load(name)
    assert isinstance(verifier, Verifier)
    assert verifier.card.name == name
    assert verifier.card.question.startswith(verifier.template)
    whole = verifier.score(pictures(), PROMPTS).values_NM[:, 0]
    assert len(set(whole.round(6))) == 5
    assert ((whole > 0) & (whole < 1)).all()
    single = [verifier.score([image], [prompt]).values_NM[0, 0] for image, prompt in zip(pictures(), PROMPTS, strict=True)]
    assert single == pytest.approx(whole, rel=1e-3)
    order = [3, 1, 4, 0, 2]
    permuted = verifier.score([pictures()[n] for n in order], [PROMPTS[n] for n in order]).values_NM[:, 0]
    assert permuted == pytest.approx(whole[order], rel=1e-3)
    to_pil_image(pictures()[1]).save(tmp_path / "one.png")
    with Image.open(tmp_path / "one.png") as opened:
        read = torch.from_numpy(np.array(opened)).permute(2, 0, 1)
    assert verifier.score([read], PROMPTS[1:2]).values_NM[0, 0] == pytest.approx(whole[1], rel=1e-3)

    measured = count_flops(lambda: verifier.score(pictures()[:3], ["a", "a long red dog", "b " * 500]))
    assert measured == verifier.price(images=3, new_prompts=3).verifier_flops > 0
    assert verifier.truncated(["a red dog", "a red dog " * 40]) == (False, True)
    both = verifier.score([pictures()[0]] * 2, ["a red dog " * 40, "a red dog " * 40 + "and a cat"]).values_NM
    assert both[0] == pytest.approx(both[1], rel=1e-3)
    scores = verifier.score([None, pictures()[0], torch.zeros(3, 0, 4, dtype=torch.uint8)], ["a", " ", "b"])
    assert all(scores.reasons)
    assert np.isnan(scores.values_NM).all()


def by_hand(verifier: Any, image: torch.Tensor, question: str, answer: str = "") -> torch.Tensor:
    """Logits [T, V] of one pair without any padding, the last for the answer's end."""
    network = verifier._network
    text = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": question}]}]
    chat = network.processor.apply_chat_template(text, add_generation_prompt=True)
    given = network.processor(images=[to_pil_image(image)], text=[chat + answer], return_tensors="pt")
    with torch.no_grad():
        logits: torch.Tensor = network.model(**given).logits[0]
    return logits


@pytest.mark.parametrize("name", [LLAVA, QWEN])
def test_yes_no_without_padding_by_hand(name: str, load: Any) -> None:
    verifier, image = load(name), pictures()[0]
    words = tiny_vlm.tokenizer()
    probability_V = by_hand(verifier, image, JUDGE.format("a red dog"))[-1].softmax(-1)
    (yes, no) = (sum(float(probability_V[words(word).input_ids[0]]) for word in pair) for pair in (("Yes", "yes"), ("No", "no")))
    assert verifier.score([image], ["a red dog"]).values_NM[0, 0] == pytest.approx(yes / (yes + no), rel=1e-3)


def test_vqa_score_and_its_geometric_mean_by_hand(load: Any) -> None:
    image, words = pictures()[0], tiny_vlm.tokenizer()
    first, end = words("Yes").input_ids[0], words.eos_token_id
    plain, geometric = load(NAMES[2]), load(NAMES[3])
    asked = 'Does this figure show "a hat"? Please answer Yes or No.'  # t2v_metrics on Qwen2.5-VL
    likely = float(by_hand(plain, image, asked)[-1].softmax(-1)[first])
    assert plain.score([image], ["a hat"]).values_NM[0, 0] == pytest.approx(likely, rel=1e-3)
    asked = 'Does this figure show "a hat"? Please answer yes or no.'  # the original on CLIP-FlanT5
    yes = float(by_hand(geometric, image, asked)[-1].softmax(-1)[first])
    after = float(by_hand(geometric, image, asked, "Yes")[-1].softmax(-1)[end])
    assert geometric.score([image], ["a hat"]).values_NM[0, 0] == pytest.approx(math.sqrt(yes * after), rel=1e-3)


def test_rubric_reads_what_it_can_and_says_why_not(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    verifier = load(f"vlm-judge:mode=rubric,new_tokens=6,{SHAPE}")
    scores = verifier.score(pictures()[:2], PROMPTS[:2])  # random weights write no JSON
    assert np.isnan(scores.values_NM).all()
    assert all(reason.startswith("answer cannot be read") for reason in scores.reasons)
    spent = count_flops(lambda: verifier.score(pictures()[:1], PROMPTS[:1]))
    assert 0 < spent <= verifier.price(1).verifier_flops
    assert count_flops(verifier.measure) == verifier.price(1).verifier_flops
    good = ['{"explanation": "two cats", "score": 7.5}', "no"]
    monkeypatch.setattr(verifier._network, "answers", lambda *_, **__: good)
    scores = verifier.score(pictures()[:2], PROMPTS[:2])
    assert scores.values_NM[0, 0] == 7.5
    assert [bool(reason) for reason in scores.reasons] == [False, True]


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ('Sure: {"explanation": "fine", "score": 10} done', ""),
        ('```json\n{"explanation": "fine", "score": 0}\n```', ""),
        ('{"score": 3, "explanation": "late"}', "scores before it explains"),
        ('{"explanation": "x", "score": 11}', "score: input should be less than or equal to 10"),
        ('{"explanation": "x", "score": "8"}', "score: input should be a valid number"),
        ('{"explanation": "x", "score": NaN}', "score:"),
        ('{"explanation": "", "score": 1}', "explanation:"),
        ('{"explanation": "x"}', "score: field required"),
        ('{"explanation": "x", "score": 4', "broken or cut short"),
        ("8 of 10", "no JSON object"),
        ('{"explanation": "x", "score": 4, "mood": 1}', "mood: extra inputs"),
    ],
)
def test_answers(answer: str, fault: str) -> None:
    score, reason = read_rubric(answer)
    assert (fault in reason) if fault else (reason == "")
    assert math.isnan(score) == bool(fault)
    assert "\n" not in reason


def test_a_picture_is_fitted_into_a_square_without_distortion() -> None:
    wide = torch.zeros(3, 10, 20, dtype=torch.uint8)
    wide[0] = 200
    made = square(wide, 40)
    assert made.shape == (3, 40, 40)
    assert (made[0] == 200).all()
    half = torch.cat([torch.zeros(3, 20, 5), torch.full((3, 20, 5), 100.0)], dim=2).to(torch.uint8)
    made = square(half, 40)
    assert (made[:, :, :10] == 50).all()
    assert (made[:, :, 10:18] == 0).all()
    assert (made[:, :, 30:] == 50).all()


@pytest.mark.parametrize("template", [None, "{% for %}"])
def test_a_folder_without_a_chat_template_is_refused(template: str | None, tmp_path: Path) -> None:
    folder = tiny_vlm.save_llava(tmp_path / "silent")
    (folder / "chat_template.jinja").unlink()
    if template:
        (folder / "chat_template.jinja").write_text(template)
    with pytest.raises(WrongInput, match="silent has no chat template that can be used") as caught:
        parse_verifier(LLAVA).load("cpu", LocalWeights.parse([f"vlm-judge={folder}"]))
    assert "\n" not in str(caught.value)


def test_incomplete_weights_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tiny_vlm.save_llava(tmp_path / "cut")
    state = load_file(folder / "model.safetensors")
    state.pop(next(key for key in sorted(state) if "vision_tower" in key))
    save_file(state, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(WrongInput, match=r"1 missing keys, first \S*vision_tower"):
        parse_verifier(LLAVA).load("cpu", LocalWeights.parse([f"vlm-judge={folder}"]))
