"""Trains shapes-reward: ImageReward's architecture, learning which of two pictures shows a caption better and in better form.

As ImageReward starts from a pretrained BLIP, this starts from the image tower of shapes-clip.
"""

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional

from verifiers.image_reward_network import RewardNetwork
from verifiers.shapes.patches import PatchReader
from verifiers.shapes.pool import PICTURES, Groups
from verifiers.shapes.settings import reward_config
from verifiers.shapes.tokenizer import TEXT_LENGTH, build_tokenizer
from verifiers.shapes.training_loop import pictures_of

STEPS = 7000
LEARNING_RATE = 3e-3
HEADS = ("word_embeddings", "position_embeddings", "class_embedding", "position_embedding", "reader", "mlp.layers.7")
CLEARLY_BETTER = 0.2
"""Difference in quality from which one of two pictures equally right is preferred."""

_TOWER = {
    "conv1.weight": "embeddings.patch_embedding.weight",
    "ln_post": "post_layernorm",
    "transformer.resblocks": "encoder.layers",
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.in_proj_": "self_attn.qkv.",
    "attn.out_proj": "self_attn.projection",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}


def blip_tower(clip_state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Rename a CLIP model's image tower (built without ln_pre) to BLIP's vision model; the projection is left behind."""
    tower = {}
    for key, value in clip_state.items():
        if not key.startswith("visual.") or key == "visual.proj":
            continue
        key = key.removeprefix("visual.")
        for before, after in _TOWER.items():
            key = key.replace(before, after)
        tower[key] = value
    tower["embeddings.class_embedding"] = tower.pop("class_embedding")[None, None]
    tower["embeddings.position_embedding"] = tower.pop("positional_embedding")[None]
    tower["embeddings.patch_embedding.bias"] = torch.zeros(len(tower["embeddings.patch_embedding.weight"]))
    return tower


class RewardInTraining(nn.Module):
    """The reward network and the patch reader."""

    def __init__(self, clip_state: Mapping[str, torch.Tensor]) -> None:
        super().__init__()
        config = reward_config()
        self.network = RewardNetwork(config)
        self.network.vision.load_state_dict(blip_tower(clip_state))
        self.reader = PatchReader(config.vision_width)
        self.tokenizer = build_tokenizer()

    def loss(self, groups: Groups) -> dict[str, torch.Tensor]:
        """Prefer right to wrong and good to bad among a caption's pictures; tell right pairs from wrong ones."""
        count = len(groups.records)
        image_BLC = self.network.image_tokens(pictures_of(groups))
        own = torch.arange(count).repeat_interleave(PICTURES)
        captions = [str(record["prompt"]) for record in groups.records] + groups.wrong_captions
        text = self.tokenizer(captions, padding=True, truncation=True, max_length=TEXT_LENGTH, return_tensors="pt")
        pictures = torch.cat([torch.arange(count * PICTURES), torch.arange(0, count * PICTURES, PICTURES)])
        words = torch.cat([own, count + torch.arange(count)])
        rewards = self.network.judge(image_BLC[pictures], text.input_ids[words], text.attention_mask[words])
        correct = torch.from_numpy(groups.correct).flatten().float()
        verdicts = torch.cat([correct, torch.zeros(count)])
        return {
            "pairs": preference_loss(rewards[: count * PICTURES].view(count, PICTURES), groups),
            "verdict": functional.binary_cross_entropy_with_logits(rewards, verdicts),
            "patches": 0.2 * self.reader.loss(image_BLC[:, 1:], groups),
        }


def preference_loss(rewards_GP: torch.Tensor, groups: Groups) -> torch.Tensor:
    """Pairwise logistic loss (ImageReward, equation 1) over a caption's pictures: right before wrong, then good before bad."""
    correct, quality = torch.from_numpy(groups.correct).float(), torch.from_numpy(groups.quality)
    righter = correct[:, :, None] - correct[:, None, :]
    better = (righter == 0) & (quality[:, :, None] - quality[:, None, :] > CLEARLY_BETTER)
    weights = (righter > 0).float() + 0.3 * better.float()
    losses = functional.softplus(rewards_GP[:, None, :] - rewards_GP[:, :, None])
    return (losses * weights).sum() / weights.sum()
