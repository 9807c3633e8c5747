"""Whole images for a batch of prompts in one call, with everything a comparison with the original needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from models.infinity.bits import to_tokens
from models.infinity.rollout import Rollout
from models.infinity.text import TextFeatures


@dataclass
class Generation:
    """What happened at each scale."""

    logits: list[Tensor] = field(default_factory=list)
    """[B, n, D, 2], guided and divided by the temperature, before the filters."""
    drawn: list[Tensor] = field(default_factory=list)
    """Bits that the model has drawn, bool [B, n, D]."""
    bits: list[Tensor] = field(default_factory=list)
    """Used bits, bool [B, n, D]: those that were drawn or, at the first scales, forced."""
    inputs: list[Tensor | None] = field(default_factory=list)
    """Features given to the transformer [B, n, D]; None for the first scale."""
    features: list[Tensor] = field(default_factory=list)
    """Sum of codes after each scale [B, d, H, W]; decode any of them."""


@torch.no_grad()
def generation(rollout: Rollout, text: TextFeatures, draw: Callable[[Tensor], Tensor], *,
             negative: TextFeatures | None = None, forced: Sequence[Tensor] = ()) -> Generation:
    """One image per prompt: all scales of the rollout's schedule.

    draw goes from probabilities [B, n, D] to bits (`sampling.draw_shared`, `draw_by_row`). forced: bits
    [B, d, h_k, w_k] on the VAE grid that replace the first scales' draws (the original's gt_leak); what they replace is drawn
    all the same, as a generator of random numbers has to move on.

    Raises ValueError for forced bits of another batch or more scales.
    """
    if len(forced) > len(rollout.schedule) or any(len(bits) != len(text.lengths) for bits in forced):
        raise ValueError(f"forced bits of {len(forced)} scales for {', '.join(str(len(bits)) for bits in forced)} rows: give one row "
                         f"for each of {len(text.lengths)} prompts, of at most {len(rollout.schedule)} scales")
    conditions = rollout.condition(text, rollout.transformer.condition(negative) if negative is not None else None)
    rows = list(range(len(text.lengths)))
    prefixes, record = rollout.start(rows), Generation()
    for k in range(len(rollout.schedule)):
        record.inputs.append(rollout.next_input(prefixes, torch.tensor(rows)) if k else None)
        prediction = rollout.predict(prefixes, rows, conditions)
        places = torch.tensor([prediction.place[row] for row in rows])
        record.logits.append(prediction.logits_UnD2[places])

        def draw_or_force(p_BnD: Tensor, k: int = k) -> Tensor:
            record.drawn.append(draw(p_BnD))
            return record.drawn[k] if k >= len(forced) else to_tokens(forced[k].float(), rollout.patch).bool()

        prefixes, bits_BnD = rollout.extend(prefixes, prediction, rows, draw_or_force)
        record.bits.append(bits_BnD)
        record.features.append(prefixes.features_BdHW)
    return record
