"""Models of both families with one matrix for a network: their states are the real models', every FLOP of theirs is counted.

A property that no network has a part in is tested on these: searches over them take a tenth of the time. They compute in float64,
in which no batch rounds differently.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from torch.nn import functional

from harness.compute.ledger import Cost
from models.base import Images, ModelCard, Row
from models.diffusion.generator import DiffusionGenerator, diffusion_generator
from models.diffusion.schedule import FlowEuler, Step, of_rows
from models.pixels import floored
from models.prefix_state import PrefixState, distinct_prompts
from models.row_checks import check_finished, check_seeds
from models.small_previews import SETTING, shrunk, smaller

CHANNELS, PIXELS = 4, 4
"""Of a cell of latents, and of each side of it in the image."""


def matrix(seed: int, rows: int, columns: int) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


WORDS_VC = matrix(0, 16, CHANNELS)
READING, NETWORK, PICTURE = (matrix(seed, CHANNELS, columns) for seed, columns in ((1, CHANNELS), (2, CHANNELS), (3, 3 * PIXELS**2)))


def words_TC(text: str, length: int | None = None) -> torch.Tensor:
    """A vector for every word and one for the end, or for as many places as a text is padded to."""
    words = [*text.split(), "."]
    words += ["."] * ((length or len(words)) - len(words))
    return WORDS_VC[[sum(map(ord, word)) % len(WORDS_VC) for word in words[:length]]]


def picture(latents_NCHW: torch.Tensor) -> torch.Tensor:
    """Every cell of latents as a square of pixels."""
    cells_NHWP = latents_NCHW.double().permute(0, 2, 3, 1) @ PICTURE
    return functional.pixel_shuffle(cells_NHWP.permute(0, 3, 1, 2), PIXELS) / 4


def picture_flops(side: int) -> int:
    return 2 * side**2 * PICTURE.numel()


@dataclass(frozen=True)
class Read:
    """Prompts of different lengths."""

    prompts: tuple[str, ...]
    text_tokens: tuple[int, ...]
    text: tuple[torch.Tensor, ...]


@dataclass(frozen=True)
class Grown:
    """Distinct prefixes: the sum of their codes, and the log-probability of their bits."""

    step: int
    prompts: tuple[int, ...]
    features_BCHW: torch.Tensor
    log_prob_B: torch.Tensor


class Scales:
    """Bits scale by scale, guided, so that a prediction is two forwards; its price goes by the scale and by the prompt's length."""

    device = torch.device("cpu")

    def __init__(self, sides: Sequence[int]) -> None:
        self.sides, self.shrink = tuple(sides), 1
        pixels = (sides[-1] * PIXELS,) * 2
        self.card = ModelCard("one-matrix-scales", "ar", "shapes", len(sides), pixels, 1, "0" * 64, "apache-2.0", {})

    def with_previews(self, shrink: int) -> Scales:
        smaller((self.sides[-1],) * 2, shrink, self.card.name)
        other = copy(self)
        other.shrink, other.card = shrink, replace(self.card, settings={SETTING: shrink})
        return other

    def encode(self, prompts: Sequence[str]) -> Read:
        return Read(tuple(prompts), self.text_tokens(prompts), tuple(words_TC(text) @ READING for text in prompts))

    def text_tokens(self, prompts: Sequence[str]) -> tuple[int, ...]:
        return tuple(len(text.split()) + 1 for text in prompts)

    def start(self, conditioning: Read, rows: Sequence[Row]) -> Any:
        prompts, source = distinct_prompts(rows, len(conditioning.prompts))
        empty_BCHW = torch.zeros(len(prompts), CHANNELS, self.sides[-1], self.sides[-1], dtype=torch.float64)
        return PrefixState(conditioning, tuple(rows), len(self.sides), Grown(0, tuple(prompts), empty_BCHW, empty_BCHW[:, 0, 0, 0]), source)

    def predict(self, state: Any) -> Any:
        """Logits of the next scale's bits for the prefixes that have rows: each cell, with and without its prompt's words."""
        if not state.pending:
            return state
        drawn, logits = state.prefixes, {}
        for prompt in dict.fromkeys(row.prompt for row in state.rows):
            places = sorted({place for place in state.source if drawn.prompts[place] == prompt})
            cells_UCn = functional.adaptive_avg_pool2d(drawn.features_BCHW[places], self.sides[state.step]).flatten(2)
            text_TC = state.conditioning.text[prompt]
            both_2UnC = (torch.cat([cells_UCn, cells_UCn]) + text_TC.mean(0)[:, None]).mT
            told_2UnC = (both_2UnC @ text_TC.mT).softmax(-1) @ text_TC
            with_UnC, without_UnC = ((both_2UnC + told_2UnC) @ NETWORK).chunk(2)
            logits |= dict(zip(places, 2 * with_UnC - 0.5 * without_UnC, strict=True))
        return replace(state, prediction=logits)

    def draw(self, state: Any, seeds: Sequence[int]) -> Any:
        check_seeds(seeds, state.rows)
        logits_BnC = torch.stack([state.prediction_to_draw()[place] for place in state.source])
        chance_BnC = torch.stack([
            torch.rand(logits_BnC.shape[1:], generator=torch.Generator().manual_seed(seed), dtype=torch.float64) for seed in seeds
        ])  # fmt: skip
        signs_BnC = torch.where(chance_BnC < logits_BnC.sigmoid(), 1.0, -1.0)
        side, source = self.sides[state.step], list(state.source)
        codes_BCHW = functional.interpolate(signs_BnC.mT.unflatten(2, (side, side)), (self.sides[-1],) * 2)
        log_prob_B = state.prefixes.log_prob_B[source] + functional.logsigmoid(signs_BnC * logits_BnC).sum((1, 2))
        grown = Grown(
            state.step + 1, tuple(row.prompt for row in state.rows),
            state.prefixes.features_BCHW[source] + codes_BCHW / (1 + state.step), log_prob_B,
        )  # fmt: skip
        return replace(state, prefixes=grown, source=tuple(range(len(source))), prediction=None)

    def select(self, state: Any, indices: Sequence[int]) -> Any:
        return state.select(indices)

    def log_prob(self, state: Any) -> torch.Tensor:
        return state.prefixes.log_prob_B[list(state.source)]

    def preview(self, state: Any) -> Images:
        return self._images(state, self.shrink)

    def decode(self, state: Any) -> Images:
        check_finished(state.step, state.steps)
        return self._images(state, 1)

    def _images(self, state: Any, shrink: int) -> Images:
        return floored(picture(shrunk(state.prefixes.features_BCHW[list(state.source)], shrink)))

    def price(self, operation: str, step: int = 0, text_tokens: int = 0) -> Cost:
        if operation == "predict":
            words, network = 4 * text_tokens * CHANNELS, 2 * NETWORK.numel()
            return Cost(forwards=2, model_flops=2 * self.sides[step] ** 2 * (words + network))
        side = self.sides[-1]
        return {
            "encode": Cost(text_flops=2 * text_tokens * READING.numel()), "draw": Cost(nfe=1),
            "preview": Cost(decode_flops=picture_flops(side // self.shrink)),
            "decode": Cost(decode_flops=picture_flops(side), images=1),
        }[operation]  # fmt: skip


class Flow:
    """`models.diffusion.adapter.Adapter` of a velocity that is one matrix; its images are those of `Scales` in size."""

    dtype = torch.float32
    text_tokens = 6

    def __init__(self, steps: int, side: int) -> None:
        self.schedule = FlowEuler(FlowMatchEulerDiscreteScheduler(), steps, side**2)
        self.transformer = torch.nn.Linear(1, 1)
        self.settings: dict[str, Any] = {"steps": steps}
        self.latent_size = (side, side)
        self.image_size = self.made_size = (side * PIXELS,) * 2

    def encode(self, prompts: Sequence[str]) -> tuple[torch.Tensor, ...]:
        return (torch.stack([words_TC(text, self.text_tokens) @ READING for text in prompts]).mean(1),)

    def truncated(self, prompts: Sequence[str]) -> tuple[bool, ...]:
        return (False,) * len(prompts)

    def noise(self, generator: torch.Generator) -> torch.Tensor:
        return torch.randn(1, CHANNELS, *self.latent_size, generator=generator)

    def forward(self, latents_UX: torch.Tensor, text_U: tuple[torch.Tensor, ...], step: Step) -> torch.Tensor:
        time_U = of_rows(self.schedule.timesteps_K, step, len(latents_UX)) / 1000
        told_UHWC = latents_UX.double().permute(0, 2, 3, 1) + (text_U[0] + time_U[:, None])[:, None, None]
        return (latents_UX - (told_UHWC @ NETWORK).tanh().permute(0, 3, 1, 2)).float()

    def decode(self, latents_NX: torch.Tensor, shrink: int = 1) -> torch.Tensor:
        return picture(shrunk(latents_NX, shrink))

    def embed(self, images_NCHW: torch.Tensor) -> torch.Tensor:
        return (functional.pixel_unshuffle(images_NCHW.double(), PIXELS).permute(0, 2, 3, 1) @ PICTURE.mT).permute(0, 3, 1, 2).float()

    def prediction(self, step: int) -> Cost:
        return Cost(forwards=1, model_flops=2 * self.latent_size[0] ** 2 * NETWORK.numel())

    def decoder_flops(self, shrink: int = 1) -> int:
        return picture_flops(self.latent_size[0] // shrink)

    def embedder_flops(self) -> int:
        return picture_flops(self.latent_size[0])

    def text_flops(self) -> int:
        return 2 * self.text_tokens * READING.numel()


def flow_generator(steps: int, side: int) -> DiffusionGenerator:
    return diffusion_generator(Flow(steps, side), name="one-matrix-flow", domain="shapes", licence="apache-2.0", weights_sha256="0" * 64)
