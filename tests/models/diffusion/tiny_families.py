"""Tiny random pipelines of every published diffusion family, in the published folder format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderDC,
    AutoencoderKL,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    PixArtSigmaPipeline,
    PixArtTransformer2DModel,
    SanaPipeline,
    SanaTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    Gemma2Config,
    Gemma2Model,
    PreTrainedTokenizerFast,
    T5Config,
    T5EncoderModel,
)

from models.published import PublishedModel

WORDS = ["<pad>", "<eos>", "<unk>", "red", "blue", "green", "circle", "square", "star", "two", "above", "and"]
PROMPTS = ["red circle", "two blue star", "green square above red star"]
LENGTH = 7


def word_tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>", model_max_length=LENGTH
    )


def tiny_t5(width: int) -> T5EncoderModel:
    return T5EncoderModel(T5Config(
        vocab_size=len(WORDS), d_model=width, d_kv=8, d_ff=40, num_layers=2, num_heads=2,
        feed_forward_proj="gated-gelu", pad_token_id=0, eos_token_id=1,
    ))  # fmt: skip


def tiny_clip(kind: Any, width: int) -> Any:
    return kind(CLIPTextConfig(
        vocab_size=len(WORDS), hidden_size=width, intermediate_size=28, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=LENGTH, projection_dim=8, eos_token_id=1, pad_token_id=0, bos_token_id=None,
    ))  # fmt: skip


def tiny_kl(**changes: Any) -> AutoencoderKL:
    return AutoencoderKL(**{
        "block_out_channels": (8, 16, 24), "layers_per_block": 1, "latent_channels": 4, "norm_num_groups": 4,
        "down_block_types": ("DownEncoderBlock2D",) * 3, "up_block_types": ("UpDecoderBlock2D",) * 3,
        "scaling_factor": 0.7,
    } | changes)  # fmt: skip


def tiny_flux() -> FluxPipeline:
    transformer = FluxTransformer2DModel(
        patch_size=1, in_channels=16, num_layers=2, num_single_layers=3, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=24, pooled_projection_dim=20, guidance_embeds=True, axes_dims_rope=(4, 6, 6),
    )  # fmt: skip
    vae = tiny_kl(use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.1)
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True)
    return FluxPipeline(
        scheduler, vae, tiny_clip(CLIPTextModel, 20), word_tokenizer(), tiny_t5(24), word_tokenizer(), transformer
    )


def tiny_sd3() -> StableDiffusion3Pipeline:
    transformer = SD3Transformer2DModel(
        sample_size=8, patch_size=2, in_channels=4, out_channels=4, num_layers=3, attention_head_dim=8,
        num_attention_heads=2, joint_attention_dim=32, caption_projection_dim=16, pooled_projection_dim=16,
        pos_embed_max_size=8, qk_norm="rms_norm", dual_attention_layers=(0, 1),
    )  # fmt: skip
    vae = tiny_kl(use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.1)
    return StableDiffusion3Pipeline(
        transformer, FlowMatchEulerDiscreteScheduler(shift=3.0), vae,
        tiny_clip(CLIPTextModelWithProjection, 12), word_tokenizer(),
        tiny_clip(CLIPTextModelWithProjection, 16), word_tokenizer(), tiny_t5(32), word_tokenizer(),
    )  # fmt: skip


def tiny_sdxl() -> StableDiffusionXLPipeline:
    unet = UNet2DConditionModel(
        sample_size=8, in_channels=4, out_channels=4, block_out_channels=(8, 16, 24), layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"), norm_num_groups=4,
        attention_head_dim=(1, 2, 3), transformer_layers_per_block=(1, 1, 2), cross_attention_dim=28,
        use_linear_projection=True, addition_embed_type="text_time", addition_time_embed_dim=4,
        projection_class_embeddings_input_dim=32,
    )  # fmt: skip
    scheduler = EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1, timestep_spacing="leading"
    )
    return StableDiffusionXLPipeline(
        tiny_kl(), tiny_clip(CLIPTextModel, 12), tiny_clip(CLIPTextModelWithProjection, 16), word_tokenizer(),
        word_tokenizer(), unet, scheduler, add_watermarker=False,
    )  # fmt: skip


def tiny_pixart() -> PixArtSigmaPipeline:
    transformer = PixArtTransformer2DModel(
        sample_size=8, patch_size=2, in_channels=4, out_channels=8, num_layers=2, attention_head_dim=8,
        num_attention_heads=2, cross_attention_dim=16, caption_channels=24, interpolation_scale=1,
        use_additional_conditions=False,
    )  # fmt: skip
    return PixArtSigmaPipeline(word_tokenizer(), tiny_t5(24), tiny_kl(), transformer, DPMSolverMultistepScheduler())


def tiny_dc(**changes: Any) -> AutoencoderDC:
    return AutoencoderDC(**{
        "latent_channels": 4, "attention_head_dim": 4,
        "encoder_block_types": ["ResBlock", "ResBlock", "EfficientViTBlock"],
        "decoder_block_types": ["ResBlock", "ResBlock", "EfficientViTBlock"],
        "encoder_block_out_channels": (8, 8, 16), "decoder_block_out_channels": (8, 8, 16),
        "encoder_layers_per_block": (1, 1, 2), "decoder_layers_per_block": (1, 2, 1),
        "encoder_qkv_multiscales": ((), (), (5,)), "decoder_qkv_multiscales": ((), (), (5,)),
        "upsample_block_type": "interpolate", "downsample_block_type": "conv", "scaling_factor": 0.7,
    } | changes)  # fmt: skip


def tiny_sana() -> SanaPipeline:
    transformer = SanaTransformer2DModel(
        in_channels=4, out_channels=4, num_attention_heads=2, attention_head_dim=8, num_layers=2,
        num_cross_attention_heads=2, cross_attention_head_dim=10, cross_attention_dim=16, caption_channels=24,
        sample_size=8,
    )  # fmt: skip
    gemma = Gemma2Model(Gemma2Config(
        vocab_size=len(WORDS), hidden_size=24, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, pad_token_id=0, eos_token_id=1, bos_token_id=None,
    ))  # fmt: skip
    scheduler = DPMSolverMultistepScheduler(use_flow_sigmas=True, prediction_type="flow_prediction", flow_shift=3.0)
    return SanaPipeline(word_tokenizer(), gemma, tiny_dc(), transformer, scheduler)


@dataclass(frozen=True)
class Family:
    """A tiny published model, and how its own pipeline is called for the same image."""

    build: Callable[[], Any]
    settings: dict[str, Any]
    network: str
    call: tuple[tuple[str, Any], ...] = ()
    """What the pipeline is called with beside the settings."""


SHORT = {"steps": 4, "height": 24, "width": 16, "max_sequence_length": 6}
FAMILIES = {
    "flux": Family(tiny_flux, {**SHORT, "guidance_scale": 3.5}, "transformer"),
    "sd3": Family(tiny_sd3, {**SHORT, "guidance_scale": 3.5}, "transformer"),
    "sdxl": Family(tiny_sdxl, {"steps": 4, "height": 32, "width": 16, "guidance_scale": 5.0}, "unet"),
    "pixart": Family(
        tiny_pixart, {**SHORT, "guidance_scale": 4.5, "resolution_binning": False}, "transformer",
        call=(("clean_caption", False),),
    ),
    "sana": Family(
        tiny_sana, {**SHORT, "height": 64, "width": 32, "guidance_scale": 4.5, "resolution_binning": False}, "transformer",
    ),
}  # fmt: skip


def save(name: str, folder: Path) -> Path:
    """A tiny random pipeline of the family, saved; every weight is random, biases and gates too."""
    torch.manual_seed(0)
    pipeline = FAMILIES[name].build()
    for part in (pipeline.vae, getattr(pipeline, FAMILIES[name].network)):
        for parameter in part.parameters():
            if parameter.ndim == 1 or bool((parameter == 0).all()):
                torch.nn.init.normal_(parameter, std=0.1, mean=float(parameter.detach().mean()))
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def published(name: str, **changes: Any) -> PublishedModel:
    """A row of the registry for a tiny model."""
    row = {"summary": "", "family": "diffusion", "generator": "", "loader": "", "licence": "none", "paper": "",
           "settings": {}, "repositories": {}, "presets": {}}  # fmt: skip
    return PublishedModel(name=name, **(row | changes))
