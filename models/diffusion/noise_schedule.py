"""Samplers of models that predict noise or v: DDIM and Euler, equal to diffusers' own steps bit for bit."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
)

from harness.errors import WrongInput
from models.diffusion.dpm_schedule import DpmSolver
from models.diffusion.schedule import FlowEuler, Schedule

Sampler: TypeAlias = Literal["published", "ddim", "euler", "flow-euler"]
"""Which steps are taken: those of the folder's own scheduler, or another's over the same noise levels."""


DDIM_STEPS = 1000
"""Noise levels that the published noise-predicting models were trained with: DDIM has no more steps."""


class Ddim(Schedule):
    """x = sqrt(a) x0 + sqrt(1 - a) noise and DDIM's deterministic step (Song et al., arXiv 2010.02502)."""

    def __init__(self, scheduler: DDIMScheduler, steps: int, device: torch.device | str = "cpu") -> None:
        config, products = scheduler.config, scheduler.alphas_cumprod
        if config.thresholding or config.clip_sample:
            raise ValueError("the DDIM scheduler clips its x0-prediction, which latents do not bear; set clip_sample to false")
        own = deepcopy(scheduler)
        own.set_timesteps(steps, device="cpu")
        self._velocity = _predicts_velocity(config)
        self._products = torch.cat([products[own.timesteps], scheduler.final_alpha_cumprod.reshape(1)]).unbind()
        before = own.timesteps - config.num_train_timesteps // steps
        self._next = [products[t] if t >= 0 else scheduler.final_alpha_cumprod for t in before.tolist()]
        alphas = torch.stack(list(self._products))
        super().__init__(own.timesteps.to(device), alphas.sqrt(), (1 - alphas).sqrt())

    def x0(self, latents: torch.Tensor, prediction: torch.Tensor, step: int) -> torch.Tensor:
        """The finished latents that this prediction points at, in float32."""
        return self._parts(latents.float(), prediction.float(), step)[0]

    def step(
        self, latents: torch.Tensor, prediction: torch.Tensor, step: int, noise: torch.Tensor | None = None
    ) -> torch.Tensor:
        """A deterministic DDIM step, in the latents' own precision as in the scheduler."""
        x0, eps = self._parts(latents, prediction, step)
        following = self._next[step]
        return following**0.5 * x0 + (1 - following) ** 0.5 * eps

    def _parts(self, latents: torch.Tensor, prediction: torch.Tensor, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """What the prediction says the latents are made of: x0 and noise."""
        product = self._products[step]
        left = 1 - product
        if self._velocity:
            x0 = product**0.5 * latents - left**0.5 * prediction
            return x0, product**0.5 * prediction + left**0.5 * latents
        return (latents - left**0.5 * prediction) / product**0.5, prediction


class Euler(Schedule):
    """x = x0 + sigma noise and Euler steps over sigma (Karras et al., arXiv 2206.00364)."""

    def __init__(self, scheduler: EulerDiscreteScheduler, steps: int, device: torch.device | str = "cpu") -> None:
        own = deepcopy(scheduler)
        own.set_timesteps(steps, device="cpu")
        self._velocity = _predicts_velocity(scheduler.config)
        self._begin = own.init_noise_sigma
        super().__init__(own.timesteps.to(device), torch.ones_like(own.sigmas), own.sigmas)

    def begin(self, noise: torch.Tensor) -> torch.Tensor:
        """Noise of the first sigma."""
        return noise * self._begin

    def model_input(self, latents: torch.Tensor, step: int) -> torch.Tensor:
        """The latents brought to unit variance."""
        return latents / ((self.sigmas[step] ** 2 + 1) ** 0.5)

    def x0(self, latents: torch.Tensor, prediction: torch.Tensor, step: int) -> torch.Tensor:
        """The finished latents that this prediction points at, in float32."""
        latents, sigma = latents.float(), self.sigmas[step]
        if self._velocity:
            return prediction * (-sigma / (sigma**2 + 1) ** 0.5) + latents / (sigma**2 + 1)
        return latents - sigma * prediction

    def step(
        self, latents: torch.Tensor, prediction: torch.Tensor, step: int, noise: torch.Tensor | None = None
    ) -> torch.Tensor:
        """An Euler step."""
        slope = (latents.float() - self.x0(latents, prediction, step)) / self.sigmas[step]
        stepped = latents.float() + slope * (self.sigmas[step + 1] - self.sigmas[step])
        return stepped.to(prediction.dtype)


def check_sampler(sampler: str) -> None:
    """Raise ValueError for a name that is none of `Sampler`'s."""
    if sampler not in get_args(Sampler):
        raise ValueError(f"scheduler {sampler!r} is unknown; use {', '.join(get_args(Sampler))}")


def check_sampler_fits(sampler: str, flow: bool) -> None:
    """Raise ValueError for a sampler of another kind than the model; `flow`: whether it is a flow-matching one."""
    if sampler != "published" and flow != (sampler == "flow-euler"):
        kind = "flow-matching" if flow else "noise-predicting"
        raise ValueError(f"scheduler {sampler!r} does not fit a {kind} model; use {'flow-euler' if flow else 'ddim or euler'}")


def is_flow(scheduler: Any) -> bool:
    """Whether a scheduler of diffusers is for a flow-matching model."""
    return isinstance(scheduler, FlowMatchEulerDiscreteScheduler) or bool(scheduler.config.get("use_flow_sigmas", False))


def check_schedule(folder: Path, scheduler: Any, flow: bool) -> None:
    """Refuse the scheduler of another kind of model; `flow`: whether the folder's is a flow-matching one. Raises WrongInput."""
    if is_flow(scheduler) != flow:
        own, model = ("noise", "a velocity") if flow else ("a velocity", "noise")
        raise WrongInput(f"{folder / 'scheduler'} is {type(scheduler).__name__}'s, for models that predict {own}, and this one predicts "
                         f"{model}: give the published folder")  # fmt: skip


def make_schedule(
    scheduler: Any, sampler: Sampler, steps: int, image_tokens: int, device: torch.device | str = "cpu"
) -> Schedule:
    """The steps of `sampler` over the noise levels that a published scheduler configures.

    DDIM takes trailing timesteps (Lin et al., arXiv 2305.08891), so that few steps start from pure noise.
    Raises ValueError for a scheduler that has no such form.
    """
    check_sampler(sampler)
    config = dict(scheduler.config)
    own: Any = scheduler
    flow = is_flow(scheduler)
    check_sampler_fits(sampler, flow)
    if sampler == "ddim":
        own = DDIMScheduler.from_config(config, timestep_spacing="trailing", clip_sample=False, set_alpha_to_one=True)
    elif sampler == "euler" and not isinstance(scheduler, EulerDiscreteScheduler):
        own = EulerDiscreteScheduler.from_config(config)
    elif sampler == "flow-euler" and not isinstance(scheduler, FlowMatchEulerDiscreteScheduler):
        own = FlowMatchEulerDiscreteScheduler(
            shift=config["flow_shift"], num_train_timesteps=config["num_train_timesteps"]
        )
    if isinstance(own, FlowMatchEulerDiscreteScheduler):
        return FlowEuler(own, steps, image_tokens, device, even=False)
    if isinstance(own, DDIMScheduler):
        return Ddim(own, steps, device)
    if isinstance(own, EulerDiscreteScheduler):
        return Euler(own, steps, device)
    if isinstance(own, DPMSolverMultistepScheduler):
        return DpmSolver(own, steps, device)
    raise ValueError(
        f"the folder's scheduler {type(own).__name__} is not offered; set scheduler={'flow-euler' if flow else 'ddim'}"
    )


def _predicts_velocity(config: Any) -> bool:
    if config.prediction_type not in ("epsilon", "v_prediction"):
        raise ValueError(f"prediction type {config.prediction_type!r} is unknown; use epsilon or v_prediction")
    return bool(config.prediction_type == "v_prediction")
