"""A tiny random Janus, saved as transformers saves the published one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    GenerationConfig,
    JanusConfig,
    JanusForConditionalGeneration,
    JanusImageProcessor,
    JanusProcessor,
    PreTrainedTokenizerFast,
)

from harness.weights.repository import Repository
from models.published import PublishedModel

SPECIAL = ["<pad>", "<bos>", "<eos>", "<begin_of_image>", "<end_of_image>", "<image_placeholder>", "<unk>"]
WORDS = [*SPECIAL, "red", "blue", "green", "circle", "square", "star", "two", "above", "and", "User", "Assistant", ":"]
TEMPLATE = ("{% for message in messages %}User: {% for part in message['content'] %}{{ part['text'] }}{% endfor %} "
            "{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}")
SETTINGS: dict[str, Any] = {"cfg": 5.0, "tau": 4.0, "top_k": 0, "top_p": 1.0, "dtype": "float32"}


def processor() -> JanusProcessor:
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 1)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<bos>", eos_token="<eos>", unk_token="<unk>",
        padding_side="left", extra_special_tokens={
            "boi_token": "<begin_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_placeholder>"},
    )
    return JanusProcessor(JanusImageProcessor(image_mean=[0.5] * 3, image_std=[0.5] * 3), fast, chat_template=TEMPLATE)


def config(side: int = 4, kv_heads: int = 4) -> JanusConfig:
    return JanusConfig(
        text_config=dict(
            model_type="llama", vocab_size=len(WORDS), hidden_size=32, intermediate_size=40, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=kv_heads, max_position_embeddings=64, pad_token_id=0,
            bos_token_id=1, eos_token_id=2),
        vision_config=dict(
            hidden_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=16 * side, patch_size=16,
            projection_dim=32, num_image_tokens=side**2),
        vq_config=dict(
            embed_dim=8, num_embeddings=50, latent_channels=32, base_channels=32, channel_multiplier=[1, 2],
            num_res_blocks=1, projection_dim=24, image_token_embed_dim=32, num_hidden_layers=2),
        image_token_id=WORDS.index("<image_placeholder>"),
    )


def save(folder: Path, side: int = 4, kv_heads: int = 4) -> None:
    """Random weights large enough for every part to matter; generation_aligner gives what the language model takes."""
    torch.manual_seed(0)
    settings = config(side, kv_heads)
    settings.vq_config.projection_dim = 32
    model = JanusForConditionalGeneration(settings)
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1 and "vqmodel" not in name:
            torch.nn.init.normal_(parameter, std=0.4)
    model.generation_config = GenerationConfig(
        bos_token_id=1, eos_token_id=2, pad_token_id=0, guidance_scale=5,
        generation_kwargs={"boi_token_id": WORDS.index("<begin_of_image>")})
    model.save_pretrained(folder)
    processor().save_pretrained(folder)


def row(name: str = "tiny-janus") -> PublishedModel:
    repository = Repository("none/tiny", "main", ("*.json", "*.safetensors"), 1, "none")
    return PublishedModel(name, "tiny", "ar", "models.janus.generator:JanusGenerator", "models.janus.load:load",
                          "none", "", SETTINGS, {"weights": repository}, {})
