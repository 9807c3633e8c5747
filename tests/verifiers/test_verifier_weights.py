"""The verifiers that come with the package: they load, agree with the truth, share passes, and notice damage."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import verifiers.load_embedded as load
from harness.compute.flops import count_flops
from models.card_file import checked_card
from suites.geneval.records import Record
from suites.shapes.renderer import render
from suites.shapes.scenes import sample_pairs
from verifiers.base import Verifier
from verifiers.shapes.cards import measure
from verifiers.shapes.pool import PICTURES, Groups, draw_groups

NAMES = ("shapes-clip", "shapes-aesthetic", "shapes-reward", "shapes-ensemble")


def loaded(name: str) -> Verifier:
    return getattr(load, name.replace("-", "_"))()  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def drawn() -> Groups:
    return draw_groups(seed=2**31 + 1, shard=0, size=100)


@pytest.fixture(scope="module")
def rendered() -> tuple[torch.Tensor, list[str]]:
    records: list[Record]
    records, scenes = sample_pairs(np.random.default_rng(5), 8)
    return render(scenes), [record["prompt"] for record in records]


@pytest.mark.parametrize("name", NAMES)
def test_contract(name: str, rendered: tuple[torch.Tensor, list[str]]) -> None:
    verifier, (images, prompts) = loaded(name), rendered
    assert isinstance(verifier, Verifier)
    assert verifier.card.name == name
    assert verifier.card.domain == "shapes"
    whole = verifier.score(images, prompts)
    assert whole.reasons == ("",) * 8
    assert whole.values_NM.shape == (8, len(verifier.card.parts))
    single = np.concatenate([verifier.score(images[n : n + 1], prompts[n : n + 1]).values_NM for n in range(8)])
    assert single == pytest.approx(whole.values_NM, abs=1e-4)
    order = [3, 1, 7, 0, 2, 6, 5, 4]
    permuted = verifier.score(images[order], [prompts[n] for n in order]).values_NM
    assert permuted == pytest.approx(whole.values_NM[order], abs=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_price_equals_the_counter(name: str, rendered: tuple[torch.Tensor, list[str]]) -> None:
    load._backbone.cache_clear()
    verifier, (images, prompts) = loaded(name), rendered
    new = len(set(prompts[:5]))
    measured = count_flops(lambda: verifier.score(images[:5], prompts[:5]))
    assert measured == verifier.price(images=5, new_prompts=new).verifier_flops
    measured = count_flops(lambda: verifier.score(images[5:], prompts[:3]))
    assert measured == verifier.price(images=3, new_prompts=0).verifier_flops


def test_the_ensemble_shares_the_backbone() -> None:
    parts = [loaded(name).price(1).flops for name in NAMES[:3]]
    assert loaded("shapes-ensemble").price(1).flops == pytest.approx(sum(parts) - parts[0], rel=1e-3)


@pytest.mark.parametrize(
    ("name", "least"), [("shapes-clip", 0.75), ("shapes-aesthetic", 0.55), ("shapes-reward", 0.75)]
)
def test_agrees_with_the_grader(name: str, least: float, drawn: Groups) -> None:
    prompts = [str(record["prompt"]) for record in drawn.records for _ in range(PICTURES)]
    scores = loaded(name).score(torch.from_numpy(drawn.images).flatten(0, 1), prompts).values_NM[:, 0]
    found = measure(scores.reshape(-1, PICTURES), drawn)
    assert least < found["auroc"] < 0.99


@pytest.mark.parametrize("name", NAMES[:3])
def test_damage_is_named(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / name
    shutil.copytree(load.weights_folder(name), folder)
    monkeypatch.setattr(load, "weights_folder", lambda _: folder)
    load._backbone.cache_clear()
    card = json.loads((folder / "card.json").read_text())
    weights = next(file for file in card["files"] if file.endswith(".safetensors"))
    content = bytearray((folder / weights).read_bytes())
    content[-1] ^= 1
    (folder / weights).write_bytes(content)
    with pytest.raises(
        ValueError, match=f"{weights} is damaged: expected SHA-256 {card['files'][weights]}, found .*; reinstall"
    ):
        loaded(name)
    (folder / weights).unlink()
    with pytest.raises(ValueError, match=f"{weights} is missing"):
        checked_card(folder)
    load._backbone.cache_clear()


def test_weights_are_small() -> None:
    total = sum(path.stat().st_size for name in NAMES[:3] for path in load.weights_folder(name).iterdir())
    assert total < 8e6
