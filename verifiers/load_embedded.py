"""The embedded verifiers, loaded from the weight folders that come with the package and checked against their cards."""

from functools import cache
from importlib.resources import files
from pathlib import Path

import torch

from models.card_file import checked_card
from verifiers.aesthetic import Aesthetic, load_head
from verifiers.clip import ClipScore
from verifiers.clip_backbone import ClipBackbone
from verifiers.ensemble import Ensemble
from verifiers.image_reward import ImageReward

LICENCE = "Apache-2.0"
HEAD_FILE = "aesthetic_head.safetensors"


def weights_folder(name: str) -> Path:
    """Return the folder of an embedded verifier's weights."""
    return Path(str(files("verifiers") / "weights" / name))


@cache
def _backbone(device: str) -> ClipBackbone:
    """The CLIP model that shapes-clip and shapes-aesthetic share."""
    folder = weights_folder("shapes-clip")
    checked_card(folder)
    return ClipBackbone.from_folder(folder, device)


def shapes_backbone(device: torch.device | str = "cpu") -> ClipBackbone:
    """Load the CLIP model alone, for its features."""
    return _backbone(str(device))


def shapes_clip(device: torch.device | str = "cpu") -> ClipScore:
    """Load shapes-clip.

    Raises:
        DamagedWeights: a weight file is missing or damaged.
    """
    return ClipScore(_backbone(str(device)), "shapes-clip", LICENCE, domain="shapes")


def shapes_aesthetic(device: torch.device | str = "cpu") -> Aesthetic:
    """Load shapes-aesthetic; it shares its backbone with shapes-clip.

    Raises:
        DamagedWeights: a weight file is missing or damaged.
    """
    folder = weights_folder("shapes-aesthetic")
    checked_card(folder)
    head = folder / HEAD_FILE
    return Aesthetic(_backbone(str(device)), load_head(head), "shapes-aesthetic", LICENCE, domain="shapes", score_range=(0.0, 1.0))


def shapes_reward(device: torch.device | str = "cpu") -> ImageReward:
    """Load shapes-reward.

    Raises:
        DamagedWeights: a weight file is missing or damaged.
    """
    folder = weights_folder("shapes-reward")
    checked_card(folder)
    return ImageReward.from_folder(folder, "shapes-reward", LICENCE, domain="shapes", device=device)


def shapes_ensemble(device: torch.device | str = "cpu") -> Ensemble:
    """Load the rank ensemble of the three, in the order of Ma et al.: aesthetic, clip, reward.

    Raises:
        DamagedWeights: a weight file is missing or damaged.
    """
    members = [shapes_aesthetic(device), shapes_clip(device), shapes_reward(device)]
    return Ensemble(members, "shapes-ensemble")
