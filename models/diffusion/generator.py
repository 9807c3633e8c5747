"""The generator protocol over any diffusion model: what the families share; what differs is an `Adapter` (models/diffusion/adapter.py)."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace

import torch

from harness.compute.ledger import Cost
from models.base import Domain, Images, ModelCard, Operation, Row, first_step
from models.diffusion.adapter import Adapter
from models.diffusion.state import DiffusionConditioning, DiffusionState, joined
from models.offload import device_of
from models.pixels import images_at_once, rounded
from models.row_checks import check_finished, check_seeds, check_start, predicted
from models.small_previews import SETTING, smaller
from models.text_length import cut_off_unsaid, refuse_cut_negative


class DiffusionGenerator:
    """A diffusion model cut into the operations of `models.base.Generator`.

    Also `Perturbable`, `Stochastic`, `Renoisable`, `Mutable`, `Mixed`, `Refinable` and `SmallPreviews`.

    A negative prompt belongs to the model, not to a prompt: the adapter encodes it once when built; no price holds it.
    """

    def __init__(self, adapter: Adapter, card: ModelCard) -> None:
        """Raises WrongInput for a negative prompt whose end no text encoder would read."""
        self.adapter, self.card = adapter, card
        self._predictions = tuple(adapter.prediction(step) for step in range(card.steps))
        negative = adapter.settings.get("negative_prompt")
        if negative and self._predictions[0].forwards > 1:  # without guidance it is not read
            refuse_cut_negative(card.name, *adapter.truncated([negative]))
        self._preview_shrink = 1
        decoding = Cost(decode_flops=adapter.decoder_flops())
        self._prices: dict[str, Cost] = {
            "encode": Cost(text_flops=adapter.text_flops()),
            "draw": Cost(nfe=1),
            "preview": decoding,
            "decode": decoding + Cost(images=1),
            "embed": Cost(decode_flops=adapter.embedder_flops()),
        }

    def with_previews(self, shrink: int) -> DiffusionGenerator:
        """The same model with smaller previews, its weights shared. Raises WrongInput."""
        smaller(self.adapter.latent_size, shrink, self.card.name)
        other = copy(self)
        other._preview_shrink = shrink
        other.card = replace(self.card, settings={**self.card.settings, SETTING: shrink})
        other._prices = {**self._prices, "preview": Cost(decode_flops=self.adapter.decoder_flops(shrink))}
        return other

    @property
    def device(self) -> torch.device:
        return device_of(self.adapter.transformer)

    @torch.inference_mode()
    def encode(self, prompts: Sequence[str]) -> DiffusionConditioning:
        """Text features of each prompt, computed once per prompt."""
        with cut_off_unsaid():
            text = self.adapter.encode(list(prompts))
        return DiffusionConditioning(tuple(prompts), self.text_tokens(prompts), text, self.truncated(prompts))

    def text_tokens(self, prompts: Sequence[str]) -> tuple[int, ...]:
        """Text tokens of each prompt, padding included: the same for all."""
        return (self.adapter.text_tokens,) * len(prompts)

    def truncated(self, prompts: Sequence[str]) -> tuple[bool, ...]:
        """Whether the end of each prompt is not read."""
        return self.adapter.truncated(list(prompts))

    def noise(self, seeds: Sequence[int]) -> torch.Tensor:
        """Initial noise of each seed, exactly what `start` draws: float32 [B, ...] on the CPU."""
        generator = torch.Generator("cpu")
        return torch.cat([self.adapter.noise(generator.manual_seed(seed)) for seed in seeds])

    def start(self, conditioning: DiffusionConditioning, rows: Sequence[Row]) -> DiffusionState:
        """Rows of noise drawn from each row's seed. Raises ValueError for no rows or a prompt that is not there."""
        check_start(rows, len(conditioning.prompts))
        return self.start_from(conditioning, rows, self.noise([row.seed for row in rows]))

    def start_from(
        self, conditioning: DiffusionConditioning, rows: Sequence[Row], noise_BX: torch.Tensor
    ) -> DiffusionState:
        """Rows that start from the given noise. Raises ValueError when its shape is not that of `noise(seeds)`."""
        check_start(rows, len(conditioning.prompts))
        expected = (len(rows), *self.adapter.noise(torch.Generator("cpu")).shape[1:])
        if tuple(noise_BX.shape) != expected:
            raise ValueError(
                f"noise of shape {tuple(noise_BX.shape)}, these rows need {expected}; take it from noise(seeds)"
            )
        latents_BX = self.adapter.schedule.begin(noise_BX.to(self.device, self.adapter.dtype))
        return self._state(conditioning, rows, 0, latents_BX)

    @torch.inference_mode()
    def start_image(
        self, conditioning: DiffusionConditioning, rows: Sequence[Row], images: Images, strength: float
    ) -> DiffusionState:
        """One image a row, noised from the row's seed to the step that diffusers' image-to-image pipelines start at."""
        check_start(rows, len(conditioning.prompts))
        expected = (len(rows), 3, *self.adapter.image_size)
        if tuple(images.shape) != expected:
            raise ValueError(f"images of shape {tuple(images.shape)}, these rows need {expected}; give one a row at this size")
        schedule = self.adapter.schedule
        step = first_step(strength, schedule.steps)
        pictures = (images.to(self.device).float() / 127.5 - 1).to(self.adapter.dtype)
        x0_BX = torch.cat([self.adapter.embed(chunk) for chunk in pictures.split(self._chunk)])
        noise_BX = self.noise([row.seed for row in rows]).to(self.device)
        latents_BX = schedule.noised(x0_BX, step, noise_BX).to(self.adapter.dtype)
        return self._state(conditioning, rows, step, latents_BX)

    def _state(
        self, conditioning: DiffusionConditioning, rows: Sequence[Row], step: int, latents_BX: torch.Tensor
    ) -> DiffusionState:
        return DiffusionState(
            conditioning=conditioning,
            rows=tuple(rows),
            step=step,
            steps=self.adapter.schedule.steps,
            latents_UX=latents_BX,
            prompt_U=torch.tensor([row.prompt for row in rows], device=self.device),
            source=tuple(range(len(rows))),
        )

    @torch.inference_mode()
    def predict(self, state: DiffusionState) -> DiffusionState:
        """One guided transformer pass for each distinct latents; a no-op on predicted and on finished rows."""
        if not state.pending:
            return state
        latents_UX = self.adapter.schedule.model_input(state.latents_UX, state.step)
        return replace(state, prediction_UX=self.adapter.forward(latents_UX, state.text_U(), state.step))

    @torch.inference_mode()
    def predict_all(self, states: Sequence[DiffusionState]) -> list[DiffusionState]:
        """`predict` of states at any steps: one pass for all whose rows take as many sequences."""
        after, groups = list(states), dict[int, list[int]]()
        for place, state in enumerate(states):
            if state.pending:
                groups.setdefault(self._predictions[state.step].forwards, []).append(place)
        for places in groups.values():
            for place, own in zip(places, self._predicted_together([states[place] for place in places]), strict=True):
                after[place] = own
        return after

    def _predicted_together(self, states: Sequence[DiffusionState]) -> list[DiffusionState]:
        sizes = [len(state.latents_UX) for state in states]
        steps = tuple(state.step for state, size in zip(states, sizes, strict=True) for _ in range(size))
        inputs = [self.adapter.schedule.model_input(state.latents_UX, state.step) for state in states]
        text_U = tuple(torch.cat(tensors) for tensors in zip(*(state.text_U() for state in states), strict=True))
        prediction_UX = self.adapter.forward(torch.cat(inputs), text_U, steps if len(set(steps)) > 1 else steps[0])
        return [replace(state, prediction_UX=own) for state, own in zip(states, prediction_UX.split(sizes), strict=True)]

    @torch.inference_mode()
    def draw(self, state: DiffusionState, seeds: Sequence[int]) -> DiffusionState:
        """The scheduler's step; seeds matter only to a stochastic schedule. Raises ValueError as in the protocol."""
        check_seeds(seeds, state.rows)
        prediction_UX = predicted(state.prediction_UX, state.step, state.steps)
        schedule = self.adapter.schedule
        if not schedule.stochastic:
            latents_UX, memory_UX = schedule.advance(state.latents_UX, prediction_UX, state.step, state.memory_UX)
            return replace(
                state, step=state.step + 1, latents_UX=latents_UX, prediction_UX=None, memory_UX=memory_UX
            )
        noise_BX = self.noise(seeds).to(self.device)
        latents_BX, prediction_BX = state.spread(state.latents_UX), state.spread(prediction_UX)
        return state.parted(state.step + 1, schedule.step(latents_BX, prediction_BX, state.step, noise_BX))

    @torch.inference_mode()
    def draw_stochastic(self, state: DiffusionState, seeds: Sequence[int], level: float) -> DiffusionState:
        """The schedule's SDE step, one seed a row; level 0 is `draw`. Raises ValueError as in the protocol."""
        if not 0 <= level <= 1:
            raise ValueError(f"level {level:g} of noise is outside 0 to 1; 0 is the deterministic step, 1 the whole SDE")
        if level == 0:
            return self.draw(state, seeds)
        check_seeds(seeds, state.rows)
        prediction_BX = state.spread(predicted(state.prediction_UX, state.step, state.steps))
        latents_BX, noise_BX = state.spread(state.latents_UX), self.noise(seeds).to(self.device)
        stepped_BX = self.adapter.schedule.sde_step(latents_BX, prediction_BX, state.step, level, noise_BX)
        return state.parted(state.step + 1, stepped_BX)

    @torch.inference_mode()
    def renoise(self, state: DiffusionState, step: int, seeds: Sequence[int]) -> DiffusionState:
        """Rows at an earlier step, one seed a row; no transformer pass. Raises ValueError as in the protocol."""
        check_seeds(seeds, state.rows, "renoise")
        if not 0 <= step < state.step:
            raise ValueError(f"renoise to step {step} from step {state.step}; the step must be an earlier one, 0 or more")
        latents_BX, noise_BX = state.spread(state.latents_UX), self.noise(seeds).to(self.device)
        renoised_BX = self.adapter.schedule.renoised(latents_BX, state.step, step, noise_BX)
        return state.parted(step, renoised_BX.to(self.adapter.dtype))

    @torch.inference_mode()
    def mutate(self, state: DiffusionState, seeds: Sequence[int], rate: float) -> DiffusionState:
        """Rows near their own latents, one seed a row; no transformer pass. Raises ValueError as in the protocol."""
        check_seeds(seeds, state.rows, "mutate")
        latents_BX, noise_BX = state.spread(state.latents_UX), self.noise(seeds).to(self.device)
        mutated_BX = self.adapter.schedule.mutated(latents_BX, state.step, rate, noise_BX)
        return state.parted(state.step, mutated_BX.to(self.adapter.dtype))

    def join(self, states: Sequence[DiffusionState]) -> DiffusionState:
        """The rows of several states, in order. Raises ValueError where they are not at one step or differ in what is predicted."""
        return joined(states)

    def select(self, state: DiffusionState, indices: Sequence[int]) -> DiffusionState:
        """Rows by index, with repetition; copies share latents and prediction."""
        return state.select(indices)

    @torch.inference_mode()
    def preview(self, state: DiffusionState) -> Images:
        """The decoded x0-prediction of each row, or of finished rows what they are. Raises ValueError when unpredicted."""
        if state.step == state.steps:
            return self._images(state.spread(state.latents_UX), self._preview_shrink)
        prediction_UX = predicted(state.prediction_UX, state.step, state.steps, "preview")
        x0_UX = self.adapter.schedule.x0(state.latents_UX, prediction_UX, state.step)
        return self._images(state.spread(x0_UX.to(self.adapter.dtype)), self._preview_shrink)

    @torch.inference_mode()
    def decode(self, state: DiffusionState) -> Images:
        """Finished rows as images. Raises ValueError before step K."""
        check_finished(state.step, state.steps)
        return self._images(state.spread(state.latents_UX))

    def price(self, operation: Operation, step: int = 0, text_tokens: int = 0) -> Cost:
        """Price of one row, of one prompt for "encode"; the prompt does not change it. Raises ValueError."""
        if operation == "predict":
            return self._prediction(step)
        if operation not in self._prices:
            raise ValueError(f"no price for operation {operation!r}; use one of predict, {', '.join(self._prices)}")
        return self._prices[operation]

    def _prediction(self, step: int) -> Cost:
        if not 0 <= step < len(self._predictions):
            raise ValueError(f"no predict at step {step} of {len(self._predictions)}; use 0 to {len(self._predictions) - 1}")
        return self._predictions[step]

    @property
    def _chunk(self) -> int:
        """Images that go through the VAE at once."""
        return images_at_once(*self.adapter.made_size)

    def _images(self, latents_NX: torch.Tensor, shrink: int = 1) -> Images:
        parts = latents_NX.split(self._chunk)
        return torch.cat([rounded(self.adapter.decode(part, shrink)) for part in parts])


def diffusion_generator(
    adapter: Adapter, *, name: str, domain: Domain, licence: str, weights_sha256: str
) -> DiffusionGenerator:
    """A generator with its card over an adapter that already is where it shall run."""
    card = ModelCard(
        name=name,
        family="diffusion",
        domain=domain,
        steps=adapter.schedule.steps,
        image_size=adapter.image_size,
        parameters=sum(parameter.numel() for parameter in adapter.transformer.parameters()),
        weights_sha256=weights_sha256,
        licence=licence,
        settings=adapter.settings,
    )
    return DiffusionGenerator(adapter, card)
