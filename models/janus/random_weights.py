"""Janus at its published sizes with random weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from transformers import JanusImageProcessor, JanusProcessor

from models.architecture import components, outline
from models.janus.generator import JanusGenerator
from models.janus.load import assembled
from models.janus.network import JanusNetwork
from models.janus.prompts import JanusPrompts
from models.offload import Offload
from models.published import PublishedModel
from models.random_weights import filled, home, word_tokenizer
from models.settings import dtype_of

_TEMPLATE = (
    "{% for message in messages %}<|User|>: {% for part in message['content'] %}{{ part['text'] }}{% endfor %}\n\n{% endfor %}"
    "{% if add_generation_prompt %}<|Assistant|>:{% endif %}"
)
_TINY: Mapping[str, Mapping[str, Any]] = {
    "text_config": {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
                    "num_key_value_heads": 4, "vocab_size": 64},
    "vision_config": {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 64, "projection_dim": 32},
    "vq_config": {"num_embeddings": 64, "latent_channels": 32, "base_channels": 32, "num_res_blocks": 1, "projection_dim": 32,
                  "image_token_embed_dim": 32},
}  # fmt: skip
"""A smaller network of the same kind that makes images of 4 by 4 tokens, for tests."""


def build(model: PublishedModel, settings: Mapping[str, Any], devices: Sequence[torch.device], tiny: bool,
          offload: Offload = "none") -> JanusGenerator:
    """The published network, sampling and dtype; only weights, tokenizer and template are others."""
    row = dict(components(model.name)["model"])
    if tiny:
        row |= {part: {**row[part], **smaller} for part, smaller in _TINY.items()}
    network = JanusNetwork(outline(row, dtype_of(settings["dtype"])))
    filled(network, home(devices, offload))
    tokenizer = word_tokenizer(
        network.config.text_config.max_position_embeddings, begin="<begin>", boi_token="<begin_of_image>", eoi_token="<end_of_image>",
        image_token="<image_placeholder>",
    )  # fmt: skip
    prompts = JanusPrompts(JanusProcessor(JanusImageProcessor(), tokenizer, chat_template=_TEMPLATE), network.longest)
    return assembled(model, network, prompts, settings, "random", devices, offload)
