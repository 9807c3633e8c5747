"""ImageReward on transformers' BLIP classes: the published layout, its price, and what it refuses."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from harness.compute.flops import count_flops
from models.weight_files import read_tensors
from verifiers.base import Verifier
from verifiers.image_reward import ImageReward
from verifiers.image_reward_network import RewardConfig, RewardHead, RewardNetwork, from_published, load_state
from verifiers.shapes.tokenizer import save_tokenizer, vocabulary_size

TINY = RewardConfig(
    image_size=32, patch_size=8, vision_width=32, vision_layers=2, vision_heads=4, vision_mlp=64, text_vocabulary=vocabulary_size(),
    text_width=24, text_layers=2, text_heads=4, text_mlp=48, text_positions=16, text_length=10, mlp_widths=(16, 8, 6, 4),
)  # fmt: skip
PROMPTS = ["a red circle", "two stars", "a moon above a ring", "a blue heart", "a star", "four rings", "a cross", "a moon"]


def network(config: RewardConfig = TINY) -> RewardNetwork:
    torch.manual_seed(0)
    made = RewardNetwork(config)
    for parameter in made.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.4)  # so that scores differ visibly
    return made.eval()


def published_keys(config: RewardConfig) -> dict[str, tuple[int, ...]]:
    """Names and shapes of `ImageReward.pt` at these sizes, written out from the original's modules (vit.py, med.py)."""
    v, t, m = config.vision_width, config.text_width, config.vision_mlp
    patches = (config.image_size // config.patch_size) ** 2
    keys: dict[str, tuple[int, ...]] = {
        "blip.visual_encoder.cls_token": (1, 1, v),
        "blip.visual_encoder.pos_embed": (1, patches + 1, v),
        "blip.visual_encoder.patch_embed.proj.weight": (v, 3, config.patch_size, config.patch_size),
        "blip.visual_encoder.patch_embed.proj.bias": (v,),
        "blip.text_encoder.embeddings.position_ids": (1, config.text_positions),
        "blip.text_encoder.embeddings.word_embeddings.weight": (config.text_vocabulary, t),
        "blip.text_encoder.embeddings.position_embeddings.weight": (config.text_positions, t),
        "blip.vision_proj.weight": (256, v),
        "blip.vision_proj.bias": (256,),
        "blip.text_proj.weight": (256, t),
        "blip.text_proj.bias": (256,),
    }

    def linear(name: str, out: int, into: int) -> None:
        keys[f"{name}.weight"], keys[f"{name}.bias"] = (out, into), (out,)

    def norm(name: str, width: int) -> None:
        keys[f"{name}.weight"], keys[f"{name}.bias"] = (width,), (width,)

    norm("blip.visual_encoder.norm", v)
    for n in range(config.vision_layers):
        block = f"blip.visual_encoder.blocks.{n}"
        norm(f"{block}.norm1", v)
        norm(f"{block}.norm2", v)
        linear(f"{block}.attn.qkv", 3 * v, v)
        linear(f"{block}.attn.proj", v, v)
        linear(f"{block}.mlp.fc1", m, v)
        linear(f"{block}.mlp.fc2", v, m)
    norm("blip.text_encoder.embeddings.LayerNorm", t)
    for n in range(config.text_layers):
        layer = f"blip.text_encoder.encoder.layer.{n}"
        for kind, into in (("attention", t), ("crossattention", v)):
            linear(f"{layer}.{kind}.self.query", t, t)
            linear(f"{layer}.{kind}.self.key", t, into)
            linear(f"{layer}.{kind}.self.value", t, into)
            linear(f"{layer}.{kind}.output.dense", t, t)
            norm(f"{layer}.{kind}.output.LayerNorm", t)
        linear(f"{layer}.intermediate.dense", config.text_mlp, t)
        linear(f"{layer}.output.dense", t, config.text_mlp)
        norm(f"{layer}.output.LayerNorm", t)
    sizes = (t, *config.mlp_widths, 1)
    for place, into, out in zip((0, 2, 4, 6, 7), sizes[:-1], sizes[1:], strict=True):
        linear(f"mlp.layers.{place}", out, into)
    return keys


def published_state(config: RewardConfig, source: RewardNetwork) -> dict[str, torch.Tensor]:
    """The network's weights under the published names."""
    own = source.state_dict()
    state = {}
    for key, shape in published_keys(config).items():
        (renamed,) = from_published({key: torch.empty(0)}) or ("",)
        state[key] = own[renamed].clone() if renamed else torch.zeros(shape)
    return state


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny verifier in our folder format, and the same weights as a published checkpoint."""
    path = tmp_path_factory.mktemp("reward")
    save_tokenizer(path)
    (path / "image_reward_config.json").write_text(json.dumps({"network": TINY.as_json(), "preprocess": {}}))
    save_file(network().state_dict(), path / "image_reward.safetensors")
    torch.save(published_state(TINY, network()), path / "ImageReward.pt")
    return path


@pytest.fixture(scope="module")
def reward(folder: Path) -> ImageReward:
    return ImageReward.from_folder(folder, "image-reward", "Apache-2.0")


def images(count: int = 8, side: int = 32) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=torch.Generator().manual_seed(2))


def test_published_keys_fill_the_network_exactly() -> None:
    with torch.device("meta"):
        full = RewardNetwork(RewardConfig())
        published = {key: torch.empty(shape) for key, shape in published_keys(RewardConfig()).items()}
    renamed = from_published(published)
    assert {key: tuple(value.shape) for key, value in renamed.items()} == {
        key: tuple(value.shape) for key, value in full.state_dict().items()
    }
    assert (len(published), len(renamed)) == (625, 620)


def test_published_checkpoint_and_our_folder_score_alike(folder: Path, reward: ImageReward) -> None:
    checkpoint = folder / "ImageReward.pt"
    state = from_published(read_tensors(checkpoint))
    other = ImageReward.from_published(state, checkpoint, folder, TINY, "image-reward", "Apache-2.0")
    default_preprocessing = other.score(images(), PROMPTS).values_NM
    assert default_preprocessing == pytest.approx(reward.score(images(), PROMPTS).values_NM, abs=1e-5)


def test_order_batch_and_protocol(reward: ImageReward) -> None:
    assert isinstance(reward, Verifier)
    whole = reward.score(images(), PROMPTS).values_NM
    assert len(np.unique(whole.round(4))) == 8
    single = [reward.score(images()[n : n + 1], PROMPTS[n : n + 1]).values_NM[0, 0] for n in range(8)]
    assert single == pytest.approx(whole[:, 0], abs=1e-4)
    order = [3, 1, 7, 0, 2, 6, 5, 4]
    permuted = reward.score(images()[order], [PROMPTS[n] for n in order]).values_NM
    assert permuted == pytest.approx(whole[order], abs=1e-4)


def test_picture_and_prompt_both_matter(reward: ImageReward) -> None:
    same_picture = reward.score(images(1).expand(8, -1, -1, -1), PROMPTS).values_NM
    same_prompt = reward.score(images(), PROMPTS[:1] * 8).values_NM
    assert len(np.unique(same_picture.round(4))) == 8
    assert len(np.unique(same_prompt.round(4))) == 8


def test_padding_is_not_read(folder: Path, reward: ImageReward) -> None:
    settings = {"network": replace(TINY, text_length=14).as_json(), "preprocess": {}}
    (folder / "image_reward_config.json").rename(folder / "kept.json")
    (folder / "image_reward_config.json").write_text(json.dumps(settings))
    longer = ImageReward.from_folder(folder, "image-reward", "Apache-2.0")
    (folder / "kept.json").replace(folder / "image_reward_config.json")
    assert longer.score(images(), PROMPTS).values_NM == pytest.approx(
        reward.score(images(), PROMPTS).values_NM, abs=1e-4
    )


def test_price_equals_the_counter(reward: ImageReward) -> None:
    for count in (1, 3):
        measured = count_flops(lambda count=count: reward.score(images(count), PROMPTS[:count]))
        assert measured == reward.price(images=count, new_prompts=count).verifier_flops
    assert reward.price(2, new_prompts=0) == reward.price(2, new_prompts=2)


def test_reward_is_normalised_as_published() -> None:
    raw, published = network(replace(TINY, mean=0.0, std=1.0)), network(TINY)
    image_BCHW, tokens_BT = torch.randn(2, 3, 32, 32), torch.tensor([[2, 5, 3], [2, 6, 3]])
    with torch.no_grad():
        expected = (raw(image_BCHW, tokens_BT) - 0.16717362830052426) / 1.0333394966054072
        assert torch.allclose(published(image_BCHW, tokens_BT), expected, atol=1e-5)


def test_head_is_affine_at_evaluation() -> None:
    head = RewardHead(6, (8, 7, 5, 3)).eval().double()
    x, y = torch.randn(2, 4, 6, dtype=torch.double)
    with torch.no_grad():
        assert torch.allclose(head(0.3 * x + 0.7 * y), 0.3 * head(x) + 0.7 * head(y))


def test_missing_and_misshapen_weights_are_refused_extra_ones_reported() -> None:
    with torch.device("meta"):
        empty = RewardNetwork(TINY)
    state = network().state_dict()
    less = {key: value for key, value in state.items() if key != "mlp.layers.0.weight"}
    with pytest.raises(ValueError, match=r"x\.pt is another model's: it lacks 1 of \d+ weights, first mlp\.layers\.0\.weight"):
        load_state(empty, less, Path("x.pt"))
    with pytest.raises(ValueError, match=r"in 1 weights, first mlp\.layers\.0\.weight is \(2, 2\) instead of"):
        load_state(empty, {**state, "mlp.layers.0.weight": torch.ones(2, 2)}, Path("x.pt"))
    assert load_state(empty, {**state, "surplus": torch.ones(1)}, Path("x.pt")) == ("surplus",)
    with pytest.raises(ValueError, match="unknown fields"):
        RewardConfig.from_json({"depth": 3})


def test_truncation_is_reported_and_harmless(reward: ImageReward) -> None:
    long = "red circle " * 40
    assert reward.truncated(["a red circle", long]) == (False, True)
    assert np.isfinite(reward.score(images(1), [long]).values_NM).all()
