"""A tiny random FluxPipeline, saved and reloaded in diffusers' folder format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerFast, T5Config, T5EncoderModel

from models.diffusion.flux import FluxSettings, flux_generator, load_flux_pipeline
from models.diffusion.generator import DiffusionGenerator

WORDS = ["<pad>", "<eos>", "<unk>", "red", "blue", "green", "circle", "square", "star", "two", "above", "and"]
PROMPTS = ["red circle", "two blue star", "green square above red star"]


def word_tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>", model_max_length=7
    )


def tiny_pipeline(guidance_embeds: bool, scheduler: FlowMatchEulerDiscreteScheduler) -> FluxPipeline:
    torch.manual_seed(0)
    transformer = FluxTransformer2DModel(
        patch_size=1, in_channels=16, num_layers=2, num_single_layers=3, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=24, pooled_projection_dim=20, guidance_embeds=guidance_embeds, axes_dims_rope=(4, 6, 6),
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=(8, 16, 24), layers_per_block=1, latent_channels=4, norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3,
        use_quant_conv=False, use_post_quant_conv=False, scaling_factor=0.7, shift_factor=0.1,
    )  # fmt: skip
    clip = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(WORDS), hidden_size=20, intermediate_size=28, num_hidden_layers=2, num_attention_heads=2,
            max_position_embeddings=7, eos_token_id=1, pad_token_id=0, bos_token_id=None,
        )
    )  # fmt: skip
    t5 = T5EncoderModel(
        T5Config(
            vocab_size=len(WORDS), d_model=24, d_kv=8, d_ff=40, num_layers=2, num_heads=2,
            feed_forward_proj="gated-gelu", pad_token_id=0, eos_token_id=1,
        )
    )  # fmt: skip
    return FluxPipeline(scheduler, vae, clip, word_tokenizer(), t5, word_tokenizer(), transformer)


@pytest.fixture(scope="session")
def load_tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., FluxPipeline]:
    """Loads a tiny FluxPipeline from a folder written once per kind of model and scheduler."""
    folders: dict[str, Path] = {}

    def load(guidance_embeds: bool = False, **scheduler: Any) -> FluxPipeline:
        key = f"{guidance_embeds} {sorted(scheduler.items())}"
        if key not in folders:
            folders[key] = tmp_path_factory.mktemp("flux")
            tiny_pipeline(guidance_embeds, FlowMatchEulerDiscreteScheduler(**scheduler)).save_pretrained(folders[key])
        pipeline = load_flux_pipeline(folders[key])
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    return load


@pytest.fixture(scope="session")
def generator_over() -> Callable[..., DiffusionGenerator]:
    """A generator over a pipeline; 24 by 16 pixels, so that a swap of height and width shows."""

    def build(pipeline: FluxPipeline, **settings: Any) -> DiffusionGenerator:
        options = {"steps": 4, "height": 24, "width": 16, "max_sequence_length": 6} | settings
        return flux_generator(
            pipeline,
            FluxSettings(**options),
            name="tiny",
            domain="shapes",
            licence="apache-2.0",
            weights_sha256="0" * 64,
        )

    return build


@pytest.fixture
def prompts() -> list[str]:
    return list(PROMPTS)
