"""Infinity at its published sizes with random weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from models.architecture import components, outline
from models.infinity.checkpoint import with_constants
from models.infinity.config import TransformerConfig, VAEConfig
from models.infinity.generator import InfinityGenerator
from models.infinity.pretrained import InfinityParts
from models.infinity.published import SIZES, assembled, plan_of
from models.infinity.sampling import Sampling
from models.infinity.text_encoder import T5TextEncoder
from models.infinity.transformer import InfinityTransformer
from models.infinity.vae import InfinityVAE
from models.offload import Offload
from models.outlining import outlining
from models.published import PublishedModel
from models.random_weights import filled, home, word_tokenizer
from models.settings import dtype_of

_TINY = TransformerConfig(depth=2, embed_dim=64, num_heads=4, codebook_dim=8, text_channels=32, text_maxlen=64)
_TINY_VAE = VAEConfig(codebook_dim=8, base_ch=16, ch_mult=(1, 1, 1), num_res_blocks=1, patch_size=4, norm_groups=4)
_TINY_TEXT = {"_class_name": "T5EncoderModel", "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 1, "num_heads": 4,
              "feed_forward_proj": "gated-gelu"}
_TINY_SCALES = 4


def build(model: PublishedModel, settings: Mapping[str, Any], devices: Sequence[torch.device], tiny: bool,
          offload: Offload = "none") -> InfinityGenerator:
    """The published networks, schedule, sampling and dtypes; only weights and tokenizer are others."""
    size, rest = SIZES[model.name], home(devices, offload)
    device = rest if offload != "text" else home(devices)  # only text encoders rest then
    schedule, sampling = plan_of(model.name, size, settings)
    transformer_config, vae_config, text = size.transformer, size.vae, components(model.name)["text_encoder"]
    if tiny:
        transformer_config = replace(_TINY, patchify=size.transformer.patchify)
        vae_config, text, schedule, sampling = _TINY_VAE, _TINY_TEXT, schedule.prefix(_TINY_SCALES), _shrunk(sampling)
    with outlining():
        transformer, vae = InfinityTransformer(transformer_config), InfinityVAE(vae_config)
    transformer.cast_blocks(dtype_of(settings["dtype"]))
    for network in (transformer, vae):
        with_constants(filled(network, device), device)
    encoder: Any = filled(outline(text, dtype_of(settings["text_dtype"])), rest)
    parts = InfinityParts(transformer, vae.to(memory_format=torch.channels_last), schedule, sampling)
    longest = transformer_config.text_maxlen
    return assembled(model, parts, T5TextEncoder(encoder, word_tokenizer(longest), longest), settings, "random", devices, offload)


def _shrunk(sampling: Sampling) -> Sampling:
    """The same for the tiny size's scales and blocks."""
    guidance, temperature = (value[:_TINY_SCALES] if isinstance(value, tuple) else value
                             for value in (sampling.guidance, sampling.temperature))
    layers = tuple(dict.fromkeys(max(layer, 1 - _TINY.depth) for layer in sampling.insertion_layers))
    return replace(sampling, guidance=guidance, temperature=temperature, insertion_layers=layers)
