"""The published 7B judges at full size with random weights, to be measured: sizes as their configurations on the hub have them."""

from collections.abc import Mapping
from dataclasses import dataclass
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
from verifiers.vlm_judge import JUDGE, Rubric, VlmScorer, YesNo

TEXT = dict(hidden_size=3584, intermediate_size=18944, num_hidden_layers=28, num_attention_heads=28, num_key_value_heads=4,
            max_position_embeddings=32768, vocab_size=152064)  # fmt: skip
"""Qwen2-7B's, the language model of both."""


@dataclass(frozen=True)
class Sizes:
    """What a judge is built of, in its configuration's own words."""

    text: Mapping[str, Any]
    vision: Mapping[str, Any]
    image_side: int
    """Pixels of the square that a picture is fitted into."""


QWEN = Sizes(
    TEXT | {"rope_parameters": {"rope_type": "default", "mrope_section": [16, 24, 24], "rope_theta": 1_000_000.0}},
    dict(depth=32, hidden_size=1280, intermediate_size=3420, num_heads=16, out_hidden_size=3584), 1024,
)  # fmt: skip
LLAVA = Sizes(
    TEXT, dict(hidden_size=1152, intermediate_size=4304, num_hidden_layers=26, num_attention_heads=16, image_size=384, patch_size=14), 384
)  # fmt: skip
TILES = 6
"""Most of LLaVA-OneVision's tiles in a row and in a column."""
TEXT_TOKENS, NEW_TOKENS = 256, 160
"""Read of a prompt, and written by a rubric, as the entries have it."""
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>", "<video>", "<|vision_start|>", "<|vision_end|>",
           "<|image_pad|>", "<|video_pad|>")  # fmt: skip
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% for c in m['content'] %}{% if c['type'] == 'image' %}IMAGE"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)


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


def qwen(mode: str = "yes-no", sizes: Sizes = QWEN) -> VlmScorer:
    """`vlm-judge-qwen`, and `vqa-score` where the mode is yes-no: Qwen2.5-VL 7B on pictures of 1024 pixels."""
    words = _words("<|image_pad|>", "<|video_pad|>")
    ids = {
        f"{name}_token_id": words.convert_tokens_to_ids(f"<|{token}|>")
        for name, token in (
            ("image", "image_pad"), ("video", "video_pad"), ("vision_start", "vision_start"), ("vision_end", "vision_end")
        )
    }  # fmt: skip
    config = Qwen2_5_VLConfig(vision_config=dict(sizes.vision), text_config=dict(sizes.text), **ids)
    processor = Qwen2_5_VLProcessor(
        Qwen2VLImageProcessor(), words, Qwen2VLVideoProcessor(),
        chat_template=TEMPLATE.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>"),
    )  # fmt: skip
    return _judge("vlm-judge-qwen", mode, _network(Qwen2_5_VLForConditionalGeneration, config), processor, sizes.image_side)


def llava(mode: str = "yes-no", sizes: Sizes = LLAVA) -> VlmScorer:
    """`vlm-judge`: LLaVA-OneVision 7B on pictures of 384 pixels: the picture once whole and once as its only tile."""
    words = _words("<image>", "<video>")
    side, patch = sizes.vision["image_size"], sizes.vision["patch_size"]
    pinpoints = [[side * high, side * wide] for high in range(1, TILES + 1) for wide in range(1, TILES + 1)]
    config = LlavaOnevisionConfig(
        vision_config=SiglipVisionConfig(**sizes.vision, vision_use_head=False), text_config=Qwen2Config(**sizes.text),
        image_token_id=words.convert_tokens_to_ids("<image>"), video_token_id=words.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=pinpoints,
    )  # fmt: skip
    processor = LlavaOnevisionProcessor(
        LlavaOnevisionImageProcessor(size={"height": side, "width": side}, image_grid_pinpoints=pinpoints), words,
        LlavaOnevisionVideoProcessor(), num_image_tokens=(side // patch) ** 2, vision_feature_select_strategy="full",
        chat_template=TEMPLATE.replace("IMAGE", "<image>\n"),
    )  # fmt: skip
    return _judge("vlm-judge", mode, _network(LlavaOnevisionForConditionalGeneration, config), processor, sizes.image_side)


def _network(network: Any, config: Any) -> Any:
    with no_init_weights():  # drawing 7 billion numbers takes minutes; one block of them, repeated, costs the same to compute with
        model = network._from_config(config, dtype=torch.bfloat16)
    model.generation_config.eos_token_id = None  # no answer ends before the longest that is charged
    block = 0.02 * torch.randn(1 << 20, dtype=torch.float32).to(torch.bfloat16)
    for parameter in model.parameters():
        flat = parameter.data.view(-1)
        for start in range(0, len(flat), len(block)):
            flat[start : start + len(block)] = block[: len(flat) - start]
    return model


def _judge(name: str, mode: str, model: Any, processor: Any, image_side: int) -> VlmScorer:
    reader = VisionLanguage(model, processor, image_side, TEXT_TOKENS, "")
    return YesNo(reader, name, "", JUDGE, "yes-no") if mode == "yes-no" else Rubric(reader, name, "", NEW_TOKENS)
