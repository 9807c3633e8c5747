"""Samplers as pure functions: no hidden step index that a search would have to fight."""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import deepcopy
from typing import TypeAlias

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.flux.pipeline_flux import calculate_shift

Step: TypeAlias = int | tuple[int, ...]
"""The step of all rows of a pass, or of each."""


def of_rows(values_K: torch.Tensor, step: Step, rows: int) -> torch.Tensor:
    """What a network is told about the step of each row [rows]; guidance's other half stands behind the rows and repeats them."""
    if isinstance(step, int):
        return values_K[step].expand(rows)
    return values_K[torch.tensor(step, device=values_K.device)].repeat(rows // len(step))


class Schedule(ABC):
    """The levels of one sampling run: after k draws a row is alpha_k x0 + sigma_k noise, k = 0 to K.

    Alphas and sigmas are float32 tensors of no dimension where the library's scheduler has them, on the CPU or on the
    model's device: torch rounds bf16 times either differently. Taking one is no read from the device.
    """

    stochastic = False
    """Whether `step` takes fresh noise; if not, copies of a row stay equal for ever."""

    def __init__(self, timesteps_K: torch.Tensor, alphas: torch.Tensor, sigmas: torch.Tensor) -> None:
        self.steps = len(timesteps_K)
        self.timesteps_K = timesteps_K
        """What the network is told about each step, on its device."""
        self.alphas: tuple[torch.Tensor, ...] = alphas.float().unbind()
        self.sigmas: tuple[torch.Tensor, ...] = sigmas.float().unbind()

    @abstractmethod
    def x0(self, latents: torch.Tensor, prediction: torch.Tensor, step: int) -> torch.Tensor:
        """The finished latents that this prediction points at, in float32."""

    @abstractmethod
    def step(
        self, latents: torch.Tensor, prediction: torch.Tensor, step: int, noise: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Latents at `step + 1`; a stochastic schedule needs `noise` of the latents' shape, or ValueError."""

    def advance(
        self, latents: torch.Tensor, prediction: torch.Tensor, step: int, memory: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """A deterministic `step`, and what the next one has to know of this one: nothing, but for multistep samplers."""
        return self.step(latents, prediction, step), None

    def begin(self, noise: torch.Tensor) -> torch.Tensor:
        """The latents of step 0 that the pipeline makes of unit noise."""
        return noise

    def model_input(self, latents: torch.Tensor, step: int) -> torch.Tensor:
        """What of the latents the transformer is given."""
        return latents

    def sde_step(
        self, latents: torch.Tensor, prediction: torch.Tensor, step: int, level: float, noise: torch.Tensor
    ) -> torch.Tensor:
        """Latents at `step + 1` by the SDE that has the marginals of the ODE, `level` times its noise.

        x' = alpha' x0 + sqrt(sigma'^2 - s^2) eps + s noise, where x0 and eps are what the prediction says the latents are
        made of and s = level (sigma' / sigma) sqrt(sigma^2 - (alpha sigma' / alpha')^2): DDIM's eta (Song et al.,
        arXiv 2010.02502, eq. 12 and 16) for any alpha and sigma. Level 1 is ancestral sampling of the forward process.
        For a flow, in the limit of small steps, it is the reverse-time SDE dx = (v - w/2 score) dt + sqrt(w) dW of Ma et al.
        (SiT, arXiv 2401.08740) with w = level^2 2 sigma / (1 - sigma), the noise of Flow-GRPO (arXiv 2505.05470, a =
        sqrt 2 level); as ancestral sampling does not depend on how a path is parametrised, level 1 is also the
        variance-preserving conversion of Kim et al. (RBF, arXiv 2503.19385). No noise is left in the last step.
        """
        alpha, sigma, alpha_next, sigma_next = self._pair(step, step + 1)
        x0 = self.x0(latents, prediction, step)
        eps = (latents.float() - alpha * x0) / sigma
        std = level * self.sde_std(step)
        kept = (sigma_next.square() - std.square()).clamp(min=0).sqrt()
        return (alpha_next * x0 + kept * eps + std * noise).to(prediction.dtype)

    def sde_std(self, step: int) -> torch.Tensor:
        """The noise that the SDE adds in going from `step` to the next."""
        alpha, sigma, alpha_next, sigma_next = self._pair(step, step + 1)
        fresh = sigma.square() - (alpha * sigma_next / alpha_next).square()
        return sigma_next / sigma * fresh.clamp(min=0).sqrt()

    def mutated(self, latents: torch.Tensor, step: int, rate: float, noise: torch.Tensor) -> torch.Tensor:
        """Latents of `step` moved as EvoSearch mutates them (arXiv 2505.17618), in float32."""
        if step == 0:
            return (1 - rate * rate) ** 0.5 * latents.float() + rate * self.begin(noise)
        return latents.float() + self.sde_std(step - 1) * noise

    def noised(self, x0: torch.Tensor, step: int, noise: torch.Tensor) -> torch.Tensor:
        """Finished latents with the noise of `step`, in float32."""
        return self.alphas[step] * x0.float() + self.sigmas[step] * noise

    def renoised(self, latents: torch.Tensor, step: int, earlier: int, noise: torch.Tensor) -> torch.Tensor:
        """Latents of `step` taken back to an earlier one by the forward process, in float32: the marginals are kept."""
        alpha, sigma, alpha_now, sigma_now = self._pair(earlier, step)
        shrink = alpha / alpha_now
        std = (sigma.square() - (shrink * sigma_now).square()).clamp(min=0).sqrt()
        return shrink * latents.float() + std * noise

    def _pair(self, first: int, second: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        return self.alphas[first], self.sigmas[first], self.alphas[second], self.sigmas[second]


class FlowEuler(Schedule):
    """Flow matching: x = (1 - sigma) x0 + sigma noise; the model predicts the velocity noise - x0 (arXiv 2210.02747).

    Equal to `FlowMatchEulerDiscreteScheduler.step` bit for bit. Raises TypeError for another scheduler.
    """

    def __init__(
        self,
        scheduler: FlowMatchEulerDiscreteScheduler,
        steps: int,
        image_tokens: int,
        device: torch.device | str = "cpu",
        even: bool = True,
    ) -> None:
        """`even`: sigmas are 1 to 1 / K before the shift, as FluxPipeline asks for; otherwise the scheduler's own."""
        if not isinstance(scheduler, FlowMatchEulerDiscreteScheduler):
            raise TypeError(
                f"scheduler {type(scheduler).__name__} is not a flow-matching Euler scheduler; "
                "save the pipeline with FlowMatchEulerDiscreteScheduler"
            )
        own = deepcopy(scheduler)
        config = own.config
        # The resolution-dependent shift of FluxPipeline.__call__; without dynamic shifting the scheduler ignores it.
        mu = calculate_shift(
            image_tokens,
            config.get("base_image_seq_len", 256),
            config.get("max_image_seq_len", 4096),
            config.get("base_shift", 0.5),
            config.get("max_shift", 1.15),
        )
        if even:
            own.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps).tolist(), mu=mu, device="cpu")
        else:
            own.set_timesteps(steps, mu=mu, device="cpu")
        sigmas = own.sigmas.to(device)
        super().__init__(own.timesteps.to(device), (1 - own.sigmas).to(device), sigmas)
        self.stochastic = bool(config.get("stochastic_sampling", False))
        self._deltas: tuple[torch.Tensor, ...] = sigmas.diff().unbind()

    def x0(self, latents: torch.Tensor, prediction: torch.Tensor, step: int) -> torch.Tensor:
        """The finished latents that this velocity points at, in float32."""
        return latents.float() - self.sigmas[step] * prediction

    def step(
        self, latents: torch.Tensor, prediction: torch.Tensor, step: int, noise: torch.Tensor | None = None
    ) -> torch.Tensor:
        """An Euler step; a stochastic schedule mixes fresh `noise` into the x0-prediction, or ValueError without it."""
        if not self.stochastic:
            return (latents.float() + self._deltas[step] * prediction).to(prediction.dtype)
        if noise is None:
            raise ValueError("a stochastic schedule needs noise for every step; pass noise of the latents' shape")
        sigma_next = self.sigmas[step + 1]
        return ((1.0 - sigma_next) * self.x0(latents, prediction, step) + sigma_next * noise).to(prediction.dtype)
