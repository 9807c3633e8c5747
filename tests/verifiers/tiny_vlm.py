"""Tiny random vision-language models saved as transformers saves them, processor and chat template included."""

from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import (
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    LlavaOnevisionProcessor,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2Config,
    Qwen2Tokenizer,
    SiglipVisionConfig,
)
from transformers.convert_slow_tokenizer import bytes_to_unicode
from transformers.models.llava_onevision.image_processing_llava_onevision import LlavaOnevisionImageProcessor
from transformers.models.llava_onevision.video_processing_llava_onevision import LlavaOnevisionVideoProcessor
from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor
from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor

SPECIAL = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>", "<video>", "<|vision_start|>", "<|vision_end|>",
    "<|image_pad|>", "<|video_pad|>",
]  # fmt: skip
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% for c in m['content'] %}{% if c['type'] == 'image' %}IMAGE"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TEXT = dict(
    hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=2048,
)  # fmt: skip


def tokenizer() -> Any:
    """Qwen's tokenizer class with letters for words, and yes and no whole."""
    words = list(bytes_to_unicode().values())
    merges = []
    for word in ("Yes", "yes", "No", "no"):
        for end in range(2, len(word) + 1):
            merges.append((word[: end - 1], word[end - 1]))
            words.append(word[:end])
    words = list(dict.fromkeys(words))
    made = Qwen2Tokenizer(
        vocab={word: place for place, word in enumerate(words)}, merges=list(dict.fromkeys(merges)),
        pad_token="<|endoftext|>", eos_token="<|im_end|>", unk_token="<|endoftext|>",
    )  # fmt: skip
    made.add_special_tokens({"additional_special_tokens": SPECIAL})
    return made


def _shaken(model: nn.Module) -> Any:
    torch.manual_seed(0)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.25)
    return model.eval()


def save_llava(folder: Path) -> Path:
    """LLaVA-OneVision: 28-pixel tiles of four patches."""
    torch.manual_seed(0)  # what is not shaken is random too
    words = tokenizer()
    vision = SiglipVisionConfig(
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=14,
        vision_use_head=False,
    )  # fmt: skip
    config = LlavaOnevisionConfig(
        vision_config=vision, text_config=Qwen2Config(vocab_size=len(words) + 8, **TEXT), vision_feature_layer=-1,
        image_token_id=words.convert_tokens_to_ids("<image>"), video_token_id=words.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=[[28, 28], [28, 56], [56, 28], [56, 56]],
    )  # fmt: skip
    _shaken(LlavaOnevisionForConditionalGeneration(config)).save_pretrained(folder)
    pictures = LlavaOnevisionImageProcessor(
        size={"height": 28, "width": 28}, image_grid_pinpoints=config.image_grid_pinpoints
    )
    LlavaOnevisionProcessor(
        pictures, words, LlavaOnevisionVideoProcessor(size={"height": 28, "width": 28}), num_image_tokens=4,
        vision_feature_select_strategy="full", chat_template=TEMPLATE.replace("IMAGE", "<image>\n"),
    ).save_pretrained(folder)  # fmt: skip
    return folder


def save_qwen(folder: Path) -> Path:
    """Qwen2.5-VL: windows of 2 by 2 merged patches."""
    torch.manual_seed(0)  # what is not shaken is random too
    words = tokenizer()
    vision = dict(
        depth=2, hidden_size=32, intermediate_size=48, num_heads=2, out_hidden_size=32, patch_size=14, window_size=56,
        fullatt_block_indexes=[1], spatial_merge_size=2, temporal_patch_size=2,
    )  # fmt: skip
    ids = {
        f"{name}_token_id": words.convert_tokens_to_ids(f"<|{token}|>")
        for name, token in (
            ("image", "image_pad"), ("video", "video_pad"), ("vision_start", "vision_start"), ("vision_end", "vision_end")
        )
    }  # fmt: skip
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1_000_000.0}
    text = TEXT | dict(vocab_size=len(words) + 8, rope_parameters=rope)
    config = Qwen2_5_VLConfig(vision_config=vision, text_config=text, **ids)
    _shaken(Qwen2_5_VLForConditionalGeneration(config)).save_pretrained(folder)
    pixels = dict(min_pixels=28 * 28, max_pixels=28 * 28 * 64)
    Qwen2_5_VLProcessor(
        Qwen2VLImageProcessor(**pixels), words, Qwen2VLVideoProcessor(**pixels),
        chat_template=TEMPLATE.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>"),
    ).save_pretrained(folder)  # fmt: skip
    return folder
