"""Sizes of the embedded verifiers' networks."""

from typing import Any

from suites.shapes.vocabulary import IMAGE_SIDE
from verifiers.image_reward_network import RewardConfig
from verifiers.shapes.tokenizer import TEXT_LENGTH, vocabulary_size

PATCH = 8
MEAN = STD = (0.5, 0.5, 0.5)


def clip_config() -> dict[str, Any]:
    """Return the contents of open_clip_config.json."""
    return {
        "model_cfg": {
            "embed_dim": 96,
            "vision_cfg": {
                "image_size": IMAGE_SIDE,
                "patch_size": PATCH,
                "width": 96,
                "layers": 4,
                "head_width": 24,
                "no_ln_pre": True,  # so that the tower's weights also fit BLIP's, which has no such norm
            },
            "text_cfg": {
                "context_length": TEXT_LENGTH,
                "vocab_size": vocabulary_size(),
                "hf_tokenizer_name": "shapes",
                "width": 64,
                "heads": 4,
                "layers": 2,
                "pool_type": "eos",
                "eos_id": 3,
                "pad_id": 0,
            },
        },
        "preprocess_cfg": {"size": IMAGE_SIDE, "mean": list(MEAN), "std": list(STD)},
    }


def reward_config() -> RewardConfig:
    """Return the sizes of shapes-reward; mean and standard deviation are measured after training."""
    return RewardConfig(
        image_size=IMAGE_SIDE,
        patch_size=PATCH,
        vision_width=96,
        vision_layers=4,
        vision_heads=4,
        vision_mlp=384,
        text_vocabulary=vocabulary_size(),
        text_width=64,
        text_layers=3,
        text_heads=4,
        text_mlp=256,
        text_positions=TEXT_LENGTH,
        text_length=TEXT_LENGTH,
        mlp_widths=(64, 32, 16, 8),
        mean=0.0,
        std=1.0,
    )
