"""Folders of published verifiers with one thing wrong: each is refused in one line that says what and where."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from harness.errors import WrongInput
from harness.weights.local import LocalWeights
from verifiers.spec import parse_verifier

HEAD, REWARD, HPS = "sac+logos+ava1-l14-linearMSE.pth", "ImageReward.pt", "HPS_v2.1_compressed.pt"
CLIP, PICK = "open_clip_model.safetensors", "model.safetensors"
Damage = Callable[[Path], object]


def without(file: str, key: str) -> Damage:
    """Lose one weight."""
    def damage(folder: Path) -> None:
        tensors, save = _read(folder / file)
        save({name: value for name, value in tensors.items() if name != key})

    return damage


def with_(file: str, key: str, *shape: int) -> Damage:
    """Give one weight another shape."""
    def damage(folder: Path) -> None:
        tensors, save = _read(folder / file)
        save({**tensors, key: torch.zeros(shape)})

    return damage


def _read(path: Path) -> tuple[dict[str, torch.Tensor], Callable[[Any], None]]:
    if path.suffix == ".safetensors":
        return load_file(path), lambda tensors: save_file(tensors, path, {"format": "pt"})
    return torch.load(path, weights_only=True), lambda tensors: torch.save(tensors, path)


def holding(file: str, content: Any) -> Damage:
    return lambda folder: torch.save(content, folder / file)


def cut(file: str) -> Damage:
    return lambda folder: (folder / file).write_bytes((folder / file).read_bytes()[:-10])


def text(file: str, content: str) -> Damage:
    return lambda folder: (folder / file).write_text(content)


def edited(file: str, **values: Any) -> Damage:
    return lambda folder: (folder / file).write_text(json.dumps(json.loads((folder / file).read_text()) | values))


def resized(folder: Path) -> None:
    """A wide network in place of a narrow one, as far as one weight shows it."""
    held = torch.load(folder / HPS, weights_only=True)
    torch.save({"state_dict": held["state_dict"] | {"visual.proj": torch.ones(2, 2)}}, folder / HPS)


TINY_HPS = "hps-v2.1:architecture=tiny-h-14"
CASES: dict[str, tuple[str, Damage, str]] = {
    "a head of no names": ("aesthetic.head", holding(HEAD, [torch.ones(1)]), "linearMSE.pth holds a list and no weights by name"),
    "a head of no tensors": ("aesthetic.head", holding(HEAD, {"layers.0.weight": 3}), "holds a dict and no weights by name"),
    "a head of other names": ("aesthetic.head", holding(HEAD, {"fc.weight": torch.ones(1, 3)}), "linearMSE.pth has no layers.N.weight"),
    "a head without a bias": ("aesthetic.head", without(HEAD, "layers.2.bias"), "layers.2 of .* is no linear layer with its bias"),
    "a head of a vector": ("aesthetic.head", with_(HEAD, "layers.0.weight", 8), "layers.0 of .* is no linear layer with its bias"),
    "a head of two": ("aesthetic.head", with_(HEAD, "layers.2.weight", 6, 5), "takes 5 values where 8 come in: it is not one head"),
    "a cut head": ("aesthetic.head", cut(HEAD), "linearMSE.pth is cut short"),
    "CLIP without its configuration": ("clip-score", text("open_clip_config.json", "{"), "open_clip_config.json is no JSON file"),
    "CLIP of no sizes": ("clip-score", text("open_clip_config.json", "{}"), "cannot be loaded by open_clip"),
    "CLIP of another size": ("clip-score", with_(CLIP, "visual.proj", 32, 8), "cannot be loaded by open_clip .*visual.proj"),
    "CLIP with a weight missing": ("clip-score", without(CLIP, "ln_final.weight"), "cannot be loaded by open_clip .*ln_final.weight"),
    "a cut CLIP": ("clip-score", cut(CLIP), f"{CLIP} has \\d+ bytes, its header says"),
    "PickScore with a weight missing": ("pick-score", without(PICK, "text_projection.weight"), "1 missing keys, first text_projection.w"),
    "PickScore of another size": ("pick-score", with_(PICK, "text_projection.weight", 8, 32), "1 mismatched keys, first text_projection"),
    "PickScore of another kind": ("pick-score", edited("config.json", model_type="siglip"), "is of a 'siglip' model and not of a 'clip'"),
    "a cut PickScore": ("pick-score", cut(PICK), f"{PICK} has \\d+ bytes, its header says"),
    "PickScore without words": ("pick-score.tokenizer", text("tokenizer.json", "{}"), "holds no AutoTokenizer that can be read"),
    "ImageReward with a weight missing": ("image-reward", without(REWARD, "mlp.layers.0.bias"), "lacks 1 of .*, first mlp.layers.0.bias"),
    "ImageReward of another size": ("image-reward", with_(REWARD, "mlp.layers.0.bias", 3), r"mlp.layers.0.bias is \(3,\) instead of \(16,"),
    "ImageReward of no names": ("image-reward", holding(REWARD, [torch.ones(1)]), f"{REWARD} holds a list and no weights by name"),
    "ImageReward's sizes broken": ("image-reward", text("med_config.json", "{"), "med_config.json is no JSON file"),
    "ImageReward's sizes impossible": ("image-reward", edited("med_config.json", hidden_size=25), "no ImageReward network can be built"),
    "ImageReward without words": ("image-reward.tokenizer", text("tokenizer.json", "{}"), "holds no AutoTokenizer that can be read"),
    "HPS of no names": (TINY_HPS, holding(HPS, [torch.ones(1)]), f"{HPS} is no tiny-h-14"),
    "HPS of another network": (TINY_HPS, holding(HPS, {"state_dict": {"cls_token": torch.ones(1), "norm.bias": torch.ones(1)}}),
                               f"{HPS} is another model's: it lacks \\d+ of \\d+ weights, first positional_embedding, text_projection, "
                               "logit_scale and has cls_token, norm.bias instead; give the file"),
    "HPS of another size": (TINY_HPS, resized, f"{HPS} contradicts the configuration in 1 weights, first visual.proj is "
                            r"\(2, 2\) instead of \(32, 16\): the configured size is another model's"),
}  # fmt: skip


@pytest.mark.parametrize("what", CASES)
def test_a_damaged_folder_is_refused_by_name(what: str, published: dict[str, Path], tmp_path: Path) -> None:
    given, damage, message = CASES[what]
    role, _, _ = given.partition(":")
    folder = Path(shutil.copytree(published[role], tmp_path / "copy"))
    damage(folder)
    local = LocalWeights.parse([f"{name}={where}" for name, where in (published | {role: folder}).items()])
    with pytest.raises(WrongInput, match=message) as caught:
        parse_verifier(given.replace(".head", "").replace(".tokenizer", "")).load("cpu", local)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_tokenizer_of_another_model_is_refused(published: dict[str, Path], tmp_path: Path) -> None:
    """Its tokens would be looked up beyond the end of a table."""
    folder = Path(shutil.copytree(published["pick-score.tokenizer"], tmp_path / "copy"))
    (folder / "vocab.txt").touch()
    given = published | {"image-reward.tokenizer": folder}
    local = LocalWeights.parse([f"{name}={where}" for name, where in given.items()])
    with pytest.raises(WrongInput, match=r"numbers tokens up to \d+, its text encoder has \d+: it is another model's"):
        parse_verifier("image-reward").load("cpu", local)


def test_an_architecture_that_open_clip_lacks_is_refused(published: dict[str, Path]) -> None:
    local = LocalWeights.parse([f"hps-v2.1={published['hps-v2.1']}"])
    with pytest.raises(WrongInput, match=r"ViT-H-41: open_clip has no such architecture; did you mean .*ViT-H-14"):
        parse_verifier("hps-v2.1:architecture=ViT-H-41").load("cpu", local)
