"""Infinity behind the generator protocol: many rows of many prompts, one forward per distinct prefix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from harness.compute.ledger import Cost
from models.base import Domain, Images, ModelCard, Operation, Row
from models.infinity.flops import decoder_flops, prompt_flops, scale_flops
from models.infinity.pretrained import InfinityParts
from models.infinity.rollout import Rollout
from models.infinity.sampling import draw_by_row
from models.infinity.state import InfinityConditioning, InfinityState
from models.infinity.text_encoder import TextEncoder
from models.offload import device_of
from models.pixels import blanked, floored, images_at_once
from models.prefix_state import PrefixState, distinct_prompts
from models.row_checks import check_finished, check_seeds
from models.small_previews import SETTING, shrunk, smaller
from models.text_length import refuse_cut_negative


class InfinityGenerator:
    """`models.base.Generator`, `Prefixed` and `SmallPreviews` over an Infinity model that already is where it shall run.

    A negative prompt belongs to the model, not to a prompt: it is encoded once here and no price holds it. `precision`
    names the types that the parts run in, as they change the images; it goes on the card.
    Raises ValueError where the parts do not fit one another.
    """

    def __init__(self, parts: InfinityParts, text_encoder: TextEncoder, *, name: str, domain: Domain, licence: str,
                 weights_sha256: str, negative_prompt: str | None = None,
                 precision: Mapping[str, Any] | None = None) -> None:
        _check_parts(parts)
        self.transformer, self.vae, self.text_encoder = parts.transformer.eval(), parts.vae.eval(), text_encoder
        self.rollout = Rollout(parts.transformer, parts.schedule, parts.sampling)
        self._latent_grid = self.rollout.latent_grids[-1]
        self._preview_shrink = 1
        self._negative = None
        if negative_prompt is not None:
            refuse_cut_negative(name, *text_encoder.truncated([negative_prompt]))
            with torch.no_grad():
                self._negative = self.transformer.condition(self._features([negative_prompt]))
        rows, columns = self._latent_grid
        patch_size = parts.vae.config.patch_size
        self.card = ModelCard(
            name=name, family="ar", domain=domain, steps=len(parts.schedule),
            image_size=(rows * patch_size, columns * patch_size),
            parameters=sum(parameter.numel() for parameter in parts.transformer.parameters()),
            weights_sha256=weights_sha256, licence=licence,
            settings=asdict(parts.sampling) | asdict(parts.schedule) | {"negative_prompt": negative_prompt}
            | dict(precision or {}),
        )

    def with_previews(self, shrink: int) -> InfinityGenerator:
        """The same model with smaller previews, its weights shared. Raises WrongInput."""
        smaller(self._latent_grid, shrink, self.card.name)
        other = copy(self)
        other._preview_shrink = shrink
        other.card = replace(self.card, settings={**self.card.settings, SETTING: shrink})
        return other

    @property
    def device(self) -> torch.device:
        return device_of(self.transformer)

    def _features(self, prompts: Sequence[str]) -> Any:
        features = self.text_encoder.encode(prompts)
        return replace(features, flat_TC=features.flat_TC.to(self.device))

    @torch.no_grad()
    def encode(self, prompts: Sequence[str]) -> InfinityConditioning:
        """Text features and everything the transformer makes of them alone, once per prompt."""
        text = self._features(prompts)
        conditions = self.rollout.condition(text, self._negative)
        return InfinityConditioning(tuple(prompts), text.lengths, conditions, self.truncated(prompts))

    def text_tokens(self, prompts: Sequence[str]) -> tuple[int, ...]:
        """Text tokens of each prompt, without encoding it."""
        return self.text_encoder.lengths(prompts)

    def truncated(self, prompts: Sequence[str]) -> tuple[bool, ...]:
        """Whether the end of each prompt is not read."""
        return self.text_encoder.truncated(prompts)

    def start(self, conditioning: InfinityConditioning, rows: Sequence[Row]) -> InfinityState:
        """Empty prefixes, one per prompt, whatever the number of rows. Raises ValueError for an unknown prompt."""
        prompts, source = distinct_prompts(rows, len(conditioning.prompts))
        return PrefixState(conditioning, tuple(rows), self.card.steps, self.rollout.start(prompts), source)

    def predict(self, state: InfinityState) -> InfinityState:
        """The next scale's pass, once per distinct prefix; a no-op on predicted and on finished rows."""
        if not state.pending:
            return state
        prediction = self.rollout.predict(state.prefixes, state.source, state.conditioning.conditions)
        return replace(state, prediction=prediction)

    def draw(self, state: InfinityState, seeds: Sequence[int]) -> InfinityState:
        """The scale's bits, each row from its own seed; every row becomes a prefix of its own. Raises ValueError."""
        check_seeds(seeds, state.rows)
        prefixes, _ = self.rollout.extend(state.prefixes, state.prediction_to_draw(), state.source,
                                          partial(draw_by_row, seeds=seeds))
        return replace(state, prefixes=prefixes, source=tuple(range(len(state.rows))), prediction=None)

    def select(self, state: InfinityState, indices: Sequence[int]) -> InfinityState:
        """Rows by index, with repetition; prefixes and predictions are shared, nothing is copied."""
        return state.select(indices)

    def preview(self, state: InfinityState) -> Images:
        """The decoded sum of the codes drawn so far, of the images' size or smaller."""
        return self._images(state, self._preview_shrink)

    def decode(self, state: InfinityState) -> Images:
        """Finished rows as images. Raises ValueError before step K."""
        check_finished(state.step, state.steps)
        return self._images(state)

    def log_prob(self, state: InfinityState) -> Tensor:
        """Log-probability of each row's bits as guided, tempered and filtered: float64 [B] on the CPU, in nats."""
        return state.prefixes.log_prob_B.cpu()[list(state.source)]

    def price(self, operation: Operation, step: int = 0, text_tokens: int = 0) -> Cost:
        """Static price of one row (one prompt for "encode"). Raises ValueError for an unknown operation or step."""
        if operation == "encode":
            texts = 2 if self.rollout.sampling.halves(0) == 2 and self._negative is None else 1
            return Cost(text_flops=self.text_encoder.flops(text_tokens),
                        model_flops=texts * prompt_flops(self.transformer.config, text_tokens))
        if operation == "predict":
            return self._predict_price(step, text_tokens)
        if operation == "draw":
            return Cost(nfe=1)
        if operation in ("preview", "decode"):
            images = 1 if operation == "decode" else 0
            shrink = self._preview_shrink if operation == "preview" else 1
            grid = smaller(self._latent_grid, shrink, self.card.name)
            return Cost(decode_flops=decoder_flops(self.vae.config, grid), images=images)
        raise ValueError(f"no price for operation {operation!r}; use encode, predict, draw, preview or decode")

    def _predict_price(self, step: int, text_tokens: int) -> Cost:
        schedule, sampling = self.rollout.schedule, self.rollout.sampling
        if not 0 <= step < len(schedule):
            raise ValueError(f"no prediction at step {step} of {len(schedule)}; use 0 to {len(schedule) - 1}")
        negative = self._negative.lengths[0] if self._negative is not None else None
        flops = scale_flops(self.transformer.config, schedule, step, text_tokens, sampling, negative)
        return Cost(forwards=sampling.halves(step), model_flops=flops)

    @torch.no_grad()
    def _images(self, state: InfinityState, shrink: int = 1) -> Images:
        size = images_at_once(*self.card.image_size)
        source = torch.tensor(state.source, device=self.device)
        features = state.prefixes.features_BdHW
        images = torch.cat([self._decode(shrunk(features[part], shrink)) for part in source.split(size)])
        return blanked(images, state.prefixes.log_prob_B[source])  # bits are bits, whatever the probabilities

    def _decode(self, features_BdHW: Tensor) -> Images:
        block_dtype = self.transformer.ordered_blocks[0].ada_gss.dtype
        # the published inference decodes under the same autocast that its blocks run in
        with torch.autocast(self.device.type, torch.bfloat16, enabled=block_dtype == torch.bfloat16):
            image_BCHW = self.vae.decode(features_BdHW)
        return floored(image_BCHW)


def _check_parts(parts: InfinityParts) -> None:
    bits, codes = parts.transformer.config.codebook_dim, parts.vae.config.codebook_dim
    if bits != codes:
        raise ValueError(f"the transformer predicts {bits} bits a cell, the VAE codes {codes}: take the VAE it was "
                         "trained with")
    if len(parts.schedule) > parts.transformer.config.level_rows:
        raise ValueError(f"{len(parts.schedule)} scales for {parts.transformer.config.level_rows} level rows: use a "
                         "shorter schedule")
