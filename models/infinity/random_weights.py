"""Infinity at its published sizes with random weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from models.architecture import components, outline
from models.attention import kernel_of, prefer
from models.compiling import asks_to_compile
from models.infinity.checkpoint import constant_buffer
from models.infinity.config import TransformerConfig, VAEConfig
from models.infinity.generator import InfinityGenerator
from models.infinity.pretrained import InfinityParts
from models.infinity.published import SIZES, parts_of, plan_of, precision_of
from models.infinity.sampling import Sampling
from models.infinity.text_encoder import T5TextEncoder
from models.infinity.transformer import InfinityTransformer
from models.infinity.vae import InfinityVAE
from models.multi_device import place
from models.published import PublishedModel
from models.random_weights import filled, home, word_tokenizer
from models.settings import dtype_of

_TINY = TransformerConfig(depth=2, embed_dim=64, num_heads=4, codebook_dim=8, text_channels=32, text_maxlen=64)
_TINY_VAE = VAEConfig(codebook_dim=8, base_ch=16, ch_mult=(1, 1, 1), num_res_blocks=1, patch_size=4, norm_groups=4)
_TINY_TEXT = {"_class_name": "T5EncoderModel", "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 1, "num_heads": 4,
              "feed_forward_proj": "gated-gelu"}
_TINY_SCALES = 4


def build(model: PublishedModel, settings: Mapping[str, Any], devices: Sequence[torch.device], tiny: bool) -> InfinityGenerator:
    """The published networks, schedule, sampling and dtypes; only weights and tokenizer are others."""
    size, device = SIZES[model.name], home(devices)
    schedule, sampling = plan_of(model.name, size, settings)
    transformer_config, vae_config, text = size.transformer, size.vae, components(model.name)["text_encoder"]
    if tiny:
        transformer_config = replace(_TINY, patchify=size.transformer.patchify)
        vae_config, text, schedule, sampling = _TINY_VAE, _TINY_TEXT, schedule.prefix(_TINY_SCALES), _shrunk(sampling)
    with torch.device("meta"):
        transformer, vae = InfinityTransformer(transformer_config), InfinityVAE(vae_config)
    transformer.cast_blocks(dtype_of(settings["dtype"]))
    filled(transformer, device)
    compiled = asks_to_compile(settings, divided=len(devices) > 1)
    if compiled:
        transformer.compile_blocks()
    prefer(transformer, kernel_of(settings, devices[0]), "predict")
    filled(vae, device)
    for network in (transformer, vae):
        for name, buffer in list(network.named_buffers(remove_duplicate=False)):
            owner, _, leaf = name.rpartition(".")
            network.get_submodule(owner).register_buffer(leaf, constant_buffer(leaf, buffer).to(device))
    vae = vae.to(memory_format=torch.channels_last)
    encoder: Any = filled(outline(text, dtype_of(settings["text_dtype"])), device)
    if len(devices) > 1:
        place(parts_of(transformer, vae, encoder), devices, model.name)
    tokenizer = word_tokenizer(transformer_config.text_maxlen)
    parts = InfinityParts(transformer, vae, schedule, sampling)
    text_encoder = T5TextEncoder(encoder, tokenizer, transformer_config.text_maxlen,
                                 autocast=torch.bfloat16 if settings["text_autocast"] else None)
    return InfinityGenerator(parts, text_encoder, name=model.name, domain=model.domain, licence=model.licence,
                             weights_sha256="random", negative_prompt=settings["negative_prompt"] or None,
                             precision=precision_of(settings, compiled))


def _shrunk(sampling: Sampling) -> Sampling:
    """The same for the tiny size's scales and blocks."""
    guidance, temperature = (value[:_TINY_SCALES] if isinstance(value, tuple) else value
                             for value in (sampling.guidance, sampling.temperature))
    layers = tuple(dict.fromkeys(max(layer, 1 - _TINY.depth) for layer in sampling.insertion_layers))
    return replace(sampling, guidance=guidance, temperature=temperature, insertion_layers=layers)
