"""PixArt-Sigma through diffusers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from diffusers import PixArtSigmaPipeline

from models.diffusion.flops import pixart_transformer_flops
from models.diffusion.guided import BinnedSettings, GuidedAdapter, Text
from models.diffusion.schedule import Step, of_rows
from models.offload import device_of
from models.text_flops import t5_encoder_flops
from models.text_length import longer_than


@dataclass(frozen=True, slots=True)
class PixArtSettings(BinnedSettings):
    """T5's text is as long as the model was trained with."""

    max_sequence_length: int = 300


class PixArtAdapter(GuidedAdapter):
    """Over a `PixArtSigmaPipeline`: a masked T5 text, and noise with a variance that no sampler here reads."""

    def __init__(self, pipeline: PixArtSigmaPipeline, settings: PixArtSettings) -> None:
        self._length = settings.max_sequence_length
        super().__init__(pipeline, pipeline.transformer, settings, grain=pipeline.transformer.config.patch_size)

    def count_text_tokens(self) -> int:
        """T5's tokens."""
        return self._length

    def encode(self, prompts: Sequence[str]) -> Text:
        """Features [P, T, C] and the mask of real tokens [P, T] of each prompt, in lower case as in the pipeline."""
        embeds_PTC, mask_PT, _, _ = self.pipeline.encode_prompt(
            list(prompts), do_classifier_free_guidance=False, device=device_of(self.transformer),
            max_sequence_length=self._length,
        )  # fmt: skip
        return embeds_PTC, mask_PT

    def truncated(self, prompts: Sequence[str]) -> tuple[bool, ...]:
        """Whether a prompt is longer than T5 is asked for."""
        return longer_than(self.pipeline.tokenizer, [prompt.lower().strip() for prompt in prompts], self._length)

    def predict(self, latents_NX: torch.Tensor, text_N: Text, step: Step) -> torch.Tensor:
        """The noise."""
        prediction: torch.Tensor = self.transformer(
            latents_NX,
            encoder_hidden_states=text_N[0],
            encoder_attention_mask=text_N[1],
            timestep=of_rows(self.schedule.timesteps_K, step, len(latents_NX)),
            added_cond_kwargs={"resolution": None, "aspect_ratio": None},
            return_dict=False,
        )[0]
        learned = self.transformer.config.out_channels // 2 == latents_NX.shape[1]
        return prediction.chunk(2, dim=1)[0] if learned else prediction

    def network_flops(self) -> int:
        """One sequence through the transformer."""
        return pixart_transformer_flops(self.transformer.config, self.image_tokens, self.text_tokens)

    def text_flops(self) -> int:
        """One prompt through T5."""
        return t5_encoder_flops(self.pipeline.text_encoder.config.to_dict(), self._length)
