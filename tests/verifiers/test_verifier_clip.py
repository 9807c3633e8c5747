"""CLIPScore and the aesthetic map on a random open_clip model saved in the published folder format."""

from pathlib import Path

import numpy as np
import open_clip
import pytest
import tiny_clip
import torch
from torch import nn

from harness.compute.flops import count_flops
from harness.compute.ledger import Ledger
from harness.compute.verifier_meter import MeteredVerifier
from harness.errors import DamagedWeights
from verifiers.aesthetic import Aesthetic, collapse, load_head
from verifiers.base import Verifier
from verifiers.clip import ClipScore
from verifiers.clip_backbone import ClipBackbone
from verifiers.ensemble import Ensemble

PROMPTS = ["a red circle", "two stars", "a moon", "a red circle", "an arrow", "two stars", "a ring", "a heart"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in open_clip's local-dir format."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("clip")
    tiny_clip.save(path)
    return path


@pytest.fixture
def clip(folder: Path) -> ClipScore:
    return ClipScore(ClipBackbone.from_folder(folder), "clip-score", "MIT")


@pytest.fixture
def aesthetic(folder: Path, tmp_path: Path) -> Aesthetic:
    return Aesthetic(ClipBackbone.from_folder(folder), load_head(published_head(tmp_path)), "aesthetic", "Apache-2.0")


def published_mlp() -> nn.Module:
    """The published predictor's layers, 16 wide."""
    sizes, places = (16, 8, 6, 4, 3, 1), (0, 2, 4, 6, 7)
    torch.manual_seed(1)
    container = nn.Module()
    container.layers = nn.Sequential(*(nn.Identity() for _ in range(8)))
    for place, before, after in zip(places, sizes[:-1], sizes[1:], strict=True):
        container.layers[place] = nn.Linear(before, after)
    return container


def published_head(folder: Path) -> Path:
    path = folder / "sac+logos+ava1-l14-linearMSE.pth"
    torch.save(published_mlp().state_dict(), path)
    return path


def images(count: int = 8, side: int = 32) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))


def test_equals_open_clip_by_hand(clip: ClipScore, folder: Path) -> None:
    source = f"local-dir:{folder}"
    model, preprocess = open_clip.create_model_from_pretrained(source)
    tokens = open_clip.get_tokenizer(source)(PROMPTS)
    from torchvision.transforms.functional import to_pil_image

    for side in (32, 50):
        batch = torch.stack([preprocess(to_pil_image(image)) for image in images(side=side)])
        with torch.no_grad():
            expected = (model.encode_image(batch, normalize=True) * model.encode_text(tokens, normalize=True)).sum(-1)
        assert clip.score(images(side=side), PROMPTS).values_NM[:, 0] == pytest.approx(expected.numpy(), abs=1e-5)


@pytest.mark.parametrize("kind", ["clip", "aesthetic"])
def test_order_batch_and_protocol(kind: str, request: pytest.FixtureRequest) -> None:
    verifier = request.getfixturevalue(kind)
    assert isinstance(verifier, Verifier)
    whole = verifier.score(images(), PROMPTS).values_NM
    assert whole.shape == (8, 1)
    assert len(np.unique(whole)) == 8
    single = [verifier.score(images()[n : n + 1], PROMPTS[n : n + 1]).values_NM[0, 0] for n in range(8)]
    assert single == pytest.approx(whole[:, 0], abs=1e-5)
    order = [3, 1, 7, 0, 2, 6, 5, 4]
    permuted = verifier.score(images()[order], [PROMPTS[n] for n in order]).values_NM
    assert permuted == pytest.approx(whole[order], abs=1e-5)
    assert verifier.combine(whole) == pytest.approx(whole[:, 0])


def test_price_equals_the_counter(clip: ClipScore, aesthetic: Aesthetic) -> None:
    measured = count_flops(lambda: clip.score(images(3), PROMPTS[:3]))
    assert measured == clip.price(images=3, new_prompts=3).verifier_flops
    measured = count_flops(lambda: clip.score(images(5), PROMPTS[:4] + PROMPTS[:1]))
    assert measured == clip.price(images=5, new_prompts=0).verifier_flops
    measured = count_flops(lambda: aesthetic.score(images(3), PROMPTS[:3]))
    assert measured == aesthetic.price(images=3, new_prompts=3).verifier_flops
    assert clip.price(3).verifier_calls == 3


@pytest.fixture
def pair(folder: Path, tmp_path: Path) -> tuple[ClipScore, Aesthetic]:
    """Two verifiers on one backbone."""
    backbone = ClipBackbone.from_folder(folder)
    clip = ClipScore(backbone, "clip-score", "MIT")
    return clip, Aesthetic(backbone, load_head(published_head(tmp_path)), "aesthetic", "Apache-2.0")


def test_one_image_pass_serves_an_ensemble(pair: tuple[ClipScore, Aesthetic]) -> None:
    both = Ensemble(pair, "both")
    measured = count_flops(lambda: both.score(images(3), PROMPTS[:3]))
    assert measured == both.price(images=3, new_prompts=3).verifier_flops
    assert measured < sum(one.price(images=3, new_prompts=3).verifier_flops for one in pair)
    assert count_flops(lambda: both.score(images(3), PROMPTS[:3])) == both.price(images=3).verifier_flops


def test_no_verifier_works_for_another(pair: tuple[ClipScore, Aesthetic]) -> None:
    clip, aesthetic = pair
    other = ClipScore(clip._backbone, "other", "MIT")
    for first, second in ((clip, aesthetic), (aesthetic, clip), (clip, other)):
        for one in (first, second):
            one.forget()
        first.score(images(3), PROMPTS[:3])
        measured = count_flops(lambda second=second: second.score(images(3), PROMPTS[:3]))  # type: ignore[misc]
        assert measured == second.price(images=3, new_prompts=3).verifier_flops


def test_metered_verifiers_run_what_they_charge_in_any_order(pair: tuple[ClipScore, Aesthetic]) -> None:
    for order in (pair, pair[::-1]):
        for verifier in order:
            judge = MeteredVerifier(verifier, Ledger(3))
            measured = count_flops(lambda judge=judge: judge.score(images(3), PROMPTS[:3], range(3)))  # type: ignore[misc]
            assert measured == sum(judge.ledger.spent(n).verifier_flops for n in range(3))


def test_aesthetic_equals_the_published_stack(aesthetic: Aesthetic, folder: Path) -> None:
    features = ClipBackbone.from_folder(folder).image_features(images())
    with torch.no_grad():
        expected = published_mlp().layers(features).squeeze(1)
    assert aesthetic.score(images(), PROMPTS).values_NM[:, 0] == pytest.approx(expected.numpy(), abs=1e-5)


def test_collapse_refuses_what_is_no_head() -> None:
    with pytest.raises(ValueError, match=r"no layers\.N\.weight"):
        collapse({"weight": torch.ones(1, 3)}, Path("head.pth"))
    with pytest.raises(ValueError, match="2 outputs"):
        collapse({"layers.0.weight": torch.ones(2, 3), "layers.0.bias": torch.ones(2)}, Path("head.pth"))


def test_what_cannot_be_scored_has_a_reason(clip: ClipScore) -> None:
    batch = [
        images()[0],
        None,
        torch.zeros(1, 4, 4, dtype=torch.uint8),
        torch.zeros(3, 4, 4),
        images(side=40)[1],
        images()[2],
    ]
    scores = clip.score(batch, ["a", "b", "c", "d", "e", ""])
    assert [bool(reason) for reason in scores.reasons] == [False, True, True, True, False, True]
    assert list(np.isnan(scores.values_NM[:, 0])) == [False, True, True, True, False, True]
    assert clip.score(batch[:1], ["a"]).values_NM[0] == pytest.approx(scores.values_NM[0], abs=1e-5)
    with pytest.raises(ValueError, match="one prompt per image"):
        clip.score(images(), ["a"])


def test_truncation_is_reported(clip: ClipScore) -> None:
    assert clip.card.text_limit_tokens == 12
    assert clip.truncated(["a red circle", "a red circle " * 10]) == (False, True)


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open_clip_config.json").write_text("{}")
    with pytest.raises(DamagedWeights, match=r"open_clip_model\.safetensors"):
        ClipBackbone.from_folder(tmp_path)
