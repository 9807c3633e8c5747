"""The generator protocol over any diffusion model: what the families share; what differs is an `Adapter`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import torch

from harness.ledger import Cost
from models.base import Images, ModelCard, Operation, Row
from models.diffusion.state import DiffusionConditioning, DiffusionState

_DECODE_PIXELS = 8 * 1024 * 1024
"""Pixels decoded at once: the activations of a VAE decoder are what fills a device first."""


class Schedule(Protocol):
    """A sampler's steps as pure functions of (latents, prediction, step)."""

    steps: int
    timesteps_K: torch.Tensor
    """What the transformer is told about each step, float32 on the model's device."""
    stochastic: bool
    """Whether a step takes fresh noise; if not, copies of a row stay equal for ever."""

    def x0(self, latents: torch.Tensor, prediction: torch.Tensor, step: int) -> torch.Tensor: ...

    def step(
        self, latents: torch.Tensor, prediction: torch.Tensor, step: int, noise: torch.Tensor | None = None
    ) -> torch.Tensor: ...


class Adapter(Protocol):
    """What a family of diffusion models has to say about itself; everything else is `DiffusionGenerator`'s."""

    schedule: Schedule
    transformer: torch.nn.Module
    image_size: tuple[int, int]
    """Height and width in pixels."""
    text_tokens: int
    """Text tokens the transformer attends to, padding included: the same for every prompt."""
    forwards: int
    """Sequences through the transformer for one prediction of one row: 2 with classifier-free guidance, otherwise 1."""
    settings: dict[str, Any]
    dtype: torch.dtype

    def encode(self, prompts: Sequence[str]) -> tuple[torch.Tensor, ...]:
        """Text features, each tensor with the prompts as its first dimension."""
        ...

    def noise(self, generator: torch.Generator) -> torch.Tensor:
        """Noise of one row in the latents' shape [1, ...]: float32 on the CPU, drawn as the pipeline draws it."""
        ...

    def forward(self, latents_UX: torch.Tensor, text_U: tuple[torch.Tensor, ...], step: int) -> torch.Tensor:
        """The guided prediction of this step, in the latents' shape."""
        ...

    def decode(self, latents_NX: torch.Tensor) -> torch.Tensor:
        """Finished latents -> images [N, 3, H, W] in -1 to 1 (may overshoot)."""
        ...

    def transformer_flops(self) -> int:
        """One prediction of one row, all its forwards."""
        ...

    def decoder_flops(self) -> int:
        """One image."""
        ...

    def text_flops(self) -> int:
        """One prompt."""
        ...


class DiffusionGenerator:
    """A diffusion model cut into the operations of `models.base.Generator`; also `Perturbable`.

    A negative prompt belongs to the model, not to a prompt: the adapter encodes it once when built; no price holds it.
    """

    def __init__(self, adapter: Adapter, card: ModelCard) -> None:
        self.adapter, self._card = adapter, card
        decoding = Cost(decode_flops=adapter.decoder_flops())
        self._prices: dict[str, Cost] = {
            "encode": Cost(text_flops=adapter.text_flops()),
            "predict": Cost(forwards=adapter.forwards, model_flops=adapter.transformer_flops()),
            "draw": Cost(nfe=1),
            "preview": decoding,
            "decode": decoding + Cost(images=1),
        }

    @property
    def card(self) -> ModelCard:
        return self._card

    @property
    def device(self) -> torch.device:
        return next(self.adapter.transformer.parameters()).device

    @torch.inference_mode()
    def encode(self, prompts: Sequence[str]) -> DiffusionConditioning:
        """Text features of each prompt, computed once per prompt."""
        text = self.adapter.encode(list(prompts))
        return DiffusionConditioning(tuple(prompts), self.text_tokens(prompts), text)

    def text_tokens(self, prompts: Sequence[str]) -> tuple[int, ...]:
        """Text tokens of each prompt, padding included: the same for all."""
        return (self.adapter.text_tokens,) * len(prompts)

    def noise(self, seeds: Sequence[int]) -> torch.Tensor:
        """Initial noise of each seed, exactly what `start` draws: float32 [B, ...] on the CPU."""
        generator = torch.Generator("cpu")
        return torch.cat([self.adapter.noise(generator.manual_seed(seed)) for seed in seeds])

    def start(self, conditioning: DiffusionConditioning, rows: Sequence[Row]) -> DiffusionState:
        """Rows of noise drawn from each row's seed. Raises ValueError for no rows or a prompt that is not there."""
        _check_rows(conditioning, rows)
        return self.start_from(conditioning, rows, self.noise([row.seed for row in rows]))

    def start_from(
        self, conditioning: DiffusionConditioning, rows: Sequence[Row], noise_BX: torch.Tensor
    ) -> DiffusionState:
        """Rows that start from the given noise. Raises ValueError when its shape is not that of `noise(seeds)`."""
        _check_rows(conditioning, rows)
        expected = (len(rows), *self.adapter.noise(torch.Generator("cpu")).shape[1:])
        if tuple(noise_BX.shape) != expected:
            raise ValueError(
                f"noise of shape {tuple(noise_BX.shape)}, these rows need {expected}; take it from noise(seeds)"
            )
        return DiffusionState(
            conditioning=conditioning,
            rows=tuple(rows),
            step=0,
            steps=self.adapter.schedule.steps,
            latents_UX=noise_BX.to(self.device, self.adapter.dtype),
            prompt_U=torch.tensor([row.prompt for row in rows], device=self.device),
            source=tuple(range(len(rows))),
        )

    @torch.inference_mode()
    def predict(self, state: DiffusionState) -> DiffusionState:
        """One guided transformer pass for each distinct latents; a no-op on predicted and on finished rows."""
        if not state.pending:
            return state
        return replace(state, prediction_UX=self.adapter.forward(state.latents_UX, state.text_U(), state.step))

    @torch.inference_mode()
    def draw(self, state: DiffusionState, seeds: Sequence[int]) -> DiffusionState:
        """The scheduler's step; seeds matter only to a stochastic schedule. Raises ValueError as in the protocol."""
        if len(seeds) != len(state.rows):
            raise ValueError(f"{len(seeds)} seeds for {len(state.rows)} rows; give draw one seed a row")
        prediction_UX = _predicted(state, "draw")
        schedule = self.adapter.schedule
        if not schedule.stochastic:
            latents_UX = schedule.step(state.latents_UX, prediction_UX, state.step)
            return replace(state, step=state.step + 1, latents_UX=latents_UX, prediction_UX=None)
        noise_BX = self.noise(seeds).to(self.device)
        latents_BX, prediction_BX = state.spread(state.latents_UX), state.spread(prediction_UX)
        return replace(
            state,
            step=state.step + 1,
            latents_UX=schedule.step(latents_BX, prediction_BX, state.step, noise_BX),
            prompt_U=state.spread(state.prompt_U),
            source=tuple(range(len(state.rows))),
            prediction_UX=None,
        )

    def select(self, state: DiffusionState, indices: Sequence[int]) -> DiffusionState:
        """Rows by index, with repetition; copies share latents and prediction."""
        return state.select(indices)

    @torch.inference_mode()
    def preview(self, state: DiffusionState) -> Images:
        """The decoded x0-prediction of each row; of finished rows the image. Raises ValueError when unpredicted."""
        if state.step == state.steps:
            return self.decode(state)
        prediction_UX = _predicted(state, "preview")
        x0_UX = self.adapter.schedule.x0(state.latents_UX, prediction_UX, state.step)
        return self._images(state.spread(x0_UX.to(self.adapter.dtype)))

    @torch.inference_mode()
    def decode(self, state: DiffusionState) -> Images:
        """Finished rows as images. Raises ValueError before step K."""
        if state.step != state.steps:
            raise ValueError(f"decode at step {state.step} of {state.steps}; finish the rows or use preview")
        return self._images(state.spread(state.latents_UX))

    def price(self, operation: Operation, step: int = 0, text_tokens: int = 0) -> Cost:
        """Price of one row, of one prompt for "encode"; neither step nor prompt changes it. Raises ValueError."""
        if operation not in self._prices:
            raise ValueError(f"no price for operation {operation!r}; use one of {', '.join(self._prices)}")
        return self._prices[operation]

    def _images(self, latents_NX: torch.Tensor) -> Images:
        height, width = self.adapter.image_size
        chunks = latents_NX.split(max(1, _DECODE_PIXELS // (height * width)))
        return torch.cat([_to_bytes(self.adapter.decode(chunk)) for chunk in chunks])


def _to_bytes(image_NCHW: torch.Tensor) -> Images:
    """-1 to 1 -> uint8 as diffusers' VaeImageProcessor rounds it, so that the bytes are a pipeline's."""
    return (image_NCHW * 0.5 + 0.5).clamp(0, 1).float().mul(255).round().to(torch.uint8).cpu()


def _check_rows(conditioning: DiffusionConditioning, rows: Sequence[Row]) -> None:
    if not rows:
        raise ValueError("start got no rows; a state holds at least one")
    prompts = len(conditioning.prompts)
    wrong = [row.prompt for row in rows if not 0 <= row.prompt < prompts]
    if wrong:
        raise ValueError(f"row names prompt {wrong[0]}, the conditioning holds {prompts}; use 0 to {prompts - 1}")


def _predicted(state: DiffusionState, operation: str) -> torch.Tensor:
    if state.step == state.steps:
        raise ValueError(f"{operation} on rows finished at step {state.steps}; decode them")
    if state.prediction_UX is None:
        raise ValueError(f"{operation} at step {state.step} on rows without a prediction; call predict first")
    return state.prediction_UX
