"""Janus behind the generator protocol: image tokens in raster order, a step is a row of them.

A token needs the one before it, so the passes within a row follow its own draws: `predict` is the pass before a row
(the prompt, or the last token of the row above), once per distinct prefix; `draw` samples a row and runs the passes
between its tokens, and carries their price.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TypeAlias

import torch
from torch import Tensor

from harness.compute.ledger import Cost
from models.base import Domain, Images, ModelCard, Operation, Row
from models.janus.flops import decoder_flops, read_flops, token_flops
from models.janus.network import JanusNetwork
from models.janus.prompts import JanusPrompts
from models.janus.rollout import RowPrediction, RowPrefixes, RowRollout
from models.janus.sampling import JanusSampling
from models.pixels import blanked, floored, images_at_once
from models.prefix_state import PrefixState, distinct_prompts
from models.row_checks import check_finished, check_seeds

JanusState: TypeAlias = PrefixState[RowPrefixes, RowPrediction]


@dataclass(frozen=True, slots=True, eq=False)
class JanusConditioning:
    """Prompts as token ids; the language model reads them in the first `predict`."""

    prompts: tuple[str, ...]
    ids: tuple[tuple[list[int], list[int]], ...]
    """Each prompt in its template, and its unconditional half."""
    text_truncated: tuple[bool, ...] = ()

    @property
    def text_tokens(self) -> tuple[int, ...]:
        return tuple(len(ids) for ids, _ in self.ids)


class JanusGenerator:
    """`models.base.Generator` and `Prefixed` over a Janus network that already is where it shall run.

    One candidate's step is as many function evaluations as a row has tokens: an image of Janus-Pro costs 24 * 24 = 576.
    """

    def __init__(self, network: JanusNetwork, prompts: JanusPrompts, sampling: JanusSampling, *, name: str,
                 domain: Domain, licence: str, weights_sha256: str) -> None:
        self.network, self.prompts, self.sampling = network.eval(), prompts, sampling
        self.rollout = RowRollout(network, sampling)
        self.card = ModelCard(
            name=name, family="ar", domain=domain, steps=network.side, image_size=(network.pixels, network.pixels),
            parameters=sum(parameter.numel() for parameter in network.language_model.parameters()),
            weights_sha256=weights_sha256, licence=licence,
            settings=asdict(sampling) | {"row_tokens": network.side, "dtype": str(network.codebook.weight.dtype)})

    @property
    def device(self) -> torch.device:
        return self.network.device

    def encode(self, prompts: Sequence[str]) -> JanusConditioning:
        """Token ids of each prompt in its template."""
        ids = self.prompts.ids(prompts)
        pairs = tuple((one, self.prompts.unconditional(one)) for one in ids)
        return JanusConditioning(tuple(prompts), pairs, self.truncated(prompts))

    def text_tokens(self, prompts: Sequence[str]) -> tuple[int, ...]:
        """Tokens of each prompt with its template."""
        return tuple(map(len, self.prompts.ids(prompts)))

    def truncated(self, prompts: Sequence[str]) -> tuple[bool, ...]:
        """Whether the end of each prompt is not read."""
        return self.prompts.truncated(prompts)

    def start(self, conditioning: JanusConditioning, rows: Sequence[Row]) -> JanusState:
        """Empty prefixes, one per prompt, whatever the number of rows. Raises ValueError for an unknown prompt."""
        prompts, source = distinct_prompts(rows, len(conditioning.prompts))
        return PrefixState(conditioning, tuple(rows), self.card.steps, self.rollout.start(prompts), source)

    def predict(self, state: JanusState) -> JanusState:
        """The pass before the next row, once per distinct prefix; a no-op on predicted and on finished rows."""
        if not state.pending:
            return state
        return replace(state, prediction=self.rollout.predict(state.prefixes, state.source, state.conditioning.ids))

    def draw(self, state: JanusState, seeds: Sequence[int]) -> JanusState:
        """A row of tokens, each candidate's from its own seed, with the passes between them. Raises ValueError."""
        check_seeds(seeds, state.rows)
        prefixes = self.rollout.extend(state.prefixes, state.prediction_to_draw(), state.source, seeds)
        return replace(state, prefixes=prefixes, source=tuple(range(len(state.rows))), prediction=None)

    def select(self, state: JanusState, indices: Sequence[int]) -> JanusState:
        """Rows by index, with repetition; prefixes and predictions are shared, nothing is copied."""
        return state.select(indices)

    def preview(self, state: JanusState) -> Images:
        """The decoded rows of tokens drawn so far; rows to come repeat the last one (grey before the first)."""
        return self._images(state)

    def decode(self, state: JanusState) -> Images:
        """Finished rows as images. Raises ValueError before step K."""
        check_finished(state.step, state.steps)
        return self._images(state)

    def log_prob(self, state: JanusState) -> Tensor:
        """Log-probability of each candidate's tokens as guided, tempered and filtered: float64 [B] on the CPU, in nats."""
        return state.prefixes.log_prob_B.cpu()[list(state.source)]

    def price(self, operation: Operation, step: int = 0, text_tokens: int = 0) -> Cost:
        """Static price of one row (one prompt for "encode"). Raises ValueError for an unknown operation or step.

        "draw" carries the passes between a row's tokens beside nfe, which counts every pass of the row.
        """
        config, side, halves = self.network.config, self.network.side, self.sampling.halves
        if operation in ("predict", "draw") and not 0 <= step < side:
            raise ValueError(f"no {operation} at step {step} of {side}; use 0 to {side - 1}")
        context = text_tokens + side * step
        if operation == "encode":
            return Cost()
        if operation == "predict":
            flops = token_flops(config, context, halves) if step else read_flops(config, text_tokens, halves)
            return Cost(forwards=halves, model_flops=flops)
        if operation == "draw":
            flops = sum(token_flops(config, context + column, halves) for column in range(1, side))
            return Cost(nfe=side, forwards=halves * (side - 1), model_flops=flops)
        if operation in ("preview", "decode"):
            return Cost(decode_flops=decoder_flops(config), images=1 if operation == "decode" else 0)
        raise ValueError(f"no price for operation {operation!r}; use encode, predict, draw, preview or decode")

    @torch.no_grad()
    def _images(self, state: JanusState) -> Images:
        size = images_at_once(self.network.pixels, self.network.pixels)
        source = torch.tensor(state.source, device=self.device)
        tokens_BN = state.prefixes.tokens_BN
        images = torch.cat([floored(self.network.pixels_of(tokens_BN[part])) for part in source.split(size)])
        return blanked(images, state.prefixes.log_prob_B[source])  # tokens are tokens, whatever the probabilities
