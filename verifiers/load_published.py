"""Loaders of the published verifiers: (row, folders by role, device, settings) to a verifier."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.transform import PreprocessCfg

from harness.errors import DamagedWeights, WrongInput, near
from models.configuration import read_config
from models.weight_files import read_tensors
from verifiers.aesthetic import Aesthetic, load_head
from verifiers.clip import ClipScore
from verifiers.clip_backbone import ClipBackbone, openai_clip
from verifiers.clip_transformers import TransformersClip
from verifiers.image_reward import ImageReward
from verifiers.image_reward_network import RewardConfig, from_published
from verifiers.preprocess import LongestSide
from verifiers.published import PublishedVerifier

Folders = Mapping[str, Path]
Settings = Mapping[str, Any]
Device = torch.device | str


def aesthetic(row: PublishedVerifier, folders: Folders, device: Device, settings: Settings) -> Aesthetic:
    """LAION's predictor: CLIP in open_clip's format, and the head as it was published."""
    head = _only(folders["head"], "*.pth")
    return Aesthetic(openai_clip(folders["weights"], device), load_head(head), row.name, row.licence)


def clip_score(row: PublishedVerifier, folders: Folders, device: Device, settings: Settings) -> ClipScore:
    """Cosine under CLIP in open_clip's format."""
    backbone = openai_clip(folders["weights"], device)
    return ClipScore(backbone, row.name, row.licence, caption=settings["caption"])


def image_reward(row: PublishedVerifier, folders: Folders, device: Device, settings: Settings) -> ImageReward:
    """`ImageReward.pt`; the text encoder's sizes are those of med_config.json, the image encoder's those of its weights."""
    checkpoint = _only(folders["weights"], "ImageReward.pt")
    text = read_config(folders["weights"], "med_config.json")
    state = from_published(read_tensors(checkpoint))
    config = RewardConfig.from_weights(state, text)
    return ImageReward.from_published(state, checkpoint, folders["tokenizer"], config, row.name, row.licence, device)


def pick_score(row: PublishedVerifier, folders: Folders, device: Device, settings: Settings) -> ClipScore:
    """Cosine times the model's scale under CLIP in transformers' format."""
    backbone = TransformersClip.from_folders(folders["weights"], folders["tokenizer"], device)
    return ClipScore(backbone, row.name, row.licence, scaled=True)


def hps(row: PublishedVerifier, folders: Folders, device: Device, settings: Settings) -> ClipScore:
    """Cosine under one of open_clip's architectures with the weights of a training checkpoint."""
    checkpoint = _only(folders["weights"], "*.pt")
    preprocess = hps_preprocess(row.name, settings["architecture"])
    backbone = ClipBackbone.from_checkpoint(checkpoint, settings["architecture"], preprocess, device)
    return ClipScore(backbone, row.name, row.licence)


def hps_preprocess(name: str, architecture: str) -> LongestSide:
    """HPSv2's, for open_clip's network of this name. Raises WrongInput."""
    config: Any = open_clip.get_model_config(architecture)
    if config is None:
        hint = near(architecture, open_clip.list_models())
        raise WrongInput(f"verifier {name}: open_clip has no such architecture; {hint and hint + ' '}leave it out for the published one")
    return LongestSide(PreprocessCfg(size=config["vision_cfg"]["image_size"]))


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise DamagedWeights(f"{folder} should have one {pattern} and has {names}: leave the file of this verifier alone in it")
    return found[0]
