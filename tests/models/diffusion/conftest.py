"""A tiny random FluxPipeline, saved and reloaded in diffusers' folder format."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
from tiny_families import FAMILIES, PROMPTS, WORDS, published, save, word_tokenizer
from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

from models.diffusion.flux import FluxSettings, flux_generator, load_flux_pipeline
from models.diffusion.generator import DiffusionGenerator
from models.diffusion.published import load, load_pipeline


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


@pytest.fixture(scope="session")
def family_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a family's tiny pipeline, written once."""
    root = tmp_path_factory.mktemp("families")

    def folder(family: str) -> Path:
        return root / family if (root / family).is_dir() else save(family, root / family)

    return folder


@pytest.fixture(scope="session")
def load_family(family_folder: Callable[[str], Path]) -> Callable[..., DiffusionGenerator]:
    """Loads a family's tiny pipeline from its folder as a published model is loaded: looked through once, and its networks of one type are
    read once."""
    read_once, looked_through = cache(load_pipeline), set[str]()

    def loaded(family: str, **changes: Any) -> DiffusionGenerator:
        settings = {**FAMILIES[family].settings, "dtype": "float32", **changes}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("models.diffusion.published.load_pipeline", read_once)
            if family in looked_through:
                patch.setattr("models.diffusion.published.check_folders", lambda *_: None)
            looked_through.add(family)
            return load(published(f"tiny-{family}"), {"weights": family_folder(family)}, torch.device("cpu"), settings)

    return loaded


@pytest.fixture(scope="session")
def generators(load_family: Callable[..., DiffusionGenerator]) -> dict[str, DiffusionGenerator]:
    """Every family with its own settings."""
    return {family: load_family(family) for family in FAMILIES}
