"""Mask2Former with Swin-S on COCO's 80 classes, loaded from either of its two publications."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from harness.errors import DamagedWeights
from models.transformers_folder import from_folder, from_tensors
from models.weight_files import load_pickle
from suites.geneval.openmmlab import settings_of, to_transformers
from suites.geneval.vocabulary import PHOTO_OBJECTS

OPENMMLAB_NAME = "mask2former-swin-s-openmmlab"
"""OpenMMLab's weights: the ones behind every published GenEval score."""
TRANSFORMERS_NAME = "mask2former-swin-s-hf"
"""Meta's original weights, as on the hub: the same architecture, trained apart; scores are close, not equal."""
_UNUSED = ("criterion.empty_weight", "relative_position_index", ".swin.layernorm.", ".encoder.layernorm.")
"""Parts that the detector does not run; a published file may lack them."""


def load(path: Path, device: torch.device | str = "cpu") -> tuple[Any, str]:
    """Load OpenMMLab's .pth file, or a folder in transformers' format -> network, and which of the two it is.

    Raises:
        DamagedWeights: the file is not this network, or lacks some of its weights.
    """
    from transformers import Mask2FormerForUniversalSegmentation as Network

    official = path.is_file()
    network = from_tensors(Network, path, *_from_openmmlab(path), _UNUSED) if official else from_folder(Network, path, unused=_UNUSED)
    if network.config.num_labels != len(PHOTO_OBJECTS):
        raise DamagedWeights(f"{path} tells {network.config.num_labels} classes apart, not COCO's {len(PHOTO_OBJECTS)}: "
                             "give the weights trained on COCO instances")
    return network.to(device), OPENMMLAB_NAME if official else TRANSFORMERS_NAME


def _from_openmmlab(path: Path) -> tuple[dict[str, torch.Tensor], Any]:
    """Weights and configuration in transformers' words. Raises DamagedWeights."""
    from transformers import Mask2FormerConfig, SwinConfig

    saved = load_pickle(path)
    weights = saved.get("state_dict", saved) if isinstance(saved, dict) else {}
    try:
        state = to_transformers(weights)
        sizes = settings_of(state)
    except KeyError as error:
        raise DamagedWeights(f"{path} lacks {error.args[0]}, so it is not OpenMMLab's Mask2Former: download it again") from error
    swin = SwinConfig(**{key: value for key, value in sizes.pop("backbone_config").items() if key != "model_type"})
    return state, Mask2FormerConfig(backbone_config=swin, **sizes)
