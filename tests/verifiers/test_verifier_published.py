"""Published verifiers by the real loaders, from tiny files in the published layout: the same scores as their authors' steps."""

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from torch.nn import functional
from transformers import CLIPModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.utils import logging

from harness.compute.flops import count_flops
from harness.errors import DamagedWeights, WrongInput
from harness.weights.absent import MissingWeights
from harness.weights.local import LocalWeights
from verifiers.base import Verifier
from verifiers.clip import CONVENTIONS
from verifiers.published import published_verifiers
from verifiers.spec import parse_verifier

HPS = "hps-v2.1:architecture=tiny-h-14"
NAMES = ["aesthetic", "clip-score", "clip-score-b32:caption=hessel", "image-reward", "pick-score", HPS]
PROMPTS = ["a red circle", "two stars", "a moon", "a red circle", "an arrow", "two stars", "a ring", "a heart"]
SIDES = [(32, 32), (50, 40), (64, 64), (33, 90), (128, 96), (20, 20), (32, 47), (300, 200)]


def pictures() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    return [torch.randint(0, 256, (3, *side), dtype=torch.uint8, generator=generator) for side in SIDES]


def local(folders: Mapping[str, Path]) -> LocalWeights:
    """What the command makes of --weights."""
    return LocalWeights.parse([f"{name}={folder}" for name, folder in folders.items()])


@pytest.fixture(scope="module")
def load(published: dict[str, Path]) -> Any:
    return cache(lambda text: parse_verifier(text).load("cpu", local(published)))


@pytest.fixture(scope="module")
def helpers(request: pytest.FixtureRequest) -> ModuleType:
    """The conftest beside this file, for the pieces it builds with."""
    path = Path(__file__).with_name("conftest.py")
    spec = importlib.util.spec_from_file_location("verifier_conftest", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_row_has_a_loader_and_is_tested() -> None:
    tested = {name.partition(":")[0] for name in NAMES}
    vlms = {name for name, row in published_verifiers().items() if row.loader.startswith("verifiers.load_vlm:")}
    assert tested | vlms == set(published_verifiers())
    assert all(parse_verifier(name).domain == "photo" for name in published_verifiers())


def test_openai_weights_run_with_quick_gelu_whatever_the_configuration_says(
    load: Any, published: dict[str, Path], tmp_path: Path
) -> None:
    silent = tmp_path / "clip"
    shutil.copytree(published["clip-score"], silent)
    config = json.loads((silent / "open_clip_config.json").read_text())
    del config["model_cfg"]["quick_gelu"]
    (silent / "open_clip_config.json").write_text(json.dumps(config))
    weights = local({"clip-score": silent, "aesthetic": silent, "aesthetic.head": published["aesthetic.head"]})
    for name in ("clip-score", "aesthetic"):
        found = parse_verifier(name).load("cpu", weights).score(pictures(), PROMPTS).values_NM
        assert found == pytest.approx(load(name).score(pictures(), PROMPTS).values_NM, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_order_batch_disk_and_protocol(name: str, load: Any, tmp_path: Path) -> None:
    verifier = load(name)
    assert isinstance(verifier, Verifier)
    assert verifier.card.name == name
    assert verifier.card.parts == (name,)
    assert verifier.card.domain == "photo"
    whole = verifier.score(pictures(), PROMPTS).values_NM
    assert len(np.unique(whole.round(6))) == 8
    low, high = verifier.card.score_range
    assert low < high
    single = [verifier.score([image], [prompt]).values_NM[0, 0] for image, prompt in zip(pictures(), PROMPTS, strict=True)]
    assert single == pytest.approx(whole[:, 0], abs=2e-5)
    order = [3, 1, 7, 0, 2, 6, 5, 4]
    permuted = verifier.score([pictures()[n] for n in order], [PROMPTS[n] for n in order]).values_NM
    assert permuted == pytest.approx(whole[order], abs=2e-5)
    saved = []
    for place, image in enumerate(pictures()):
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(tmp_path / f"{place}.png")
        with Image.open(tmp_path / f"{place}.png") as opened:
            saved.append(torch.from_numpy(np.array(opened)).permute(2, 0, 1))
    assert verifier.score(saved, PROMPTS).values_NM == pytest.approx(whole, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_price_equals_the_counter(name: str, load: Any) -> None:
    verifier = load(name)
    verifier.forget()
    measured = count_flops(lambda: verifier.score(pictures()[:3], PROMPTS[:3]))
    assert measured == verifier.price(images=3, new_prompts=3).verifier_flops


@pytest.mark.parametrize("name", NAMES)
def test_what_cannot_be_scored_and_what_is_cut(name: str, load: Any) -> None:
    verifier = load(name)
    batch = [pictures()[0], None, torch.zeros(3, 0, 5, dtype=torch.uint8), pictures()[1]]
    scores = verifier.score(batch, ["a star", "b", "c", "a " * 10_000])
    assert [bool(reason) for reason in scores.reasons] == [False, True, True, False]
    assert np.isnan(scores.values_NM[:, 0]).tolist() == [False, True, True, False]
    cut = verifier.truncated(["a", "a red circle " * 30])
    assert cut == ((False, verifier.card.text_limit_tokens is not None))
    if verifier.card.text_limit_tokens is not None:
        long = "a red circle " * 30
        both = verifier.score([pictures()[0]] * 2, [long, long + "and a star"]).values_NM
        assert both[0] == pytest.approx(both[1], abs=1e-6)


def test_aesthetic_equals_the_published_stack(load: Any, helpers: ModuleType, published: dict[str, Path]) -> None:
    model, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{published['aesthetic']}")
    for image, score in zip(pictures(), load("aesthetic").score(pictures(), PROMPTS).values_NM[:, 0], strict=True):
        ready = preprocess(Image.fromarray(image.permute(1, 2, 0).numpy()))[None]
        with torch.no_grad():
            expected = helpers.aesthetic_mlp()(functional.normalize(model.encode_image(ready), dim=-1))
        assert score == pytest.approx(float(expected), abs=1e-5)


def test_clip_conventions(load: Any, published: dict[str, Path]) -> None:
    model, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{published['clip-score']}")
    image = preprocess(Image.fromarray(pictures()[1].permute(1, 2, 0).numpy()))[None]
    for name, caption in (("clip-score", "a star"), ("clip-score-b32:caption=hessel", "A photo depicts a star")):
        with torch.no_grad():
            tokens = open_clip.SimpleTokenizer(context_length=12)([caption])
            cosine = float(functional.cosine_similarity(model.encode_image(image), model.encode_text(tokens)))
        assert load(name).score([pictures()[1]], ["a star"]).values_NM[0, 0] == pytest.approx(cosine, abs=1e-5)
    cosines = np.array([-0.2, 0.3])
    assert CONVENTIONS["raw"](cosines).tolist() == [-0.2, 0.3]
    assert CONVENTIONS["hessel"](cosines) == pytest.approx([0, 0.75])
    assert CONVENTIONS["torchmetrics"](cosines) == pytest.approx([0, 30])


def test_pick_score_follows_its_authors_steps(load: Any, published: dict[str, Path], helpers: ModuleType) -> None:
    model = CLIPModel.from_pretrained(published["pick-score"]).eval()
    tokenizer = helpers.clip_tokenizer()
    process = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    scores = load("pick-score").score(pictures(), PROMPTS).values_NM[:, 0]
    for image, prompt, score in zip(pictures(), PROMPTS, scores, strict=True):
        pixels = process([Image.fromarray(image.permute(1, 2, 0).numpy())], return_tensors="pt").pixel_values
        text = tokenizer([prompt], padding="max_length", truncation=True, max_length=24, return_tensors="pt")
        with torch.no_grad():
            output = model(pixel_values=pixels, input_ids=text.input_ids, attention_mask=text.attention_mask)
            expected = model.logit_scale.exp() * functional.cosine_similarity(output.text_embeds, output.image_embeds)
        assert score == pytest.approx(float(expected), abs=1e-3)
    assert abs(scores).max() > 1


def test_hps_follows_its_authors_steps(load: Any, published: dict[str, Path]) -> None:
    model = open_clip.create_model("tiny-h-14", pretrained=str(published["hps-v2.1"] / "HPS_v2.1_compressed.pt")).eval()
    scores = load(HPS).score(pictures(), PROMPTS).values_NM[:, 0]
    mean, std = (torch.tensor(values)[:, None, None] for values in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD))
    for image, prompt, score in zip(pictures(), PROMPTS, scores, strict=True):
        scale = 32 / max(image.shape[1:])
        sides = [round(side * scale) for side in image.shape[1:]]
        resized = functional.interpolate(image[None].float() / 255, sides, mode="bicubic", antialias=True)[0]
        full = torch.zeros(3, 32, 32)
        top, left = (32 - sides[0]) // 2, (32 - sides[1]) // 2
        full[:, top : top + sides[0], left : left + sides[1]] = resized if scale != 1 else image / 255
        tokens = open_clip.SimpleTokenizer(context_length=12)([prompt])
        with torch.no_grad():
            outputs = model.encode_image(((full - mean) / std)[None]), model.encode_text(tokens)
        assert score == pytest.approx(float(functional.cosine_similarity(*outputs)), abs=1e-4)


def test_one_clip_pass_serves_aesthetic_and_clip_score(load: Any, published: dict[str, Path]) -> None:
    text = "ensemble:aesthetic=1,clip-score=1,image-reward=2"
    members = [load(name) for name in ("aesthetic", "clip-score", "image-reward")]
    both = parse_verifier(text).load("cpu", local(published))
    assert (both.card.name, both.card.parts) == (text, ("aesthetic", "clip-score", "image-reward"))
    for member in members:
        member.forget()
    both.forget()
    measured = count_flops(lambda: both.score(pictures()[:2], PROMPTS[:2]))
    assert measured == both.price(2, 2).verifier_flops
    (tower,) = members[1].image_passes.values()
    assert sum(member.price(2, 2).verifier_flops for member in members) - measured == 2 * tower
    values = both.score(pictures(), PROMPTS).values_NM
    for place, member in enumerate(members):
        assert values[:, place] == pytest.approx(member.score(pictures(), PROMPTS).values_NM[:, 0], abs=1e-5)
    ranks = both.combine(np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
    assert ranks == pytest.approx([-1.5, -1.5])  # two members of weight 1 against one of weight 2
    assert parse_verifier("ensemble").load("cpu", local(published)).card.parts == ("aesthetic", "clip-score", "image-reward")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("clip-skore", "did you mean clip-score"),
        ("clip-score:captain=plain", "did you mean caption"),
        ("clip-score:caption=long", "none of plain, hessel"),
        ("clip-score:caption", "has no value"),
        ("shapes-clip:a=1", "has no settings"),
        ("ensemble:aesthetic=0", "not a number above 0"),
        ("ensemble:aesthetic=1,aesthetic=2", "given twice"),
        ("ensemble:aesthetic=1,shapes-clip=1", "mixes photo and shapes"),
        ("ensemble:shapes-ensemble=1", "members, each with its weight"),
    ],
)
def test_wrong_names_and_settings(text: str, words: str) -> None:
    with pytest.raises(WrongInput, match=words):
        parse_verifier(text)


def test_missing_weights_are_one_line_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    for name, row in published_verifiers().items():
        with pytest.raises(MissingWeights) as caught:
            parse_verifier(f"ensemble:{name}=1").find()
        line = str(caught.value)
        assert f"vistas fetch {name}" in line
        assert "\n" not in line
        assert row.repositories["weights"].repo in line


def test_no_bars_of_the_libraries_between_the_lines_of_a_run(published: dict[str, Path], capfd: pytest.CaptureFixture[str]) -> None:
    logging.enable_progress_bar()
    parse_verifier("pick-score").load("cpu", local(published))
    assert capfd.readouterr().err == ""


def test_a_checkpoint_is_read_once(published: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """ImageReward's is 1.8 GB, and its sizes are read off its weights."""
    read, unpickle = [], torch.load
    monkeypatch.setattr(torch, "load", lambda path, **options: (read.append(path), unpickle(path, **options))[1])
    parse_verifier("image-reward").load("cpu", local(published))
    assert read == [published["image-reward"] / "ImageReward.pt"]


def test_wrong_files_are_refused(published: dict[str, Path], tmp_path: Path) -> None:
    other = dict(published) | {"hps-v2.1": tmp_path}
    torch.save({"state_dict": {"weight": torch.ones(1)}}, tmp_path / "HPS_v2.1_compressed.pt")
    with pytest.raises(WrongInput, match=r"compressed\.pt is another model's: it lacks 50 of 50"):
        parse_verifier(HPS).load("cpu", local(other))
    torch.save({"nothing": torch.ones(1)}, tmp_path / "ImageReward.pt")
    (tmp_path / "med_config.json").write_text("{}")
    with pytest.raises(WrongInput, match="not those of ImageReward"):
        parse_verifier("image-reward").load("cpu", local(dict(published) | {"image-reward": tmp_path}))
    torch.save({"layers.0.weight": torch.ones(1, 3), "layers.0.bias": torch.ones(1)}, tmp_path / "a.pth")
    with pytest.raises(WrongInput, match="embeddings of 3"):
        parse_verifier("aesthetic").load("cpu", local(dict(published) | {"aesthetic.head": tmp_path}))
    torch.save({}, tmp_path / "b.pth")
    with pytest.raises(DamagedWeights, match="leave the file of this verifier alone"):
        parse_verifier("aesthetic").load("cpu", local(dict(published) | {"aesthetic.head": tmp_path}))


def test_names_need_no_torch() -> None:
    code = "import sys, verifiers.published as p; p.published_verifiers(); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
