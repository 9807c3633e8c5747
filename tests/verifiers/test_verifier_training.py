"""What the embedded verifiers learn from: pictures, captions, verdicts; and the tower that one network hands to the other."""

import hashlib
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from open_clip.model import CLIP

from models.shapes.load import shapes_infinity
from suites.geneval.grader import grade
from suites.geneval.wording import TAGS
from suites.shapes.detector import ShapesDetector
from suites.shapes.scenes import sample_pairs, sample_record, sample_scene
from suites.shapes.vocabulary import IMAGE_SIDE
from verifiers.image_reward_network import RewardNetwork
from verifiers.shapes.edits import shows, wrong_caption, wrong_scene
from verifiers.shapes.generated_pool import generate_groups
from verifiers.shapes.patches import PatchReader
from verifiers.shapes.pool import ARRAYS, Groups, batches, draw_groups, join, load_pool, possible
from verifiers.shapes.settings import clip_config, reward_config
from verifiers.shapes.tokenizer import TEXT_LENGTH, build_tokenizer
from verifiers.shapes.train_clip import contrast
from verifiers.shapes.train_reward import blip_tower, preference_loss

WRONG_CAPTIONS_SHA256 = "00790a22262dd5b70a3a503b47b20b13cda9c5a84b21f064244b4a0419afa83a"


@pytest.fixture(scope="module")
def groups() -> Groups:
    return draw_groups(seed=7, shard=0, size=60)


def test_wrong_scenes_fail_and_wrong_captions_are_false() -> None:
    rng = np.random.default_rng(0)
    for task in TAGS:
        for _ in range(10):
            record = sample_record(rng, task)
            scene = sample_scene(rng, record)
            assert shows(record, scene.shapes)
            edited = wrong_scene(rng, record, scene)
            assert edited is None or not shows(record, edited.shapes)
            assert wrong_caption(rng, record, partial(shows, shapes=scene.shapes)) != record["prompt"]


def test_wrong_captions_are_those_the_shipped_verifiers_were_trained_on() -> None:
    records, scenes = sample_pairs(np.random.default_rng(11), 200)
    rng = np.random.default_rng(5)
    seen = [partial(shows, shapes=scene.shapes) for scene in scenes]
    captions = [wrong_caption(rng, record, shown) for record, shown in zip(records, seen, strict=True)]
    assert hashlib.sha256(json.dumps(captions).encode()).hexdigest() == WRONG_CAPTIONS_SHA256


def test_groups_are_seeded_and_judged_by_the_exact_grader(groups: Groups) -> None:
    again = draw_groups(seed=7, shard=0, size=60)
    assert again.records == groups.records
    for name in ARRAYS:
        assert np.array_equal(getattr(again, name), getattr(groups, name))
    verdicts = grade(torch.from_numpy(groups.images[:, 1]), groups.records, ShapesDetector())
    assert [verdict.correct for verdict in verdicts] == list(groups.correct[:, 1])
    share = groups.correct.mean(axis=0)
    assert share[0] > 0.7
    assert share[1] < 0.1
    assert 0.05 < share[2] < 0.6


def test_generated_pictures_are_judged_and_have_no_painted_patches() -> None:
    generator = shapes_infinity()
    made = generate_groups(generator, seed=3, shard=0, size=6)
    again = generate_groups(generator, seed=3, shard=0, size=6)
    assert np.array_equal(made.images, again.images)
    assert (made.images[:, 0] != made.images[:, 1]).any()
    verdicts = grade(torch.from_numpy(made.images[:, 0]), made.records, ShapesDetector())
    assert [verdict.correct for verdict in verdicts] == list(made.correct[:, 0])
    both = join([draw_groups(seed=7, shard=0, size=6), made])
    tokens_BLC = torch.randn(36, 16, 8)
    reader = PatchReader(8)
    assert reader.loss(tokens_BLC, both) == reader.loss(tokens_BLC[:18], both.take(np.arange(6)))


def test_what_is_right_is_possible(groups: Groups) -> None:
    counts = groups.counts.reshape(-1, *groups.counts.shape[2:])
    own = possible(groups.records, counts)[np.repeat(np.arange(60), 3), np.arange(180)]
    assert own[groups.correct.ravel()].all()
    assert not own.all()


def test_batches_resume(groups: Groups) -> None:
    stream = batches(groups, seed=0, size=16, first_step=0)
    whole = [next(stream) for _ in range(6)]
    resumed = batches(groups, seed=0, size=16, first_step=4)
    for expected in whole[4:]:
        assert next(resumed).records == expected.records


def test_shards_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("verifiers.shapes.pool.SHARD", 4)
    monkeypatch.setattr("verifiers.shapes.pool.draw_groups", lambda seed, shard: draw_groups(seed, shard, size=4))
    first = load_pool(tmp_path, seed=1, shards=2)
    assert len(first.records) == 8
    monkeypatch.setattr("verifiers.shapes.pool.draw_groups", pytest.fail)
    second = load_pool(tmp_path, seed=1, shards=2)
    assert second.records == first.records
    assert np.array_equal(second.images, first.images)


def test_tokenizer_drops_stop_words_and_knows_the_world() -> None:
    tokenizer = build_tokenizer()
    rng = np.random.default_rng(0)
    for _ in range(100):
        tokens = tokenizer(sample_record(rng)["prompt"]).input_ids
        assert tokenizer.unk_token_id not in tokens
        assert len(tokens) <= 6 < TEXT_LENGTH
    assert tokenizer("a photo of a Red circle").input_ids == tokenizer("red circle.").input_ids
    assert tokenizer.unk_token_id in tokenizer("a photo of a dog").input_ids


def test_reward_starts_from_the_clip_tower() -> None:
    torch.manual_seed(0)
    config = clip_config()["model_cfg"]
    clip, reward = CLIP(**config).eval(), RewardNetwork(reward_config()).eval()
    reward.vision.load_state_dict(blip_tower(clip.state_dict()))
    seen: list[torch.Tensor] = []
    clip.visual.transformer.register_forward_hook(lambda _module, _inputs, tokens: seen.append(tokens))
    image_BCHW = torch.randn(2, 3, IMAGE_SIDE, IMAGE_SIDE)
    with torch.no_grad():
        clip.encode_image(image_BCHW)
        assert torch.allclose(
            reward.image_tokens(image_BCHW), clip.visual.ln_post(seen[0]), atol=1e-3
        )  # the norms differ in epsilon


def test_losses_fall_when_right_beats_wrong(groups: Groups) -> None:
    count = len(groups.records)
    right = torch.zeros(3 * count, 2 * count)
    right[torch.arange(3 * count), torch.arange(count).repeat_interleave(3)] = (
        torch.from_numpy(groups.correct).flatten() * 8.0
    )
    assert contrast(right, groups) < 0.2 * contrast(torch.zeros_like(right), groups)
    rewards = torch.from_numpy(groups.correct * 8.0 + groups.quality * 4.0)
    assert preference_loss(rewards, groups) < 0.2 * preference_loss(torch.zeros_like(rewards), groups)
