"""A tiny CLIP in open_clip's format, as published ones are."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import open_clip
from safetensors.torch import save_file
from torch import nn

NETWORK: dict[str, Any] = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


def save(folder: Path, weights: Callable[[nn.Module], nn.Module] = lambda network: network, **changes: Any) -> None:
    """Write configuration and weights, random from torch's global generator and then what `weights` makes of them."""
    network = {**NETWORK, **changes}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": network, "preprocess_cfg": {"size": 32}}))
    save_file(weights(open_clip.model.CLIP(**network)).state_dict(), folder / "open_clip_model.safetensors")
