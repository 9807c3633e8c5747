"""The ImageReward network (Xu et al. 2023, arXiv 2304.05977; github.com/zai-org/ImageReward) on transformers' BLIP classes."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import BlipTextConfig, BlipVisionConfig
from transformers.models.blip.modeling_blip import BlipVisionModel
from transformers.models.blip.modeling_blip_text import BlipTextModel

from harness.errors import WrongInput
from models.weight_files import check_keys


@dataclass(frozen=True)
class RewardConfig:
    """Sizes of an ImageReward network; the defaults are those of the published ImageReward-v1.0."""

    image_size: int = 224
    patch_size: int = 16
    vision_width: int = 1024
    vision_layers: int = 24
    vision_heads: int = 16
    vision_mlp: int = 4096
    text_vocabulary: int = 30524
    text_width: int = 768
    text_layers: int = 12
    text_heads: int = 12
    text_mlp: int = 3072
    text_positions: int = 512
    text_length: int = 35
    """Tokens of a prompt; longer ones are truncated, shorter ones padded."""
    mlp_widths: tuple[int, ...] = (1024, 128, 64, 16)
    mean: float = 0.16717362830052426
    """Subtracted from the raw reward, in training-set units."""
    std: float = 1.0333394966054072
    """Divides the raw reward after that."""

    def as_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {**asdict(self), "mlp_widths": list(self.mlp_widths)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "RewardConfig":
        """Read the fields back.

        Raises:
            ValueError: a field is unknown.
        """
        unknown = set(values) - set(cls.__dataclass_fields__)
        if unknown:
            raise ValueError(f"ImageReward configuration has unknown fields {sorted(unknown)}; remove them")
        return cls(**{**values, "mlp_widths": tuple(values.get("mlp_widths", cls.mlp_widths))})

    @classmethod
    def from_weights(cls, state: Mapping[str, torch.Tensor], text: Mapping[str, Any]) -> "RewardConfig":
        """Sizes of a renamed published checkpoint (see `from_published`) with its `med_config.json`.

        The image encoder's heads are 64 wide, as in all of BLIP's; what neither holds has the published value.

        Raises:
            WrongInput: the weights are not those of an ImageReward network, or a size is missing.
        """
        try:
            width, _, patch, _ = state["vision.embeddings.patch_embedding.weight"].shape
            tokens = state["vision.embeddings.position_embedding"].shape[1]
            mlp = state["vision.encoder.layers.0.mlp.fc1.weight"].shape[0]
            layers = len({key.split(".")[3] for key in state if key.startswith("vision.encoder.layers.")})
            head = sorted(key for key in state if re.fullmatch(r"mlp\.layers\.\d+\.weight", key))
            return cls(
                image_size=round((tokens - 1) ** 0.5) * patch, patch_size=patch, vision_width=width, vision_layers=layers,
                vision_heads=max(1, width // 64), vision_mlp=mlp, text_vocabulary=text["vocab_size"],
                text_width=text["hidden_size"], text_layers=text["num_hidden_layers"],
                text_heads=text["num_attention_heads"], text_mlp=text["intermediate_size"],
                text_positions=text["max_position_embeddings"],
                mlp_widths=tuple(state[key].shape[0] for key in head[:-1]),
            )  # fmt: skip
        except (KeyError, ValueError) as error:
            raise WrongInput(f"the files are not those of ImageReward ({error} is not as expected): fetch them again") from error


def _vision(config: RewardConfig) -> BlipVisionModel:
    return BlipVisionModel(
        BlipVisionConfig(
            hidden_size=config.vision_width,
            num_hidden_layers=config.vision_layers,
            num_attention_heads=config.vision_heads,
            intermediate_size=config.vision_mlp,
            image_size=config.image_size,
            patch_size=config.patch_size,
            layer_norm_eps=1e-6,
        )
    )


def _text(config: RewardConfig) -> BlipTextModel:
    text_config = BlipTextConfig(
        vocab_size=config.text_vocabulary,
        hidden_size=config.text_width,
        encoder_hidden_size=config.vision_width,
        num_hidden_layers=config.text_layers,
        num_attention_heads=config.text_heads,
        intermediate_size=config.text_mlp,
        max_position_embeddings=config.text_positions,
        layer_norm_eps=1e-12,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        bos_token_id=None,
        sep_token_id=None,
        is_decoder=True,  # builds the cross-attention; the call itself is bidirectional
    )
    return BlipTextModel(text_config, add_pooling_layer=False)


class RewardHead(nn.Module):
    """Linear layers without activations, as published: `layers.{0,2,4,6,7}`, dropout between the first four."""

    def __init__(self, width: int, widths: Sequence[int]) -> None:
        super().__init__()
        sizes = (width, *widths, 1)
        dropouts = (0.2, 0.2, 0.1)
        layers: list[nn.Module] = []
        for index, (before, after) in enumerate(pairwise(sizes)):
            layers.append(nn.Linear(before, after))
            if index < len(dropouts):
                layers.append(nn.Dropout(dropouts[index]))
        self.layers = nn.Sequential(*layers)

    def forward(self, features_BC: torch.Tensor) -> torch.Tensor:
        """Map features [B, C] to rewards [B, 1]."""
        result: torch.Tensor = self.layers(features_BC)
        return result


class RewardNetwork(nn.Module):
    """Image tokens, a text encoder that attends to them, and a head on its first token."""

    def __init__(self, config: RewardConfig) -> None:
        super().__init__()
        self.config = config
        self.vision = _vision(config)
        self.text = _text(config)
        self.mlp = RewardHead(config.text_width, config.mlp_widths)

    def image_tokens(self, image_BCHW: torch.Tensor) -> torch.Tensor:
        """Encode preprocessed pictures to tokens [B, L, C]."""
        tokens: torch.Tensor = self.vision(pixel_values=image_BCHW).last_hidden_state
        return tokens

    def judge(
        self, image_BLC: torch.Tensor, tokens_BT: torch.Tensor, mask_BT: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the normalised rewards [B] of encoded pictures for tokenised prompts; the mask is 0 on padding."""
        reads_BTC = self.text(
            input_ids=tokens_BT, attention_mask=mask_BT, encoder_hidden_states=image_BLC, is_decoder=False
        ).last_hidden_state
        return (self.mlp(reads_BTC[:, 0]).squeeze(1) - self.config.mean) / self.config.std

    def forward(
        self, image_BCHW: torch.Tensor, tokens_BT: torch.Tensor, mask_BT: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the normalised rewards [B] of preprocessed pictures for tokenised prompts."""
        return self.judge(self.image_tokens(image_BCHW), tokens_BT, mask_BT)


_RENAMES = (
    (re.compile(r"^blip\.visual_encoder\.cls_token$"), "vision.embeddings.class_embedding"),
    (re.compile(r"^blip\.visual_encoder\.pos_embed$"), "vision.embeddings.position_embedding"),
    (re.compile(r"^blip\.visual_encoder\.patch_embed\.proj\."), "vision.embeddings.patch_embedding."),
    (re.compile(r"^blip\.visual_encoder\.norm\."), "vision.post_layernorm."),
    (re.compile(r"^blip\.visual_encoder\.blocks\.(\d+)\.norm(\d)\."), r"vision.encoder.layers.\1.layer_norm\2."),
    (re.compile(r"^blip\.visual_encoder\.blocks\.(\d+)\.attn\.qkv\."), r"vision.encoder.layers.\1.self_attn.qkv."),
    (
        re.compile(r"^blip\.visual_encoder\.blocks\.(\d+)\.attn\.proj\."),
        r"vision.encoder.layers.\1.self_attn.projection.",
    ),
    (re.compile(r"^blip\.visual_encoder\.blocks\.(\d+)\.mlp\."), r"vision.encoder.layers.\1.mlp."),
    (re.compile(r"^blip\.text_encoder\."), "text."),
)
_DROPPED = re.compile(r"^blip\.(vision_proj|text_proj)\.|\.position_ids$")


def from_published(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Rename the keys of a published `ImageReward.pt` to this network's; drops projections and position ids it does not use."""
    renamed = {}
    for key, value in state.items():
        if _DROPPED.search(key):
            continue
        for pattern, replacement in _RENAMES:
            key = pattern.sub(replacement, key)
        renamed[key] = value
    return renamed


def load_state(network: RewardNetwork, state: Mapping[str, torch.Tensor], source: Path) -> tuple[str, ...]:
    """Give a network built on the meta device its weights; return the names of those it has no place for.

    Raises:
        WrongInput: a weight is missing or has another shape.
    """
    own = network.state_dict()
    check_keys(source, {key: value.shape for key, value in own.items()}, {key: value.shape for key, value in state.items()})
    network.load_state_dict({key: state[key].float() for key in own}, assign=True)
    positions = torch.arange(network.config.text_positions)[None]  # a buffer that checkpoints do not hold
    network.text.embeddings.register_buffer("position_ids", positions, persistent=False)
    return tuple(sorted(set(state) - set(own)))
