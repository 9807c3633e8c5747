"""Stable Diffusion 3 and 3.5 through diffusers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from diffusers import StableDiffusion3Pipeline

from harness.compute.ledger import Cost
from models.diffusion.flops import sd3_transformer_flops
from models.diffusion.guided import GuidedAdapter, Text, TextSettings
from models.diffusion.schedule import Step, of_rows
from models.diffusion.skip_layers import SCALE, blocks_of, check_blocks, skips
from models.offload import device_of
from models.text_flops import clip_projection_flops, clip_text_flops, t5_encoder_flops
from models.text_length import longer_than


@dataclass(frozen=True, slots=True)
class Sd3Settings(TextSettings):
    """Guidance may be pushed away from what the network says without some of its blocks."""

    most_tokens: ClassVar[int | None] = 512
    skip_guidance_layers: str = ""
    """Blocks left out in a third pass of the early steps, as 7/8/9; "" for no such pass (models/diffusion/skip_layers.py)."""

    def __post_init__(self) -> None:
        TextSettings.__post_init__(self)
        blocks_of(self.skip_guidance_layers)


class Sd3Adapter(GuidedAdapter):
    """Over a `StableDiffusion3Pipeline`: two CLIP texts side by side, then T5's, and a velocity."""

    def __init__(self, pipeline: StableDiffusion3Pipeline, settings: Sd3Settings) -> None:
        self._length, self._skipped = settings.max_sequence_length, blocks_of(settings.skip_guidance_layers)
        check_blocks(self._skipped, settings.guidance_scale, pipeline.transformer.config.num_layers)
        super().__init__(pipeline, pipeline.transformer, settings, grain=pipeline.transformer.config.patch_size)
        config = pipeline.transformer.config
        most, side = config.pos_embed_max_size, max(self.latent_size) // config.patch_size
        if side > most:
            pixels = most * config.patch_size * pipeline.vae_scale_factor
            raise ValueError(f"{settings.height} by {settings.width} pixels: the model has positions for {pixels} at most")

    def count_text_tokens(self) -> int:
        """CLIP's tokens and T5's."""
        return int(self.pipeline.tokenizer_max_length) + self._length

    def encode(self, prompts: Sequence[str]) -> Text:
        """Features [P, T, C] and the pooled CLIP vectors [P, C] of each prompt."""
        embeds_PTC, _, pooled_PC, _ = self.pipeline.encode_prompt(
            list(prompts), None, None, device=device_of(self.transformer), do_classifier_free_guidance=False,
            max_sequence_length=self._length,
        )  # fmt: skip
        return embeds_PTC, pooled_PC

    def truncated(self, prompts: Sequence[str]) -> tuple[bool, ...]:
        """Whether T5, which takes the longest text, loses the end."""
        return longer_than(self.pipeline.tokenizer_3, prompts, self._length)

    def forward(self, latents_UX: torch.Tensor, text_U: Text, step: Step) -> torch.Tensor:
        """The guided prediction, in early steps pushed away from that of the network without some blocks."""
        if self._negative is None or not self._skips(step if isinstance(step, int) else step[0]):
            return super().forward(latents_UX, text_U, step)
        negative, positive = self.halves(latents_UX, text_U, self._negative, step)
        guided = negative + self.options.guidance_scale * (positive - negative)
        return guided + SCALE * (positive - self.predict(latents_UX, text_U, step, self._skipped))

    def _skips(self, step: int) -> bool:
        return bool(self._skipped) and skips(step, self.options.steps)

    def predict(
        self, latents_NX: torch.Tensor, text_N: Text, step: Step, skipped: Collection[int] = ()
    ) -> torch.Tensor:
        """The velocity."""
        velocity: torch.Tensor = self.transformer(
            hidden_states=latents_NX,
            timestep=of_rows(self.schedule.timesteps_K, step, len(latents_NX)),
            encoder_hidden_states=text_N[0],
            pooled_projections=text_N[1],
            skip_layers=skipped,
            return_dict=False,
        )[0]
        return velocity

    def prediction(self, step: int) -> Cost:
        """Both halves of guidance, and the pass without some blocks."""
        third = Cost(forwards=1, model_flops=self.network_flops(self._skipped)) if self._skips(step) else Cost()
        return super().prediction(step) + third

    def network_flops(self, skipped: Collection[int] = ()) -> int:
        """One sequence through the transformer."""
        return sd3_transformer_flops(self.transformer.config, self.image_tokens, self.text_tokens, skipped)

    def text_flops(self) -> int:
        """One prompt through two CLIPs and T5."""
        pipeline, tokens = self.pipeline, self.pipeline.tokenizer_max_length
        clips: list[dict[str, Any]] = [
            encoder.config.to_dict() for encoder in (pipeline.text_encoder, pipeline.text_encoder_2)
        ]
        t5 = t5_encoder_flops(pipeline.text_encoder_3.config.to_dict(), self._length)
        return t5 + sum(clip_text_flops(clip, tokens) + clip_projection_flops(clip) for clip in clips)
