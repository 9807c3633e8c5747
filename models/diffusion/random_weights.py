"""Published diffusion pipelines at their published sizes with random weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from harness.errors import WrongInput
from models.architecture import components, outline
from models.diffusion.folder import published_config
from models.diffusion.generator import DiffusionGenerator, diffusion_generator
from models.diffusion.published import FAMILIES, adapted, settings_of
from models.diffusion.published_flops import CLIP_TOKENS
from models.published import PublishedModel
from models.random_weights import filled, letter_tokenizer
from models.settings import dtype_of

_SCHEDULERS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "FluxPipeline": ("FlowMatchEulerDiscreteScheduler", {"use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.15}),
    "StableDiffusion3Pipeline": ("FlowMatchEulerDiscreteScheduler", {"shift": 3.0}),
    "StableDiffusionXLPipeline": ("EulerDiscreteScheduler", {"timestep_spacing": "leading", "steps_offset": 1}),
    "PixArtSigmaPipeline": ("DPMSolverMultistepScheduler", {}),
    "SanaPipeline": ("FlowMatchEulerDiscreteScheduler", {"shift": 3.0}),
}
_CLIP = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4}
_T5 = {"d_model": 64, "d_kv": 8, "d_ff": 64, "num_layers": 1, "num_heads": 4}
_KL = {"block_out_channels": [32, 32, 32, 32], "layers_per_block": 1}
_TINY: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "FluxPipeline": {
        "transformer": {"num_layers": 1, "num_single_layers": 1, "num_attention_heads": 2, "joint_attention_dim": 64,
                        "pooled_projection_dim": 32},
        "vae": _KL, "text_encoder": _CLIP, "text_encoder_2": _T5,
    },
}  # fmt: skip
"""Smaller networks of the same kind, for tests."""


def build(model: PublishedModel, settings: Mapping[str, Any], device: torch.device, tiny: bool) -> DiffusionGenerator:
    """The published networks, settings and dtype behind their adapter; only weights and tokenizers are others."""
    import diffusers

    kind = str((published_config(model.name) or {})["_class_name"])
    if tiny and kind not in _TINY:
        raise WrongInput(f"{model.name} has no tiny size: leave --tiny out, or take flux-dev")
    dtype, options = dtype_of(settings["dtype"]), settings_of(model.name, FAMILIES[kind], settings)
    smaller = _TINY[kind] if tiny else {}
    parts: dict[str, Any] = {}
    for part, row in components(model.name).items():
        parts[part] = filled(outline({**row, **smaller.get(part, {})}, dtype), device)
        if part.startswith("text_encoder"):
            clip = type(parts[part]).__name__.startswith("CLIP")
            length = CLIP_TOKENS if clip else options.max_sequence_length
            parts[part.replace("text_encoder", "tokenizer")] = letter_tokenizer(length)
    scheduler, values = _SCHEDULERS[kind]
    parts["scheduler"] = getattr(diffusers, scheduler)(**values)
    adapter = adapted(model.name, FAMILIES[kind], getattr(diffusers, kind)(**parts), options)
    adapter.settings |= {"dtype": settings["dtype"]}
    return diffusion_generator(
        adapter, name=model.name, domain=model.domain, licence=model.licence, weights_sha256="random"
    )
