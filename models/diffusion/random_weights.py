"""Published diffusion pipelines at their published sizes with random weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from models.architecture import components, outline
from models.diffusion.generator import DiffusionGenerator
from models.diffusion.pipeline_folder import published_config
from models.diffusion.published import assembled, take_turns
from models.diffusion.published_sizes import CLIP_TOKENS
from models.offload import Offload
from models.published import PublishedModel
from models.random_weights import filled, home, word_tokenizer
from models.settings import dtype_of

_SCHEDULERS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "FluxPipeline": ("FlowMatchEulerDiscreteScheduler", {"use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.15}),
    "StableDiffusion3Pipeline": ("FlowMatchEulerDiscreteScheduler", {"shift": 3.0}),
    "StableDiffusionXLPipeline": ("EulerDiscreteScheduler", {"timestep_spacing": "leading", "steps_offset": 1}),
    "PixArtSigmaPipeline": ("DPMSolverMultistepScheduler", {}),
    "SanaPipeline": ("DPMSolverMultistepScheduler",
                     {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": 3.0}),
}
_CLIP = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4, "projection_dim": 32}
_T5 = {"d_model": 64, "d_kv": 8, "d_ff": 64, "num_layers": 1, "num_heads": 4}
_GEMMA = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
          "num_key_value_heads": 1, "head_dim": 32}
_KL = {"block_out_channels": [32, 32, 32, 32], "layers_per_block": 1}
_DC = {f"{half}_{what}": [value] * 6 for half in ("encoder", "decoder")
       for what, value in (("block_out_channels", 32), ("layers_per_block", 1))}
_TINY: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "FluxPipeline": {
        "transformer": {"num_layers": 1, "num_single_layers": 1, "num_attention_heads": 2, "joint_attention_dim": 64,
                        "pooled_projection_dim": 32},
        "vae": _KL, "text_encoder": _CLIP, "text_encoder_2": _T5,
    },
    "StableDiffusion3Pipeline": {
        "transformer": {"num_layers": 10, "num_attention_heads": 1, "joint_attention_dim": 64, "caption_projection_dim": 64,
                        "pooled_projection_dim": 64},
        "vae": _KL, "text_encoder": _CLIP, "text_encoder_2": _CLIP, "text_encoder_3": _T5,
    },
    "StableDiffusionXLPipeline": {
        "unet": {"block_out_channels": [32, 64, 64], "transformer_layers_per_block": [1, 1, 1], "attention_head_dim": [1, 2, 2],
                 "cross_attention_dim": 64, "addition_time_embed_dim": 8, "projection_class_embeddings_input_dim": 80},
        "vae": _KL, "text_encoder": _CLIP, "text_encoder_2": _CLIP,
    },
    "PixArtSigmaPipeline": {
        "transformer": {"num_layers": 1, "num_attention_heads": 2, "cross_attention_dim": 144, "caption_channels": 64},
        "vae": _KL, "text_encoder": _T5,
    },
    "SanaPipeline": {
        "transformer": {"num_layers": 1, "num_attention_heads": 2, "num_cross_attention_heads": 2, "cross_attention_head_dim": 32,
                        "cross_attention_dim": 64, "caption_channels": 64},
        "vae": _DC, "text_encoder": _GEMMA,
    },
}  # fmt: skip
"""Smaller networks of the same kind, for tests."""


def build(model: PublishedModel, settings: Mapping[str, Any], devices: Sequence[torch.device], tiny: bool,
          offload: Offload = "none") -> DiffusionGenerator:
    """The published networks, settings and dtype behind their adapter; only weights and tokenizers are others."""
    import diffusers

    kind = str((published_config(model.name) or {})["_class_name"])
    smaller, dtype, device = _TINY[kind] if tiny else {}, dtype_of(settings["dtype"]), home(devices, offload)
    parts: dict[str, Any] = {}
    for part, row in components(model.name).items():
        parts[part] = filled(outline({**row, **smaller.get(part, {})}, dtype), device)
        if part.startswith("text_encoder"):
            clip = type(parts[part]).__name__.startswith("CLIP")
            parts[part.replace("text_encoder", "tokenizer")] = word_tokenizer(CLIP_TOKENS if clip else None)
    scheduler, values = _SCHEDULERS[kind]
    parts["scheduler"] = getattr(diffusers, scheduler)(**values)
    pipeline = getattr(diffusers, kind)(**parts)
    if offload != "none":
        take_turns(pipeline, offload, devices[0])
    return assembled(model, pipeline, settings, "random", devices)
