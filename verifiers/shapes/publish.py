"""Trains the embedded verifiers and writes their weight folders, loaded back by the classes that will use them."""

import json
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from models.shapes.facts import AS_THEY_STAND
from models.shapes.training_loop import prepare
from verifiers.aesthetic import Aesthetic, load_head
from verifiers.clip import ClipScore
from verifiers.clip_backbone import CONFIG_FILE as CLIP_CONFIG
from verifiers.clip_backbone import WEIGHTS_FILE as CLIP_WEIGHTS
from verifiers.clip_backbone import ClipBackbone
from verifiers.image_reward import CONFIG_FILE as REWARD_CONFIG
from verifiers.image_reward import WEIGHTS_FILE as REWARD_WEIGHTS
from verifiers.image_reward import ImageReward
from verifiers.load_embedded import HEAD_FILE, LICENCE, weights_folder
from verifiers.scorer import Scorer
from verifiers.shapes import train_clip, train_reward
from verifiers.shapes.cards import measure, write_card
from verifiers.shapes.curves import draw_losses
from verifiers.shapes.pool import PICTURES, Groups
from verifiers.shapes.settings import MEAN, STD, clip_config
from verifiers.shapes.tokenizer import save_tokenizer
from verifiers.shapes.training_loop import GENERATED_SHARDS, SEED, Fitted, fit, held_out, training_pool

HEAD_SHARDS = 8
"""Shards of the pool that the aesthetic head is fitted on."""
RIDGE = 1e-3


def publish_clip() -> None:
    """Train shapes-clip and write its folder."""
    prepare(SEED)
    training = train_clip.ClipInTraining()
    fitted = fit("verifier-clip", training, training.loss, train_clip.STEPS, train_clip.LEARNING_RATE, train_clip.HEADS)
    folder = _fresh_folder("shapes-clip")
    draw_losses("verifier-clip", folder)
    save_tokenizer(folder)
    (folder / CLIP_CONFIG).write_text(json.dumps(clip_config(), indent=2) + "\n", encoding="utf-8")
    _save(training.clip.state_dict(), folder / CLIP_WEIGHTS)
    backbone = ClipBackbone.from_folder(folder)
    verifier = ClipScore(backbone, "shapes-clip", LICENCE, domain="shapes")
    groups = held_out()
    texts_per_picture = 2 / PICTURES
    flops = (
        3 * fitted.pictures * (verifier.price(1).flops + round(texts_per_picture * sum(verifier.text_passes.values())))
    )
    write_card(
        folder,
        "shapes-clip",
        "An open_clip model of the shapes world: the cosine of picture and caption.",
        fitted,
        flops,
        sum(parameter.numel() for parameter in training.clip.parameters()),
        measure(_scores(verifier, groups), groups),
    )


def publish_aesthetic() -> None:
    """Fit shapes-aesthetic on the embeddings of shapes-clip and write its folder."""
    prepare(SEED)
    started = time.monotonic()
    backbone = ClipBackbone.from_folder(weights_folder("shapes-clip"))
    groups = training_pool(HEAD_SHARDS, GENERATED_SHARDS)
    features_NE = backbone.image_features(list(torch.from_numpy(groups.images).flatten(0, 1)))
    weight_E, bias = _ridge(features_NE.double(), torch.from_numpy(groups.quality).flatten().double())
    seconds = time.monotonic() - started
    folder = _fresh_folder("shapes-aesthetic")
    _save({"layers.0.weight": weight_E.float()[None], "layers.0.bias": bias.float()[None]}, folder / HEAD_FILE)
    verifier = Aesthetic(
        backbone, load_head(folder / HEAD_FILE), "shapes-aesthetic", LICENCE, domain="shapes", score_range=(0.0, 1.0)
    )
    unseen = held_out()
    scores_GP = _scores(verifier, unseen)
    correlation = float(np.corrcoef(scores_GP.ravel(), unseen.quality.ravel())[0, 1])
    pictures = len(features_NE)
    write_card(
        folder,
        "shapes-aesthetic",
        "An affine map on the image embedding of shapes-clip: how well formed the shapes are, whatever the caption.",
        Fitted(steps=1, pictures=pictures, seconds=seconds, losses={}, recipe=AS_THEY_STAND),
        pictures * verifier.price(1).flops,
        weight_E.numel() + 1,
        {"correlation with the finder's mean confidence": round(correlation, 3), **measure(scores_GP, unseen)},
    )


def _ridge(features_NE: torch.Tensor, targets_N: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Least squares with a small ridge -> weight [E] and bias []."""
    mean_E, mean = features_NE.mean(0), targets_N.mean()
    centred = features_NE - mean_E
    gram = centred.T @ centred + RIDGE * torch.eye(centred.shape[1], dtype=centred.dtype)
    weight_E = torch.linalg.solve(gram, centred.T @ (targets_N - mean))
    return weight_E, mean - weight_E @ mean_E


def publish_reward() -> None:
    """Train shapes-reward from the image tower of shapes-clip and write its folder."""
    prepare(SEED)
    training = train_reward.RewardInTraining(load_file(weights_folder("shapes-clip") / CLIP_WEIGHTS))
    fitted = fit("verifier-reward", training, training.loss, train_reward.STEPS, train_reward.LEARNING_RATE, train_reward.HEADS)
    folder = _fresh_folder("shapes-reward")
    draw_losses("verifier-reward", folder)
    save_tokenizer(folder)
    _save(training.network.state_dict(), folder / REWARD_WEIGHTS)
    seen = _scores(_saved_reward(folder, training, 0.0, 1.0), training_pool(2, 2))
    verifier = _saved_reward(folder, training, float(seen.mean()), float(seen.std()))
    groups = held_out()
    write_card(
        folder,
        "shapes-reward",
        "ImageReward's architecture on the shapes world: a reward that is higher the better a picture shows its caption.",
        fitted,
        3 * fitted.pictures * verifier.price(1).flops,
        sum(parameter.numel() for parameter in training.network.parameters()),
        measure(_scores(verifier, groups), groups),
    )


def _saved_reward(folder: Path, training: train_reward.RewardInTraining, mean: float, std: float) -> ImageReward:
    """Write the configuration with this normalisation and load the folder."""
    network = {**training.network.config.as_json(), "mean": mean, "std": std}
    settings = {"network": network, "preprocess": {"mean": list(MEAN), "std": list(STD)}}
    (folder / REWARD_CONFIG).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    return ImageReward.from_folder(folder, "shapes-reward", LICENCE, domain="shapes")


def _save(state: dict[str, torch.Tensor], path: Path) -> None:
    """Write weights that every user of the machine may read; safetensors makes files private."""
    save_file({key: value.contiguous() for key, value in state.items()}, path)
    path.chmod(0o644)


def _fresh_folder(name: str) -> Path:
    folder = weights_folder(name)
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    return folder


def _scores(verifier: Scorer, groups: Groups) -> np.ndarray:
    """Score every picture for its group's caption, float64 [G, 3]."""
    prompts = [str(record["prompt"]) for record in groups.records for _ in range(PICTURES)]
    values_NM = verifier.score(torch.from_numpy(groups.images).flatten(0, 1), prompts).values_NM
    return values_NM[:, 0].reshape(len(groups.records), PICTURES)
