"""SANA through diffusers."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from diffusers import SanaPipeline

from models.diffusion.flops import sana_transformer_flops
from models.diffusion.guided import BinnedSettings, GuidedAdapter, Text
from models.diffusion.schedule import Step, of_rows
from models.diffusion.vae_flops import dc_decoder_flops, dc_encoder_flops
from models.offload import device_of
from models.text_flops import gemma_text_flops
from models.text_length import longer_than


@dataclass(frozen=True, slots=True)
class SanaSettings(BinnedSettings):
    """Gemma's text is as long as the model was trained with."""

    max_sequence_length: int = 300
    complex_human_instruction: bool = True
    """Whether the pipeline's own instruction to Gemma goes before every prompt."""


class SanaAdapter(GuidedAdapter):
    """Over a `SanaPipeline`: a text by Gemma, a velocity, latents kept in float32, and a deeply compressing VAE."""

    def __init__(self, pipeline: SanaPipeline, settings: SanaSettings) -> None:
        self._length = settings.max_sequence_length
        default = inspect.signature(pipeline.__call__).parameters["complex_human_instruction"].default
        self._instruction: list[str] | None = default if settings.complex_human_instruction else None
        super().__init__(pipeline, pipeline.transformer, settings)
        self.dtype = torch.float32

    def count_text_tokens(self) -> int:
        """Gemma's tokens that are shown to the transformer: those of the prompt and the first of all."""
        return self._length

    def encode(self, prompts: Sequence[str]) -> Text:
        """Features [P, T, C] and the mask of real tokens [P, T] of each prompt, in lower case as in the pipeline."""
        return self._encode(prompts, self._instruction)

    def encode_negative(self) -> Text:
        """The negative prompt, without the instruction as in the pipeline."""
        return self._encode([self.options.negative_prompt], None)

    def _encode(self, prompts: Sequence[str], instruction: list[str] | None) -> Text:
        embeds_PTC, mask_PT, _, _ = self.pipeline.encode_prompt(
            list(prompts), do_classifier_free_guidance=False, device=device_of(self.transformer),
            max_sequence_length=self._length, complex_human_instruction=instruction,
        )  # fmt: skip
        return embeds_PTC, mask_PT

    def _read(self) -> int:
        """Tokens that Gemma reads for one prompt, padding included."""
        if self._instruction is None:
            return self._length
        return len(self.pipeline.tokenizer.encode("\n".join(self._instruction))) + self._length - 2

    def truncated(self, prompts: Sequence[str]) -> tuple[bool, ...]:
        """Whether a prompt, with the instruction before it, is longer than Gemma is asked for."""
        before = "" if self._instruction is None else "\n".join(self._instruction)
        texts = [before + prompt.lower().strip() for prompt in prompts]
        return longer_than(self.pipeline.tokenizer, texts, self._read())

    def predict(self, latents_NX: torch.Tensor, text_N: Text, step: Step) -> torch.Tensor:
        """The velocity, in float32."""
        network = self.transformer
        timesteps_N = of_rows(self.schedule.timesteps_K, step, len(latents_NX)) * network.config.timestep_scale
        velocity: torch.Tensor = network(
            latents_NX.to(network.dtype),
            encoder_hidden_states=text_N[0].to(network.dtype),
            encoder_attention_mask=text_N[1],
            timestep=timesteps_N,
            return_dict=False,
        )[0]
        return velocity.float()

    def network_flops(self) -> int:
        """One sequence through the transformer."""
        return sana_transformer_flops(self.transformer.config, self.image_tokens, self.text_tokens)

    def decoder_flops(self, shrink: int = 1) -> int:
        """One image through the VAE's decoder, its sides divided by `shrink`."""
        rows, columns = self.latent_size
        return dc_decoder_flops(self.vae.config, rows // shrink, columns // shrink)

    def embedder_flops(self) -> int:
        """One image through the VAE's encoder."""
        return dc_encoder_flops(self.vae.config, *self.made_size)

    def text_flops(self) -> int:
        """One prompt through Gemma, with the instruction."""
        return gemma_text_flops(self.pipeline.text_encoder.config.to_dict(), self._read())
