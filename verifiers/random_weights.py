"""Published verifiers and features at their published sizes without their files: random weights, to be measured, or none, for prices.

On the meta device nothing is held, and a verifier has its card and its prices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import open_clip
import torch
from open_clip.transform import PreprocessCfg
from transformers import CLIPConfig, CLIPModel, Dinov2WithRegistersConfig, Dinov2WithRegistersModel

from models.random_weights import word_tokenizer
from verifiers.aesthetic import Aesthetic, Head
from verifiers.clip import ClipScore
from verifiers.clip_backbone import ClipBackbone, refused
from verifiers.clip_transformers import PilPreprocess, TransformersClip
from verifiers.features import DinoPatches
from verifiers.image_reward import ImageReward
from verifiers.image_reward_network import RewardConfig, RewardNetwork
from verifiers.load_published import hps_preprocess
from verifiers.preprocess import Preprocess, Preprocessing
from verifiers.published import PublishedVerifier
from verifiers.scorer import Scorer

Device = torch.device | str
Settings = Mapping[str, Any]
LARGE, BASE = "ViT-L-14-quickgelu", "ViT-B-32-quickgelu"
_CLIP = {"vision_cfg": {"layers": 1, "width": 32, "head_width": 16}, "text_cfg": {"layers": 1, "width": 32, "heads": 2}}
_REWARD = RewardConfig(vision_width=64, vision_layers=1, vision_heads=2, vision_mlp=64, text_width=32, text_layers=1, text_heads=2,
                       text_mlp=64, mlp_widths=(16, 8, 6, 4))  # fmt: skip
_HALF = dict(hidden_size=32, intermediate_size=64, num_attention_heads=2, num_hidden_layers=1)
_DINO = dict(hidden_size=32, num_hidden_layers=1, num_attention_heads=2)
"""Smaller networks of the same kinds, for tests: they read as many pixels and tokens."""


def _open_clip(architecture: str, device: Device, tiny: bool, preprocess: Preprocessing | None = None) -> ClipBackbone:
    with torch.device(device), refused(f"{architecture} is no network of CLIP's own kind", "fetch its weights"):
        config: dict[str, Any] = open_clip.get_model_config(architecture)
        if tiny:
            config = {**config, "embed_dim": 32, **{half: {**config[half], **smaller} for half, smaller in _CLIP.items()}}
        model = open_clip.CLIP(**config)
    return ClipBackbone(model, preprocess or Preprocess(PreprocessCfg()), open_clip.get_tokenizer(architecture), "random")


def _aesthetic(row: PublishedVerifier, device: Device, settings: Settings, tiny: bool = False) -> Aesthetic:
    backbone = _open_clip(LARGE, device, tiny)
    return Aesthetic(backbone, Head(torch.zeros(1, backbone.width), torch.zeros(1), "random"), row.name, row.licence)


def _clip_score(architecture: str, row: PublishedVerifier, device: Device, settings: Settings, tiny: bool = False) -> ClipScore:
    return ClipScore(_open_clip(architecture, device, tiny), row.name, row.licence, caption=settings["caption"])


def _image_reward(row: PublishedVerifier, device: Device, settings: Settings, tiny: bool = False) -> ImageReward:
    with torch.device(device):
        network = RewardNetwork(_REWARD if tiny else RewardConfig())
    return ImageReward(network, word_tokenizer(RewardConfig().text_length), "random", row.name, row.licence)


def _pick_score(row: PublishedVerifier, device: Device, settings: Settings, tiny: bool = False) -> ClipScore:
    """The sizes of CLIP ViT-H/14 in transformers' words."""
    text = dict(hidden_size=1024, intermediate_size=4096, num_attention_heads=16, num_hidden_layers=24, projection_dim=1024)
    vision = dict(hidden_size=1280, intermediate_size=5120, num_attention_heads=16, num_hidden_layers=32, patch_size=14,
                  projection_dim=1024)  # fmt: skip
    if tiny:
        text, vision = {**text, **_HALF}, {**vision, **_HALF}
    with torch.device(device):
        model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=1024))
    model.logit_scale = torch.nn.Parameter(torch.tensor(model.config.logit_scale_init_value))  # read when the score is built
    return ClipScore(TransformersClip(model, PilPreprocess(224), word_tokenizer(77), "random"), row.name, row.licence, scaled=True)


def _hps(row: PublishedVerifier, device: Device, settings: Settings, tiny: bool = False) -> ClipScore:
    preprocess = hps_preprocess(row.name, settings["architecture"])
    return ClipScore(_open_clip(settings["architecture"], device, tiny, preprocess), row.name, row.licence)


def random_features(device: Device, tiny: bool = False) -> DinoPatches:
    """DINOv2 large with registers; `tiny` shrinks it for tests."""
    size = _DINO if tiny else dict(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16)
    with torch.device(device):
        model = Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**size))
    return DinoPatches(model.eval(), "random")


BUILDERS: Mapping[str, Callable[..., Scorer]] = {
    "aesthetic": _aesthetic,
    "clip-score": partial(_clip_score, LARGE),
    "clip-score-b32": partial(_clip_score, BASE),
    "image-reward": _image_reward,
    "pick-score": _pick_score,
    "hps-v2.1": _hps,
}
"""By a verifier's name: called as its loader is, without folders; `tiny` shrinks its networks for tests."""
