"""Features beside a verifier: what they cost is what they compute, each picture's are its own, weights are found by name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel

from harness.compute.flops import count_flops
from harness.config import Settings
from harness.errors import WrongInput
from harness.run.prepared import prepare_run
from harness.weights.absent import MissingWeights
from harness.weights.local import LocalWeights, published
from verifiers.features import ClipPatches, DinoPatches, Features, described, features_of
from verifiers.load_embedded import shapes_backbone


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random DINOv2 with registers, in the published format."""
    torch.manual_seed(0)
    config = Dinov2WithRegistersConfig(
        hidden_size=24, num_hidden_layers=2, num_attention_heads=2, mlp_ratio=2, image_size=56, patch_size=14, num_register_tokens=3
    )
    where = tmp_path_factory.mktemp("dinov2")
    Dinov2WithRegistersModel(config).save_pretrained(where)
    return where


@pytest.fixture(scope="module", params=["clip", "dinov2"])
def features(request: pytest.FixtureRequest, folder: Path) -> Features:
    return ClipPatches(shapes_backbone("cpu")) if request.param == "clip" else dino(folder)


def dino(folder: Path) -> Features:
    return features_of("photo", local=LocalWeights.parse([f"dinov2={folder}"]))


def pictures(count: int, side: int = 48) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))


def test_the_price_is_what_the_counter_sees(features: Features) -> None:
    assert count_flops(lambda: features.patches(pictures(3))) == 3 * features.flops() > 0


def test_every_picture_is_described_by_itself(features: Features) -> None:
    together = features.patches(pictures(3))
    alone = torch.cat([features.patches(one[None]) for one in pictures(3)])
    assert together.dtype == torch.float32
    assert together.ndim == 3
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)
    assert (together[0] - together[1]).abs().max() > 1e-3


def test_dinov2s_are_the_networks_own_tokens_without_class_and_registers(folder: Path) -> None:
    """The steps of the image processor by hand, at the side where resizing changes nothing."""
    images, network = pictures(2, 224), Dinov2WithRegistersModel.from_pretrained(folder).eval()
    pixels = images.float() / 255
    for channel, (mean, std) in enumerate([(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)]):
        pixels[:, channel] = (pixels[:, channel] - mean) / std
    with torch.no_grad():
        tokens_NLE = network(pixel_values=pixels).last_hidden_state
    found = dino(folder).patches(images)
    assert found.shape == (2, 16 * 16, 24)
    torch.testing.assert_close(found, tokens_NLE[:, 1 + 3 :], atol=1e-5, rtol=1e-4)


def test_weights_are_fetched_and_given_by_name(folder: Path) -> None:
    repository = published()["dinov2"]["weights"]
    assert repository.repo == "facebook/dinov2-with-registers-large"
    found = dino(folder)
    assert isinstance(found, DinoPatches)
    judge = described([object()], found)[0]  # type: ignore[list-item]
    assert judge.features_sha256 == found.weights_sha256 != ClipPatches(shapes_backbone("cpu")).weights_sha256  # type: ignore[attr-defined]
    with pytest.raises(MissingWeights, match="vistas fetch dinov2"):
        features_of("photo")


def test_weights_that_are_missing_misshapen_or_another_models_are_refused(folder: Path, tmp_path: Path) -> None:
    """transformers itself would draw them at random, with a word in its log."""
    lacking = Path(shutil.copytree(folder, tmp_path / "lacking"))
    weights = load_file(folder / "model.safetensors")
    kept = {key: value for key, value in weights.items() if not key.startswith("encoder.layer.1.")}
    save_file(kept, lacking / "model.safetensors", {"format": "pt"})
    with pytest.raises(WrongInput, match=rf"lacking is .*: {len(weights) - len(kept)} missing keys, first encoder\.layer\.1\..*published"):
        dino(lacking)
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    config = json.loads((folder / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(config | {"num_register_tokens": 4}))
    with pytest.raises(WrongInput, match=r"1 mismatched keys, first embeddings.register_tokens is \(1, 3, 24\) instead of \(1, 4, 24\)"):
        dino(other)
    (other / "config.json").write_text(json.dumps(config | {"model_type": "dinov2"}))
    with pytest.raises(WrongInput, match="is of a 'dinov2' model and not of a 'dinov2_with_registers' one"):
        dino(other)


def test_a_run_that_lacks_them_says_so_with_all_else_that_is_lacking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    settings = Settings(models=("infinity-2b",), verifiers=("clip-score",), metrics=(), searches=("random", "tts-var"), prompts=1)
    with pytest.raises(MissingWeights, match="`vistas fetch infinity-2b clip-score dinov2 geneval-grader`"):
        prepare_run(settings, tmp_path / "run")
    with pytest.raises(MissingWeights, match="`vistas fetch infinity-2b clip-score geneval-grader`"):
        prepare_run(Settings(**{**settings.model_dump(), "searches": ("random",)}), tmp_path / "run")
