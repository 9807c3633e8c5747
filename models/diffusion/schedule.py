"""A flow-matching Euler scheduler as a pure function: no hidden step index that a search would have to fight."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.flux.pipeline_flux import calculate_shift


class FlowEuler:
    """The sigmas of one sampling run and its Euler steps; equal to `FlowMatchEulerDiscreteScheduler.step` bit for bit.

    x_t = (1 - sigma) x0 + sigma noise and the model predicts the velocity noise - x0 (Lipman et al., arXiv 2210.02747).
    Raises TypeError for another scheduler.
    """

    def __init__(
        self,
        scheduler: FlowMatchEulerDiscreteScheduler,
        steps: int,
        image_tokens: int,
        device: torch.device | str = "cpu",
    ) -> None:
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
        own.set_timesteps(sigmas=np.linspace(1.0, 1 / steps, steps).tolist(), mu=mu, device="cpu")
        self.steps = len(own.timesteps)
        self.stochastic = bool(config.get("stochastic_sampling", False))
        self.timesteps_K: torch.Tensor = own.timesteps.to(device)
        # Float32 tensors on the device, as in the scheduler: torch rounds a number and a tensor of no dimension
        # differently when it multiplies bf16 by them; and taking one of them is a view, not a read from the device.
        self._sigmas: tuple[torch.Tensor, ...] = own.sigmas.to(device).unbind()
        self._deltas: tuple[torch.Tensor, ...] = own.sigmas.diff().to(device).unbind()

    def x0(self, latents: torch.Tensor, prediction: torch.Tensor, step: int) -> torch.Tensor:
        """The finished latents that this prediction points at, in float32."""
        return latents.float() - self._sigmas[step] * prediction

    def step(
        self, latents: torch.Tensor, prediction: torch.Tensor, step: int, noise: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Latents at `step + 1`; a stochastic schedule mixes fresh `noise` into the x0-prediction, or ValueError."""
        if not self.stochastic:
            return (latents.float() + self._deltas[step] * prediction).to(prediction.dtype)
        if noise is None:
            raise ValueError("a stochastic schedule needs noise for every step; pass noise of the latents' shape")
        sigma_next = self._sigmas[step + 1]
        return ((1.0 - sigma_next) * self.x0(latents, prediction, step) + sigma_next * noise).to(prediction.dtype)
