"""Published verifiers and features at their published sizes without their files: random weights, to be measured, or none, for prices.

On the meta device nothing is held, and a verifier has its card and its prices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import open_clip
import torch
from open_clip.transform import PreprocessCfg
from transformers import CLIPConfig, CLIPModel, Dinov2WithRegistersConfig, Dinov2WithRegistersModel

from models.random_weights import word_tokenizer
from verifiers.aesthetic import Aesthetic, Head
from verifiers.clip import ClipScore
from verifiers.clip_backbone import ClipBackbone
from verifiers.clip_transformers import PilPreprocess, TransformersClip
from verifiers.features import DinoPatches
from verifiers.image_reward import ImageReward
from verifiers.image_reward_network import RewardConfig, RewardNetwork
from verifiers.preprocess import LongestSide, Preprocess, Preprocessing
from verifiers.scorer import Scorer

Device = torch.device | str
CLIP = "ViT-L-14-quickgelu"


def _open_clip(
    architecture: str, device: Device, preprocess: Callable[[PreprocessCfg], Preprocessing] = Preprocess
) -> ClipBackbone:
    with torch.device(device):
        model = open_clip.CLIP(**open_clip.get_model_config(architecture))
    return ClipBackbone(model, preprocess(PreprocessCfg()), open_clip.get_tokenizer(architecture), "random")


def _image_reward(name: str, device: Device) -> ImageReward:
    with torch.device(device):
        network = RewardNetwork(RewardConfig())
    return ImageReward(network, word_tokenizer(RewardConfig().text_length), "random", name, "")


def _pick_score(name: str, device: Device) -> ClipScore:
    """The sizes of CLIP ViT-H/14 in transformers' words."""
    text = dict(hidden_size=1024, intermediate_size=4096, num_attention_heads=16, num_hidden_layers=24, projection_dim=1024)
    vision = dict(hidden_size=1280, intermediate_size=5120, num_attention_heads=16, num_hidden_layers=32, patch_size=14,
                  projection_dim=1024)  # fmt: skip
    with torch.device(device):
        model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=1024))
    model.logit_scale = torch.nn.Parameter(torch.tensor(model.config.logit_scale_init_value))  # read when the score is built
    return ClipScore(TransformersClip(model, PilPreprocess(224), word_tokenizer(77), "random"), name, "", scaled=True)


def _aesthetic(name: str, device: Device) -> Aesthetic:
    backbone = _open_clip(CLIP, device)
    return Aesthetic(backbone, Head(torch.zeros(1, backbone.width), torch.zeros(1), "random"), name, "")


def random_features(device: Device) -> DinoPatches:
    """DINOv2 large with registers."""
    with torch.device(device):
        model = Dinov2WithRegistersModel(Dinov2WithRegistersConfig(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16))
    return DinoPatches(model.eval(), "random")


BUILDERS: Mapping[str, Callable[[str, Device], Scorer]] = {
    "aesthetic": _aesthetic,
    "clip-score": lambda name, device: ClipScore(_open_clip(CLIP, device), name, ""),
    "clip-score-b32": lambda name, device: ClipScore(_open_clip("ViT-B-32-quickgelu", device), name, ""),
    "image-reward": _image_reward,
    "pick-score": _pick_score,
    "hps-v2.1": lambda name, device: ClipScore(_open_clip("ViT-H-14", device, LongestSide), name, ""),
}
"""By a verifier's name: called with the name on its card and a device."""
