"""Generation scale by scale over batches of prefixes: predict once per distinct prefix, extend by drawn bits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.infinity.bits import codes, resize, to_map, to_tokens
from models.infinity.conditions import PromptConditions
from models.infinity.sampling import Sampling, bit_probabilities, log_probability, mix_halves
from models.infinity.schedule import ScaleSchedule
from models.infinity.text import TextFeatures
from models.infinity.transformer import InfinityTransformer
from models.offload import device_of
from models.prefix_cache import PrefixReader, Segment


@dataclass(frozen=True, eq=False)
class Prefixes:
    """Distinct prefixes of bits, all with the same number of scales."""

    prompts: tuple[int, ...]
    step: int
    """Scales drawn so far."""
    features_BdHW: Tensor
    """Sum of their codes at the full grid, float32."""
    log_prob_B: Tensor
    """Log-probability of the drawn bits in nats, float64."""
    segment: Segment | None
    """Keys and values of the scales predicted so far; None before the first and after the last scale."""
    segment_rows: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Prediction:
    """Bit logits of the next scale for some prefixes, guided and divided by the temperature."""

    logits_UnD2: Tensor
    place: dict[int, int]
    """Row of each predicted prefix."""
    segment: Segment | None
    """Keys and values of this scale on top of the prefixes'; None at the last scale, which nothing follows."""


class Rollout:
    """One model, schedule and sampling setting; holds no state of any candidate."""

    def __init__(self, transformer: InfinityTransformer, schedule: ScaleSchedule, sampling: Sampling) -> None:
        self.transformer, self.schedule = transformer, schedule
        self.sampling = sampling.fitted(len(schedule), transformer.config.depth)
        self.patch = transformer.config.patch
        self.latent_grids = schedule.latent_grids(self.patch)

    @torch.no_grad()
    def condition(self, text: TextFeatures, negative: PromptConditions | None = None) -> PromptConditions:
        """Conditions of the prompts, followed, where guided, by those of their unconditional (or negative) texts.

        negative: conditions of negative prompts, one for each prompt or one for all of them.
        """
        conditions = self.transformer.condition(text)
        if self.sampling.halves(0) == 1:
            return conditions
        if negative is None:
            return conditions + self.transformer.condition(self.transformer.unconditional(text.lengths))
        if len(negative.lengths) == 1:
            negative = negative.select([0] * len(text.lengths))
        if len(negative.lengths) != len(text.lengths):
            raise ValueError(f"{len(negative.lengths)} negative prompts for {len(text.lengths)} prompts: give one for "
                             "each, or one for all")
        return conditions + negative

    def start(self, prompts: Sequence[int]) -> Prefixes:
        """Empty prefixes, one for each of these prompts."""
        device, bits = device_of(self.transformer), self.transformer.config.codebook_dim
        zeros_BdHW = torch.zeros(len(prompts), bits, *self.latent_grids[-1], device=device)
        log_prob_B = torch.zeros(len(prompts), dtype=torch.float64, device=device)
        return Prefixes(tuple(prompts), 0, zeros_BdHW, log_prob_B, None, ())

    def next_input(self, prefixes: Prefixes, rows: Tensor) -> Tensor:
        """Features of these prefixes at the next scale's grid, as tokens [U, n, D]."""
        grid = self.latent_grids[prefixes.step]
        return to_tokens(resize(prefixes.features_BdHW[rows], grid), self.patch)

    @torch.no_grad()
    def predict(self, prefixes: Prefixes, rows: Sequence[int], conditions: PromptConditions) -> Prediction:
        """The transformer pass of the next scale for the prefixes of these indices, each once."""
        k, model, sampling = prefixes.step, self.transformer, self.sampling
        if k == len(self.schedule):
            raise ValueError(f"all {k} scales are drawn: decode these rows")
        halves, guidance = sampling.halves(k), sampling.guidance_at(k)
        rows = sorted(set(rows), key=lambda row: (conditions.lengths[prefixes.prompts[row]], row))
        prompts = [prefixes.prompts[row] for row in rows]
        unguided = len(conditions.lengths) // 2
        batch = conditions.batch(prompts + [unguided + prompt for prompt in prompts] * (halves - 1))
        tokens = self.next_input(prefixes, torch.tensor(rows, device=prefixes.features_BdHW.device)) if k else None
        x_BnC = model.embed([tokens], [k], batch.pooled_BC)
        if k and halves == 2:
            x_BnC = torch.cat([x_BnC, x_BnC])
        segment_rows = [prefixes.segment_rows[row] for row in rows] if prefixes.segment is not None else []
        reader = PrefixReader(prefixes.segment, segment_rows, halves)

        def mix(x_BnC: Tensor) -> Tensor:
            return mix_halves(x_BnC, guidance).repeat(2, 1, 1)

        after_block = dict.fromkeys(sampling.mixes_residuals(k, model.config.depth), mix)
        keep = k < len(self.schedule) - 1
        x_BnC, kept = model.predict(x_BnC, k, self.schedule, batch, reader, after_block, keep)
        logits_UnD2 = self._logits(x_BnC, batch.head_B12C, k, len(rows))
        segment = Segment(tuple(kept), len(rows), prefixes.segment, tuple(segment_rows)) if keep else None
        return Prediction(logits_UnD2, {row: place for place, row in enumerate(rows)}, segment)

    def _logits(self, x_BnC: Tensor, head_B12C: Tensor, k: int, rows: int) -> Tensor:
        temperature = self.sampling.temperature_at(k)
        if self.sampling.mixes_logits(k):
            both_BnD2 = self.transformer.logits(x_BnC, head_B12C) / temperature
            return mix_halves(both_BnD2, self.sampling.guidance_at(k))
        return self.transformer.logits(x_BnC[:rows], head_B12C[:rows]) / temperature

    @torch.no_grad()
    def extend(self, prefixes: Prefixes, prediction: Prediction, rows: Sequence[int],
               draw: Callable[[Tensor], Tensor]) -> tuple[Prefixes, Tensor]:
        """Draw the next scale once for each of rows (prefix indices, may repeat) -> prefixes, bits [B, n, D].

        draw goes from the probabilities that bits are 1 [B, n, D] to boolean bits; forced bits are a draw as well.
        """
        k = prefixes.step
        device = prefixes.features_BdHW.device
        places = [prediction.place[row] for row in rows]
        p_BnD = bit_probabilities(prediction.logits_UnD2, self.sampling)[torch.tensor(places, device=device)]
        bits_BnD = draw(p_BnD)
        code_BdHW = codes(to_map(bits_BnD, self.schedule.grids[k], self.patch))
        index = torch.tensor(rows, device=device)
        features_BdHW = prefixes.features_BdHW[index] + resize(code_BdHW, self.latent_grids[-1])
        log_prob_B = prefixes.log_prob_B[index] + log_probability(bits_BnD, p_BnD)
        grown = Prefixes(tuple(prefixes.prompts[row] for row in rows), k + 1, features_BdHW, log_prob_B,
                         prediction.segment, tuple(places))
        return grown, bits_BnD
