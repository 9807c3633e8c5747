"""The shipped pair loads, agrees with its cards, and draws pictures that the grader often accepts."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.base import Generator, Images, Row
from models.card_file import CARD_FILE
from models.hashes import sha256_of
from models.shapes import load
from models.shapes.evaluate import shapes_prompts, task_scores
from models.shapes.previews import preview_correlations, sample_with_previews
from suites.shapes.renderer import render
from suites.shapes.scenes import sample_scene
from verifiers.load_embedded import weights_folder

NAMES = ("shapes-infinity", "shapes-flux")
BUILDERS = {"shapes-infinity": load.shapes_infinity, "shapes-flux": load.shapes_flux}


@pytest.mark.parametrize("name", NAMES)
def test_card_lists_every_weight_file(name: str) -> None:
    folder = load.weights(name)
    card = json.loads((folder / CARD_FILE).read_text())
    files = set(folder.rglob("*.safetensors"))
    assert files <= {folder / listed for listed in card["files"]}
    assert all(sha256_of(folder / listed) == digest for listed, digest in card["files"].items())
    assert sum(path.stat().st_size for path in files) < 20e6


def test_all_shipped_weights_together_are_small() -> None:
    folders = (load.weights("shapes-flux").parent, weights_folder("shapes-clip").parent)
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    assert len([path for path in files if path.name == CARD_FILE]) == 5
    assert sum(path.stat().st_size for path in files) < 60e6


def card_of(name: str) -> dict[str, Any]:
    card: dict[str, Any] = json.loads((load.weights(name) / CARD_FILE).read_text())
    return card


def test_the_pair_is_of_one_size_and_cost() -> None:
    cards = [card_of(name) for name in NAMES]
    figures = [[card["transformer_parameters"] for card in cards]]
    figures += [[card["training"][part]["flops"] for card in cards] for part in ("generator", "total")]
    for infinity, flux in figures:
        assert 0.5 <= infinity / flux <= 2


@pytest.mark.parametrize("name", NAMES)
def test_card_accounts_for_every_training(name: str) -> None:
    card = card_of(name)
    parts = {part: facts for part, facts in card["training"].items() if part != "total"}
    assert all(facts["flops"] > 0 and facts["samples"] > 0 for facts in parts.values())
    assert sum(facts["flops"] for facts in parts.values()) == card["training"]["total"]["flops"]
    assert card["recipe"] in (load.weights(name) / "README.md").read_text()


def test_reconstructions_are_accepted() -> None:
    infinity, flux = (card_of(name)["autoencoder"] for name in NAMES)
    assert infinity["after 5 scales"]["accepted"] >= 0.95
    assert flux["accepted"] >= 0.95


@pytest.mark.parametrize("name", NAMES)
def test_card_scores_leave_room_for_search(name: str) -> None:
    scores = card_of(name)["geneval_shapes"]
    assert 0.35 <= scores["overall"] <= 0.85
    assert min(scores.values()) > 0


@pytest.mark.parametrize("name", NAMES)
def test_pictures_are_about_as_good_as_the_card_says(name: str) -> None:
    torch.set_num_threads(1)
    generator = BUILDERS[name]()
    stated = card_of(name)["geneval_shapes"]["overall"]
    prompts = shapes_prompts(48)
    texts = [prompt.text for prompt in prompts]
    pictures = sample(generator, texts, seed=5)
    assert abs(task_scores(pictures, prompts)["overall"] - stated) < 0.25
    looked = sample_with_previews(generator, texts[:3], seed=5)
    assert len(looked) == generator.card.steps
    assert ((looked[-1].int() - pictures[:3].int()).abs() > 1).float().mean() < 0.01  # rounding apart, which may draw another bit


def sample(generator: Generator, texts: list[str], seed: int) -> Images:
    """The pictures that `sample_with_previews` ends in, without its looks on the way."""
    state = generator.start(generator.encode(texts), [Row(row, seed + row) for row in range(len(texts))])
    for step in range(generator.card.steps):
        seeds = [seed * 1009 + 100_003 * (step + 1) + row for row in range(len(texts))]
        state = generator.draw(generator.predict(state), seeds)
    return generator.decode(state)


def test_previews_are_compared_within_a_prompt() -> None:
    prompts = [prompt for prompt in shapes_prompts(12) for _ in range(2)]
    generator = np.random.default_rng(2)
    right = render([sample_scene(generator, prompt.metadata) for prompt in prompts])
    mixed = right.clone()
    mixed[::2] = 240
    swapped = right.clone()
    swapped[1::2] = 240
    opposite, same, final = preview_correlations([swapped, mixed, mixed], prompts)
    assert opposite < -0.9
    assert same == final == 1.0


def test_models_with_other_factors_are_of_the_same_networks() -> None:
    plain, hotter = load.shapes_infinity(), load.shapes_infinity(temperature_factor=2.0)
    assert plain.transformer is hotter.transformer
    assert plain.card.settings != hotter.card.settings
    weak, strong = load.shapes_flux(guidance_factor=0.5), load.shapes_flux()
    assert weak.adapter.transformer is strong.adapter.transformer
    assert weak.card.settings != strong.card.settings


def test_damaged_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = load.weights("shapes-flux")
    for path in source.rglob("*"):
        target = tmp_path / path.relative_to(source)
        if path.is_dir():
            target.mkdir()
        else:
            target.write_bytes(path.read_bytes())
    broken = tmp_path / "transformer" / "diffusion_pytorch_model.safetensors"
    content = bytearray(broken.read_bytes())
    content[-1] ^= 1
    broken.write_bytes(bytes(content))
    monkeypatch.setattr(load, "weights", lambda name: tmp_path)
    with pytest.raises(ValueError, match="damaged"):
        load.shapes_flux()
