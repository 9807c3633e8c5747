"""The published 7B judges at full size with random weights, to be measured: sizes as their configurations on the hub have them."""

from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import (
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    LlavaOnevisionProcessor,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2Config,
    SiglipVisionConfig,
)
from transformers.initialization import no_init_weights
from transformers.models.llava_onevision.image_processing_llava_onevision import LlavaOnevisionImageProcessor
from transformers.models.llava_onevision.video_processing_llava_onevision import LlavaOnevisionVideoProcessor
from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor
from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor

from verifiers.vlm import VisionLanguage
from verifiers.vlm_judge import JUDGE, YesNo

TEXT = dict(hidden_size=3584, intermediate_size=18944, num_hidden_layers=28, num_attention_heads=28, num_key_value_heads=4,
            max_position_embeddings=32768)  # fmt: skip
"""Qwen2-7B's, the language model of both."""
TEXT_TOKENS = 256
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>", "<video>", "<|vision_start|>", "<|vision_end|>",
           "<|image_pad|>", "<|video_pad|>")  # fmt: skip
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% for c in m['content'] %}{% if c['type'] == 'image' %}IMAGE"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)
GRID_PINPOINTS = [[384 * high, 384 * wide] for high in range(1, 7) for wide in range(1, 7)]


def _words(*pads: str) -> Any:
    """A token a word: about as many as the published tokenizer, whose files measuring does not need; `pads`: picture, video."""
    words = {word: place for place, word in enumerate((*SPECIAL, "Yes", "yes", "No", "no"))}
    core = Tokenizer(WordLevel(words, unk_token="<|endoftext|>"))
    core.pre_tokenizer = Whitespace()
    made = PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token="<|endoftext|>", eos_token="<|im_end|>", unk_token="<|endoftext|>",
        additional_special_tokens=list(SPECIAL[3:]),
    )  # fmt: skip
    made.image_token, made.video_token = pads
    return made


def qwen() -> YesNo:
    """`vlm-judge-qwen` and `vqa-score`: Qwen2.5-VL 7B on pictures of 1024 pixels."""
    words = _words("<|image_pad|>", "<|video_pad|>")
    vision = dict(depth=32, hidden_size=1280, intermediate_size=3420, num_heads=16, out_hidden_size=3584)
    rope = {"rope_type": "default", "mrope_section": [16, 24, 24], "rope_theta": 1_000_000.0}
    ids = {
        f"{name}_token_id": words.convert_tokens_to_ids(f"<|{token}|>")
        for name, token in (
            ("image", "image_pad"), ("video", "video_pad"), ("vision_start", "vision_start"), ("vision_end", "vision_end")
        )
    }  # fmt: skip
    config = Qwen2_5_VLConfig(
        vision_config=vision, text_config=TEXT | dict(vocab_size=152064, rope_parameters=rope), **ids
    )  # fmt: skip
    processor = Qwen2_5_VLProcessor(
        Qwen2VLImageProcessor(), words, Qwen2VLVideoProcessor(),
        chat_template=TEMPLATE.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>"),
    )  # fmt: skip
    return _judge("vlm-judge-qwen", Qwen2_5_VLForConditionalGeneration, config, processor, 1024)


def llava() -> YesNo:
    """`vlm-judge`: LLaVA-OneVision 7B on pictures of 384 pixels: the picture once whole and once as its only tile."""
    words = _words("<image>", "<video>")
    vision = SiglipVisionConfig(
        hidden_size=1152, intermediate_size=4304, num_hidden_layers=26, num_attention_heads=16, image_size=384, patch_size=14,
        vision_use_head=False,
    )  # fmt: skip
    config = LlavaOnevisionConfig(
        vision_config=vision, text_config=Qwen2Config(vocab_size=152064, **TEXT), image_token_id=words.convert_tokens_to_ids("<image>"),
        video_token_id=words.convert_tokens_to_ids("<video>"), image_grid_pinpoints=GRID_PINPOINTS,
    )  # fmt: skip
    processor = LlavaOnevisionProcessor(
        LlavaOnevisionImageProcessor(image_grid_pinpoints=GRID_PINPOINTS), words, LlavaOnevisionVideoProcessor(),
        num_image_tokens=729, vision_feature_select_strategy="full", chat_template=TEMPLATE.replace("IMAGE", "<image>\n"),
    )  # fmt: skip
    return _judge("vlm-judge", LlavaOnevisionForConditionalGeneration, config, processor, 384)


def _judge(name: str, network: Any, config: Any, processor: Any, image_side: int) -> YesNo:
    with no_init_weights():  # drawing 7 billion numbers takes minutes; one block of them, repeated, costs the same to compute with
        model = network._from_config(config, dtype=torch.bfloat16)
    block = 0.02 * torch.randn(1 << 20, dtype=torch.float32).to(torch.bfloat16)
    for parameter in model.parameters():
        flat = parameter.data.view(-1)
        for start in range(0, len(flat), len(block)):
            flat[start : start + len(block)] = block[: len(flat) - start]
    return YesNo(VisionLanguage(model, processor, image_side, TEXT_TOKENS, ""), name, "", JUDGE, "yes-no")
