"""What the families with latents [B, C, h, w] and classifier-free guidance share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import torch

from harness.compute.ledger import Cost
from models.diffusion.binning import fitted, made_size
from models.diffusion.noise_schedule import DDIM_STEPS, Sampler, check_sampler, make_schedule
from models.diffusion.schedule import Schedule, Step
from models.diffusion.vae_flops import kl_decoder_flops, kl_encoder_flops
from models.offload import device_of
from models.settings import MOST_PIXELS, check_count
from models.small_previews import shrunk

Text = tuple[torch.Tensor, ...]


@dataclass(frozen=True, slots=True)
class GuidedSettings:
    """Sampling settings under the pipelines' own names. Raises ValueError."""

    steps: int = 28
    guidance_scale: float = 4.5
    """Classifier-free guidance against `negative_prompt`; above 1 it doubles the network's sequences."""
    negative_prompt: str = ""
    height: int = 1024
    width: int = 1024
    scheduler: Sampler = "published"

    def __post_init__(self) -> None:
        check_sampler(self.scheduler)
        check_count("steps", self.steps, DDIM_STEPS if self.scheduler == "ddim" else None)
        check_count("height", self.height, MOST_PIXELS)
        check_count("width", self.width, MOST_PIXELS)
        if self.guidance_scale < 0:
            raise ValueError(f"guidance_scale={self.guidance_scale:g} is negative; use 1 for no guidance")


@dataclass(frozen=True, slots=True)
class TextSettings(GuidedSettings):
    """Settings of models whose text has a length that can be chosen."""

    max_sequence_length: int = 256
    """Tokens of the longest text encoder, padding included."""
    most_tokens: ClassVar[int | None] = None
    """The longest text that the pipeline takes, None for any."""

    def __post_init__(self) -> None:
        GuidedSettings.__post_init__(self)
        check_count("max_sequence_length", self.max_sequence_length, self.most_tokens)


@dataclass(frozen=True, slots=True)
class BinnedSettings(TextSettings):
    """Settings of the models that were trained for a table of sizes."""

    resolution_binning: bool = True
    """Whether another size than those of the table is made at the nearest aspect ratio's and then resized and cropped."""


class GuidedAdapter(ABC):
    """`models.diffusion.adapter.Adapter` but for the text and the network's call.

    Raises ValueError for an image size that the model cannot make, or a scheduler without pure steps.
    """

    def __init__(self, pipeline: Any, network: Any, settings: GuidedSettings, grain: int = 1) -> None:
        """`grain`: latent pixels that a side must be a multiple of."""
        for module in pipeline.components.values():
            if isinstance(module, torch.nn.Module):
                module.eval().requires_grad_(False)
        self.pipeline, self.vae, self.options = pipeline, pipeline.vae, settings
        self.settings: dict[str, Any] = asdict(settings)
        self.transformer, self.dtype = network, network.dtype
        self.image_size = (settings.height, settings.width)
        self.made_size = made_size({**network.config, "_class_name": type(network).__name__}, self.settings)
        (height, width), factor, unit = self.made_size, pipeline.vae_scale_factor, pipeline.vae_scale_factor * grain
        if height % unit or width % unit:
            raise ValueError(f"{height} by {width} pixels: both must be multiples of {unit}")
        self.latent_size = (height // factor, width // factor)
        patch = getattr(network.config, "patch_size", None) or 1
        self.image_tokens = (self.latent_size[0] // patch) * (self.latent_size[1] // patch)
        self.schedule: Schedule = make_schedule(
            pipeline.scheduler, settings.scheduler, settings.steps, self.image_tokens, device_of(network)
        )
        self.text_tokens = self.count_text_tokens()
        self.forwards = 2 if settings.guidance_scale > 1 else 1
        held = device_of(network).type != "meta"  # without memory there are prices, and no text
        with torch.inference_mode():
            self._negative = self.encode_negative() if self.forwards == 2 and held else None

    @abstractmethod
    def count_text_tokens(self) -> int:
        """Text tokens the network attends to, padding included."""

    @abstractmethod
    def encode(self, prompts: Sequence[str]) -> Text:
        """Text features, each tensor with the prompts as its first dimension."""

    @abstractmethod
    def truncated(self, prompts: Sequence[str]) -> tuple[bool, ...]:
        """Whether each prompt's end is read by no text encoder."""

    @abstractmethod
    def predict(self, latents_NX: torch.Tensor, text_N: Text, step: Step) -> torch.Tensor:
        """One call of the network."""

    @abstractmethod
    def network_flops(self) -> int:
        """One sequence through the network."""

    @abstractmethod
    def text_flops(self) -> int:
        """One prompt through the text encoders."""

    def encode_negative(self) -> Text:
        """Text features of the negative prompt, one row each."""
        return self.encode([self.options.negative_prompt])

    def noise(self, generator: torch.Generator) -> torch.Tensor:
        """Noise [1, C, h, w] as the pipeline draws it from this generator in float32."""
        return torch.randn(1, self.transformer.config.in_channels, *self.latent_size, generator=generator)

    def forward(self, latents_UX: torch.Tensor, text_U: Text, step: Step) -> torch.Tensor:
        """The guided prediction; with guidance both halves go through the network in one call of 2 U rows."""
        if self._negative is None:
            return self.predict(latents_UX, text_U, step)
        negative, positive = self.halves(latents_UX, text_U, self._negative, step)
        return negative + self.options.guidance_scale * (positive - negative)

    def halves(
        self, latents_UX: torch.Tensor, text_U: Text, negative_1: Text, step: Step
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What the network says of the negative prompt and of each row's own."""
        both = tuple(
            torch.cat([negative.expand_as(text), text]) for text, negative in zip(text_U, negative_1, strict=True)
        )
        negative_UX, positive_UX = self.predict(torch.cat([latents_UX, latents_UX]), both, step).chunk(2)
        return negative_UX, positive_UX

    def decode(self, latents_NX: torch.Tensor, shrink: int = 1) -> torch.Tensor:
        """The VAE's images in the size that was asked for, their sides divided by `shrink` and rounded up."""
        config = self.vae.config
        unscaled_NX = shrunk(latents_NX.to(self.vae.dtype), shrink) / config.scaling_factor
        shift = config.get("shift_factor")
        image_NCHW: torch.Tensor = self.vae.decode(unscaled_NX if shift is None else unscaled_NX + shift, return_dict=False)[0]
        return fitted(image_NCHW, (-(-self.image_size[0] // shrink), -(-self.image_size[1] // shrink)))

    def embed(self, images_NCHW: torch.Tensor) -> torch.Tensor:
        """The VAE's latents of images in the size that was asked for: the mean where it gives a distribution."""
        config = self.vae.config
        encoded = self.vae.encode(fitted(images_NCHW, self.made_size).to(self.vae.dtype), return_dict=False)[0]
        latents_NX = encoded if torch.is_tensor(encoded) else encoded.mode()
        shift = config.get("shift_factor")
        return (latents_NX if shift is None else latents_NX - shift) * config.scaling_factor

    def prediction(self, step: int) -> Cost:
        """Both halves of guidance."""
        return self.forwards * Cost(forwards=1, model_flops=self.network_flops())

    def decoder_flops(self, shrink: int = 1) -> int:
        """One image through the VAE's decoder, its sides divided by `shrink`."""
        rows, columns = self.latent_size
        return kl_decoder_flops(self.vae.config, rows // shrink, columns // shrink)

    def embedder_flops(self) -> int:
        """One image through the VAE's encoder."""
        return kl_encoder_flops(self.vae.config, *self.made_size)
