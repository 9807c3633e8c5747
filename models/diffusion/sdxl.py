"""Stable Diffusion XL through diffusers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from diffusers import StableDiffusionXLPipeline

from models.diffusion.guided import GuidedAdapter, GuidedSettings, Text
from models.diffusion.schedule import Step, of_rows
from models.diffusion.unet_flops import unet_flops
from models.offload import device_of
from models.text_flops import clip_projection_flops, clip_text_flops
from models.text_length import longer_than


class SdxlAdapter(GuidedAdapter):
    """Over a `StableDiffusionXLPipeline`: a U-Net that is told the image's size, and two CLIP texts side by side."""

    def __init__(self, pipeline: StableDiffusionXLPipeline, settings: GuidedSettings) -> None:
        pipeline.watermark = None
        if pipeline.vae.dtype == torch.float16 and pipeline.vae.config.force_upcast:
            pipeline.vae.to(dtype=torch.float32)
        halvings = len(pipeline.unet.config.block_out_channels) - 1
        super().__init__(pipeline, pipeline.unet, settings, grain=2**halvings)
        sizes = [settings.height, settings.width, 0, 0, settings.height, settings.width]
        self._sizes = torch.tensor([sizes], device=device_of(self.transformer), dtype=self.dtype)

    def count_text_tokens(self) -> int:
        """CLIP's tokens."""
        return int(self.pipeline.tokenizer.model_max_length)

    def encode(self, prompts: Sequence[str]) -> Text:
        """Features [P, T, C] and the pooled vector of the second CLIP [P, C] of each prompt."""
        embeds_PTC, _, pooled_PC, _ = self.pipeline.encode_prompt(
            list(prompts), device=device_of(self.transformer), do_classifier_free_guidance=False
        )
        return embeds_PTC, pooled_PC

    def encode_negative(self) -> Text:
        """Zeros for no negative prompt where the model was published so, as the pipeline has it."""
        _, embeds_1TC, _, pooled_1C = self.pipeline.encode_prompt(
            [""], device=device_of(self.transformer), negative_prompt=self.options.negative_prompt or None
        )
        return embeds_1TC, pooled_1C

    def truncated(self, prompts: Sequence[str]) -> tuple[bool, ...]:
        """Whether a prompt is longer than CLIP takes."""
        return longer_than(self.pipeline.tokenizer, prompts, self.text_tokens)

    def predict(self, latents_NX: torch.Tensor, text_N: Text, step: Step) -> torch.Tensor:
        """The noise, or v."""
        rows = len(latents_NX)
        prediction: torch.Tensor = self.transformer(
            latents_NX,
            of_rows(self.schedule.timesteps_K, step, rows),
            encoder_hidden_states=text_N[0],
            added_cond_kwargs={"text_embeds": text_N[1], "time_ids": self._sizes.expand(rows, -1)},
            return_dict=False,
        )[0]
        return prediction

    def network_flops(self) -> int:
        """One sequence through the U-Net."""
        return unet_flops(self.transformer.config, *self.latent_size, self.text_tokens)

    def text_flops(self) -> int:
        """One prompt through two CLIPs."""
        first, second = (
            encoder.config.to_dict() for encoder in (self.pipeline.text_encoder, self.pipeline.text_encoder_2)
        )
        texts = clip_text_flops(first, self.text_tokens) + clip_text_flops(second, self.text_tokens)
        return texts + clip_projection_flops(second)
