"""Tiny random verifiers saved exactly as the published ones are: same files, same keys, other sizes."""

import json
import re
from itertools import pairwise
from pathlib import Path

import open_clip
import pytest
import tiny_clip
import torch
from torch import nn
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

from verifiers.image_reward_network import RewardConfig, RewardNetwork
from verifiers.shapes.tokenizer import save_tokenizer, vocabulary_size

CLIP = {**tiny_clip.NETWORK, "quick_gelu": True}
REWARD = RewardConfig(
    image_size=32, patch_size=8, vision_width=128, vision_layers=2, vision_heads=2, vision_mlp=64,
    text_vocabulary=vocabulary_size(), text_width=24, text_layers=2, text_heads=4, text_mlp=48, text_positions=40,
    mlp_widths=(16, 8, 6, 4),
)  # fmt: skip
MED = {
    "architectures": ["BertModel"], "vocab_size": vocabulary_size(), "hidden_size": 24, "num_hidden_layers": 2,
    "num_attention_heads": 4, "intermediate_size": 48, "max_position_embeddings": 40, "encoder_width": 24,
    "add_cross_attention": True, "layer_norm_eps": 1e-12, "hidden_act": "gelu",
}  # fmt: skip
ARCHITECTURE = "tiny-h-14"
_PUBLISHED = (
    (r"^vision\.embeddings\.class_embedding$", "blip.visual_encoder.cls_token"),
    (r"^vision\.embeddings\.position_embedding$", "blip.visual_encoder.pos_embed"),
    (r"^vision\.embeddings\.patch_embedding\.", "blip.visual_encoder.patch_embed.proj."),
    (r"^vision\.post_layernorm\.", "blip.visual_encoder.norm."),
    (r"^vision\.encoder\.layers\.(\d+)\.layer_norm(\d)\.", r"blip.visual_encoder.blocks.\1.norm\2."),
    (r"^vision\.encoder\.layers\.(\d+)\.self_attn\.projection\.", r"blip.visual_encoder.blocks.\1.attn.proj."),
    (r"^vision\.encoder\.layers\.(\d+)\.self_attn\.qkv\.", r"blip.visual_encoder.blocks.\1.attn.qkv."),
    (r"^vision\.encoder\.layers\.(\d+)\.mlp\.", r"blip.visual_encoder.blocks.\1.mlp."),
    (r"^text\.", "blip.text_encoder."),
)


def shaken(network: nn.Module) -> nn.Module:
    """Larger random weights, so that scores differ visibly."""
    torch.manual_seed(0)
    for parameter in network.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.3)
    return network.eval()


def aesthetic_mlp() -> nn.Sequential:
    """The published predictor's layers, 16 wide."""
    torch.manual_seed(1)
    sizes, drops = (16, 8, 6, 4, 3, 1), (0.2, 0.2, 0.1)
    layers: list[nn.Module] = []
    for place, (before, after) in enumerate(pairwise(sizes)):
        layers += [nn.Linear(before, after), *([nn.Dropout(drops[place])] if place < len(drops) else [])]
    return nn.Sequential(*layers).eval()


def _open_clip(folder: Path) -> None:
    folder.mkdir()
    tiny_clip.save(folder, shaken, quick_gelu=True)


def _head(folder: Path) -> None:
    folder.mkdir()
    state = {f"layers.{key}": value for key, value in aesthetic_mlp().state_dict().items()}
    torch.save(state, folder / "sac+logos+ava1-l14-linearMSE.pth")


def _reward(folder: Path, tokenizer: Path) -> None:
    folder.mkdir()
    state = {}
    for key, value in shaken(RewardNetwork(REWARD)).state_dict().items():
        for pattern, name in _PUBLISHED:
            key = re.sub(pattern, name, key)
        state[key] = value
    state |= {"blip.vision_proj.weight": torch.zeros(4, 128), "blip.text_proj.weight": torch.zeros(4, 24)}
    torch.save(state, folder / "ImageReward.pt")
    (folder / "med_config.json").write_text(json.dumps(MED))
    tokenizer.mkdir()
    save_tokenizer(tokenizer)
    for name in ("config.json", "vocab.txt"):
        if not (tokenizer / name).exists():
            (tokenizer / name).write_text("{}")


def clip_tokenizer() -> CLIPTokenizer:
    """CLIP's tokenizer class with letters for words."""
    letters = list(bytes_to_unicode().values())
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={word: place for place, word in enumerate(words)}, merges=[], model_max_length=24)


def _transformers_clip(folder: Path, tokenizer: Path) -> None:
    made = clip_tokenizer()
    tower = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, projection_dim=16)
    text = tower | dict(
        vocab_size=len(made), max_position_embeddings=24, eos_token_id=made.eos_token_id, bos_token_id=made.bos_token_id
    )
    config = CLIPConfig(text_config=text, vision_config=tower | dict(image_size=32, patch_size=8), projection_dim=16)
    shaken(CLIPModel(config)).save_pretrained(folder)  # type: ignore[operator]
    made.save_pretrained(tokenizer)
    for name in ("config.json", "vocab.json", "merges.txt", "special_tokens_map.json"):
        if not (tokenizer / name).exists():
            (tokenizer / name).write_text(json.dumps({"model_type": "clip"}) if name == "config.json" else "{}")


def _hps(folder: Path) -> None:
    folder.mkdir()
    (folder / f"{ARCHITECTURE}.json").write_text(json.dumps(CLIP))
    open_clip.add_model_config(folder / f"{ARCHITECTURE}.json")
    state = shaken(open_clip.model.CLIP(**CLIP)).state_dict()
    torch.save({"state_dict": {key: value.half() for key, value in state.items()}}, folder / "HPS_v2.1_compressed.pt")


@pytest.fixture(scope="module", autouse=True)
def _any_size(any_size: None) -> None:
    pass


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Local folders by NAME or NAME.role, what --weights NAME=PATH gives."""
    root = tmp_path_factory.mktemp("published")
    _open_clip(root / "clip")
    _head(root / "head")
    _reward(root / "reward", root / "bert")
    _transformers_clip(root / "pick", root / "pick-tokenizer")
    _hps(root / "hps")
    return {
        "aesthetic": root / "clip", "aesthetic.head": root / "head", "clip-score": root / "clip",
        "clip-score-b32": root / "clip", "image-reward": root / "reward", "image-reward.tokenizer": root / "bert",
        "pick-score": root / "pick", "pick-score.tokenizer": root / "pick-tokenizer", "hps-v2.1": root / "hps",
    }  # fmt: skip
