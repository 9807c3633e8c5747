"""DPM-Solver++ of second order, the published sampler of PixArt-Sigma and SANA: its memory is handed in, not kept."""

from __future__ import annotations

from copy import deepcopy

import torch
from diffusers import DPMSolverMultistepScheduler

from models.diffusion.schedule import Schedule


class DpmSolver(Schedule):
    """x = alpha x0 + sigma noise and the midpoint steps of DPM-Solver++(2M) (Lu et al., arXiv 2211.01095).

    Equal to `DPMSolverMultistepScheduler.step` bit for bit. A row's memory is its last x0-prediction; a row without one
    (at its start, re-noised, or after a stochastic step) takes a step of first order, which is DDIM's.
    Raises ValueError for another algorithm than dpmsolver++ midpoint, or more than two orders.
    """

    def __init__(
        self, scheduler: DPMSolverMultistepScheduler, steps: int, device: torch.device | str = "cpu"
    ) -> None:
        config = scheduler.config
        kind = (config.algorithm_type, config.solver_type, config.solver_order in (1, 2), config.thresholding)
        if kind != ("dpmsolver++", "midpoint", True, False):
            raise ValueError(
                f"DPM-Solver {config.algorithm_type}, {config.solver_type}, order {config.solver_order} is not offered; "
                "use dpmsolver++, midpoint, of order 1 or 2 without thresholding"
            )
        if config.prediction_type not in ("epsilon", "v_prediction", "flow_prediction"):
            raise ValueError(
                f"prediction type {config.prediction_type!r} is unknown; use epsilon, v_prediction or flow_prediction"
            )
        own = deepcopy(scheduler)
        own.set_timesteps(steps, device="cpu")
        alphas = 1 - own.sigmas if config.use_flow_sigmas else 1 / ((own.sigmas**2 + 1) ** 0.5)
        sigmas = own.sigmas if config.use_flow_sigmas else own.sigmas * alphas
        super().__init__(own.timesteps.to(device), alphas, sigmas)
        self._prediction, self._raw = config.prediction_type, own.sigmas.unbind()
        self._lambdas = [torch.log(alpha) - torch.log(sigma) for alpha, sigma in zip(self.alphas, self.sigmas, strict=True)]
        last_is_first_order = config.euler_at_final or config.final_sigmas_type == "zero"
        last_is_first_order = last_is_first_order or (config.lower_order_final and self.steps < 15)
        self._second_order_until = 0 if config.solver_order == 1 else self.steps - int(last_is_first_order)

    def x0(self, latents: torch.Tensor, prediction: torch.Tensor, step: int) -> torch.Tensor:
        """The finished latents that this prediction points at, in float32."""
        return self._x0(latents.float(), prediction.float(), step)

    def step(
        self, latents: torch.Tensor, prediction: torch.Tensor, step: int, noise: torch.Tensor | None = None
    ) -> torch.Tensor:
        """A step of first order."""
        return self.advance(latents, prediction, step, None)[0]

    def advance(
        self, latents: torch.Tensor, prediction: torch.Tensor, step: int, memory: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """A step of second order where there is a memory; the new one is this step's x0-prediction."""
        _, sigma, alpha_next, sigma_next = self._pair(step, step + 1)
        width = self._lambdas[step + 1] - self._lambdas[step]
        x0 = self._x0(latents, prediction, step)
        towards = alpha_next * (torch.exp(-width) - 1.0)
        stepped = (sigma_next / sigma) * latents.float() - towards * x0
        if memory is not None and step < self._second_order_until:
            ratio = (self._lambdas[step] - self._lambdas[step - 1]) / width
            stepped = stepped - 0.5 * towards * ((1.0 / ratio) * (x0 - memory))
        return stepped.to(x0.dtype), x0

    def _x0(self, latents: torch.Tensor, prediction: torch.Tensor, step: int) -> torch.Tensor:
        """In the precision that is given, as the scheduler converts it."""
        if self._prediction == "flow_prediction":
            return latents - self._raw[step] * prediction
        if self._prediction == "v_prediction":
            return self.alphas[step] * latents - self.sigmas[step] * prediction
        return (latents - self.sigmas[step] * prediction) / self.alphas[step]
