"""FLUX.1 through diffusers: the adapter, its settings, and loading a pipeline folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import FluxPipeline

from harness.compute.ledger import Cost
from models.base import Domain
from models.diffusion.flops import flux_transformer_flops
from models.diffusion.generator import DiffusionGenerator, diffusion_generator
from models.diffusion.schedule import FlowEuler, Schedule, Step, of_rows
from models.diffusion.vae_flops import kl_decoder_flops, kl_encoder_flops
from models.offload import device_of
from models.settings import MOST_PIXELS, check_count
from models.small_previews import shrunk
from models.text_flops import clip_text_flops, t5_encoder_flops
from models.text_length import longer_than


@dataclass(frozen=True, slots=True)
class FluxSettings:
    """Sampling settings under FluxPipeline's own names, with its defaults for FLUX.1-dev. Raises ValueError."""

    steps: int = 28
    guidance_scale: float = 3.5
    """Distilled guidance: an input of the transformer, ignored by models without guidance embedding."""
    true_cfg_scale: float = 1.0
    """Classifier-free guidance against `negative_prompt`; above 1 it doubles the transformer's sequences."""
    negative_prompt: str = ""
    height: int = 1024
    width: int = 1024
    max_sequence_length: int = 512
    """Tokens of the T5 text, padding included."""

    def __post_init__(self) -> None:
        check_count("steps", self.steps)
        check_count("height", self.height, MOST_PIXELS)
        check_count("width", self.width, MOST_PIXELS)
        check_count("max_sequence_length", self.max_sequence_length, most=512)  # as the pipeline has it
        if self.guidance_scale < 0:
            raise ValueError(f"guidance_scale={self.guidance_scale:g} is negative; use 0 or more")
        if self.true_cfg_scale < 1:
            raise ValueError(f"true_cfg_scale={self.true_cfg_scale} is below 1; use 1 for no guidance")


class FluxAdapter:
    """`models.diffusion.adapter.Adapter` over a FluxPipeline; latents are packed [B, L, 4 C] as in the pipeline.

    Raises ValueError for an image size that the model cannot make and TypeError for a scheduler of another kind.
    """

    def __init__(self, pipeline: FluxPipeline, settings: FluxSettings) -> None:
        for module in (pipeline.transformer, pipeline.vae, pipeline.text_encoder, pipeline.text_encoder_2):
            module.eval()
        self.pipeline, self._options = pipeline, settings
        self.settings: dict[str, Any] = asdict(settings)
        self.transformer, self.dtype = pipeline.transformer, pipeline.transformer.dtype
        self.image_size = self.made_size = (settings.height, settings.width)
        patch = 2 * pipeline.vae_scale_factor
        if settings.height % patch or settings.width % patch:
            raise ValueError(f"{settings.height} by {settings.width} pixels: both must be multiples of {patch}")
        self._grid = (settings.height // patch, settings.width // patch)
        self.latent_size = (2 * self._grid[0], 2 * self._grid[1])
        self._image_tokens = self._grid[0] * self._grid[1]
        self.text_tokens = settings.max_sequence_length
        self.schedule: Schedule = FlowEuler(
            pipeline.scheduler, settings.steps, self._image_tokens, device_of(self.transformer)
        )
        self._prepare_inputs()

    @torch.inference_mode()
    def _prepare_inputs(self) -> None:
        """Everything a forward needs that no row changes, so that a step copies nothing to the device."""
        device, options = device_of(self.transformer), self._options
        self._image_ids = FluxPipeline._prepare_latent_image_ids(1, *self._grid, device, self.dtype)
        self._text_ids = torch.zeros(self.text_tokens, 3, device=device, dtype=self.dtype)
        # Rounded to the model's precision before the division, as the pipeline does.
        self._timesteps_K = self.schedule.timesteps_K.to(self.dtype) / 1000
        guided = self.transformer.config.guidance_embeds
        self._guidance = torch.full([1], options.guidance_scale, device=device) if guided else None
        self._negative = self.encode([options.negative_prompt]) if options.true_cfg_scale > 1 else None
        self.forwards = 1 if self._negative is None else 2

    def encode(self, prompts: Sequence[str]) -> tuple[torch.Tensor, ...]:
        """T5 features [P, T, C] and the pooled CLIP vector [P, C] of each prompt."""
        embeds_PTC, pooled_PC, _ = self.pipeline.encode_prompt(
            list(prompts), device=device_of(self.transformer), max_sequence_length=self.text_tokens
        )
        return embeds_PTC, pooled_PC

    def truncated(self, prompts: Sequence[str]) -> tuple[bool, ...]:
        """Whether a prompt is longer than T5 takes; the pooled CLIP vector, of 77 tokens at most, repeats what T5 reads."""
        return longer_than(self.pipeline.tokenizer_2, prompts, self.text_tokens)

    def noise(self, generator: torch.Generator) -> torch.Tensor:
        """Packed noise [1, L, 4 C] as FluxPipeline draws it from this generator in float32."""
        channels, (rows, columns) = self.transformer.config.in_channels // 4, self._grid
        noise_1CHW = torch.randn(1, channels, 2 * rows, 2 * columns, generator=generator)
        return FluxPipeline._pack_latents(noise_1CHW, 1, channels, 2 * rows, 2 * columns)

    def forward(self, latents_UX: torch.Tensor, text_U: tuple[torch.Tensor, ...], step: Step) -> torch.Tensor:
        """The velocity; with true guidance both halves go through the transformer in one call of 2 U rows."""
        if self._negative is None:
            return self._velocity(latents_UX, text_U, step)
        both = tuple(
            torch.cat([text, negative.expand_as(text)]) for text, negative in zip(text_U, self._negative, strict=True)
        )
        positive, negative = self._velocity(torch.cat([latents_UX, latents_UX]), both, step).chunk(2)
        return negative + self._options.true_cfg_scale * (positive - negative)

    def _velocity(self, latents_UX: torch.Tensor, text_U: tuple[torch.Tensor, ...], step: Step) -> torch.Tensor:
        rows = len(latents_UX)
        velocity: torch.Tensor = self.transformer(
            hidden_states=latents_UX,
            timestep=of_rows(self._timesteps_K, step, rows),
            guidance=None if self._guidance is None else self._guidance.expand(rows),
            encoder_hidden_states=text_U[0],
            pooled_projections=text_U[1],
            txt_ids=self._text_ids,
            img_ids=self._image_ids,
            return_dict=False,
        )[0]
        return velocity

    def decode(self, latents_NX: torch.Tensor, shrink: int = 1) -> torch.Tensor:
        """The VAE's images of packed latents, their sides divided by `shrink`."""
        vae = self.pipeline.vae
        latents_NCHW = FluxPipeline._unpack_latents(latents_NX, *self.image_size, self.pipeline.vae_scale_factor)
        image_NCHW: torch.Tensor = vae.decode(
            shrunk(latents_NCHW, shrink) / vae.config.scaling_factor + vae.config.shift_factor, return_dict=False
        )[0]
        return image_NCHW

    def embed(self, images_NCHW: torch.Tensor) -> torch.Tensor:
        """Packed latents of images."""
        vae = self.pipeline.vae
        mean_NCHW = vae.encode(images_NCHW, return_dict=False)[0].mode()
        latents_NCHW = (mean_NCHW - vae.config.shift_factor) * vae.config.scaling_factor
        return FluxPipeline._pack_latents(latents_NCHW, *latents_NCHW.shape)

    def prediction(self, step: int) -> Cost:
        """The same at every step, with both halves of true guidance."""
        once = flux_transformer_flops(self.transformer.config, self._image_tokens, self.text_tokens)
        return self.forwards * Cost(forwards=1, model_flops=once)

    def decoder_flops(self, shrink: int = 1) -> int:
        """One image through the VAE's decoder, its sides divided by `shrink`."""
        rows, columns = self.latent_size
        return kl_decoder_flops(self.pipeline.vae.config, rows // shrink, columns // shrink)

    def embedder_flops(self) -> int:
        """One image through the VAE's encoder."""
        return kl_encoder_flops(self.pipeline.vae.config, *self.image_size)

    def text_flops(self) -> int:
        """One prompt through T5 and CLIP."""
        pipeline = self.pipeline
        t5 = t5_encoder_flops(pipeline.text_encoder_2.config.to_dict(), self.text_tokens)
        return t5 + clip_text_flops(pipeline.text_encoder.config.to_dict(), pipeline.tokenizer_max_length)


def flux_generator(
    pipeline: FluxPipeline, settings: FluxSettings, *, name: str, domain: Domain, licence: str, weights_sha256: str
) -> DiffusionGenerator:
    """A generator over a FluxPipeline that already is where it shall run."""
    return diffusion_generator(
        FluxAdapter(pipeline, settings), name=name, domain=domain, licence=licence, weights_sha256=weights_sha256
    )


def load_flux_pipeline(folder: Path, device: torch.device | str = "cpu") -> FluxPipeline:
    """A FluxPipeline from a folder in diffusers' format: safetensors only, nothing downloaded. Raises OSError."""
    if not (folder / "model_index.json").is_file():
        raise FileNotFoundError(f"{folder} holds no model_index.json; give the folder of a saved FluxPipeline")
    pipeline = FluxPipeline.from_pretrained(folder, dtype=torch.float32, use_safetensors=True, local_files_only=True)
    return pipeline.to(device)
