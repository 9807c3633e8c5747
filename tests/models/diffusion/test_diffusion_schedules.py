"""Schedules against diffusers' own schedulers, step by step."""

from __future__ import annotations

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    HeunDiscreteScheduler,
)

from models.diffusion.dpm_schedule import DpmSolver
from models.diffusion.noise_schedule import Ddim, Euler, make_schedule
from models.diffusion.schedule import FlowEuler

DDIM = {"clip_sample": False, "timestep_spacing": "trailing"}
KINDS = {
    "ddim": (Ddim, DDIMScheduler(**DDIM)),
    "ddim, leading": (Ddim, DDIMScheduler(clip_sample=False, timestep_spacing="leading", steps_offset=1)),
    "ddim, v": (Ddim, DDIMScheduler(**DDIM, prediction_type="v_prediction", rescale_betas_zero_snr=True)),
    "euler": (Euler, EulerDiscreteScheduler(timestep_spacing="leading", steps_offset=1)),
    "euler, v": (Euler, EulerDiscreteScheduler(prediction_type="v_prediction", timestep_spacing="trailing")),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", KINDS)
def test_steps_are_the_schedulers(kind, dtype):
    build, scheduler = KINDS[kind]
    schedule = build(scheduler, 5)
    scheduler.set_timesteps(5)
    assert torch.equal(schedule.timesteps_K, scheduler.timesteps)
    torch.manual_seed(0)
    noise = torch.randn(2, 4, 3, 3).to(dtype)
    latents = noise * scheduler.init_noise_sigma
    assert torch.equal(schedule.begin(noise), latents)
    for step, timestep in enumerate(scheduler.timesteps):
        given = scheduler.scale_model_input(latents, timestep)
        assert torch.equal(schedule.model_input(latents, step), given)
        prediction = torch.randn(2, 4, 3, 3).to(dtype)
        expected = scheduler.step(prediction, timestep, latents)
        assert torch.equal(schedule.step(latents, prediction, step), expected.prev_sample)
        tolerance = 1e-5 if dtype == torch.float32 else 0.05
        x0 = schedule.x0(latents, prediction, step)
        torch.testing.assert_close(x0, expected.pred_original_sample.float(), rtol=tolerance, atol=tolerance * 10)
        latents = expected.prev_sample


SOLVERS = {
    "noise": DPMSolverMultistepScheduler(),
    "v, few steps": DPMSolverMultistepScheduler(prediction_type="v_prediction", final_sigmas_type="sigma_min"),
    "flow": DPMSolverMultistepScheduler(use_flow_sigmas=True, prediction_type="flow_prediction", flow_shift=3.0),
    "first order": DPMSolverMultistepScheduler(solver_order=1),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("steps", [5, 16])
@pytest.mark.parametrize("kind", SOLVERS)
def test_multistep_solvers_are_the_schedulers(kind, steps, dtype):
    scheduler = SOLVERS[kind]
    schedule = DpmSolver(scheduler, steps)
    scheduler.set_timesteps(steps)
    assert torch.equal(schedule.timesteps_K, scheduler.timesteps)
    torch.manual_seed(0)
    latents, memory = torch.randn(2, 4, 3, 3).to(dtype), None
    for step, timestep in enumerate(scheduler.timesteps):
        prediction = torch.randn(2, 4, 3, 3).to(dtype)
        expected = scheduler.step(prediction, timestep, latents).prev_sample
        stepped, memory = schedule.advance(latents, prediction, step, memory)
        assert torch.equal(stepped, expected)
        latents = expected
    assert schedule.alphas[-1].item() == pytest.approx(1.0, abs=1e-4)


def test_a_row_without_a_memory_takes_a_step_of_first_order():
    scheduler = DPMSolverMultistepScheduler()
    schedule, first = DpmSolver(scheduler, 8), DpmSolver(DPMSolverMultistepScheduler(solver_order=1), 8)
    latents, prediction, memory = torch.randn(3, 1, 4, 3, 3).unbind()
    expected = first.advance(latents, prediction, 3, memory)[0]
    assert torch.equal(schedule.step(latents, prediction, 3), expected)
    assert not torch.allclose(schedule.advance(latents, prediction, 3, memory)[0], expected)
    with pytest.raises(ValueError, match="order 3 is not offered"):
        DpmSolver(DPMSolverMultistepScheduler(solver_order=3), 4)


@pytest.mark.parametrize("level", [0.3, 1.0])
def test_the_stochastic_ddim_step_is_eta(level):
    scheduler = DDIMScheduler(**DDIM)
    schedule = Ddim(scheduler, 5)
    scheduler.set_timesteps(5)
    latents = torch.randn(2, 4, 3, 3)
    for step, timestep in enumerate(scheduler.timesteps):
        prediction, noise = torch.randn(2, 4, 3, 3), torch.randn(2, 4, 3, 3)
        expected = scheduler.step(prediction, timestep, latents, eta=level, variance_noise=noise).prev_sample
        found = schedule.sde_step(latents, prediction, step, level, noise)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
        latents = expected


def test_the_stochastic_euler_step_is_ancestral():
    """Euler ancestral: down to sqrt(s'^2 - up^2), then up^2 = s'^2 (s^2 - s'^2) / s^2 of fresh noise."""
    schedule = Euler(EulerDiscreteScheduler(), 5)
    latents, prediction, noise = torch.randn(3, 2, 4, 3, 3).unbind()
    for step in range(5):
        sigma, below = schedule.sigmas[step], schedule.sigmas[step + 1]
        up = (below**2 * (sigma**2 - below**2) / sigma**2) ** 0.5
        down = (below**2 - up**2) ** 0.5
        expected = latents + (down - sigma) * prediction + up * noise
        found = schedule.sde_step(latents, prediction, step, 1.0, noise)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_renoising_restores_the_variance(kind):
    """What a step says it is made of, taken back, has the earlier step's share of x0 and variance of noise."""
    build, scheduler = KINDS[kind]
    schedule = build(scheduler, 5)
    generator = torch.Generator().manual_seed(0)
    x0 = torch.full((200_000,), 0.7)
    later = schedule.noised(x0, 3, torch.randn(200_000, generator=generator))
    earlier = schedule.renoised(later, 3, 1, torch.randn(200_000, generator=generator))
    assert earlier.mean().item() == pytest.approx(schedule.alphas[1].item() * 0.7, abs=0.01 * schedule.sigmas[1].item())
    assert earlier.std().item() == pytest.approx(schedule.sigmas[1].item(), rel=0.01)


def test_schedulers_own_sigmas_are_kept():
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    schedule = FlowEuler(scheduler, 5, 24, even=False)
    scheduler.set_timesteps(5)
    assert torch.equal(torch.stack(schedule.sigmas), scheduler.sigmas)
    assert torch.equal(schedule.timesteps_K, scheduler.timesteps)
    assert not torch.equal(torch.stack(FlowEuler(scheduler, 5, 24).sigmas), scheduler.sigmas)


def test_samplers_are_chosen_or_refused():
    noisy = DPMSolverMultistepScheduler(beta_schedule="scaled_linear")
    flow = DPMSolverMultistepScheduler(use_flow_sigmas=True, prediction_type="flow_prediction", flow_shift=3.0)
    assert isinstance(make_schedule(noisy, "published", 4, 1), DpmSolver)
    ddim = make_schedule(noisy, "ddim", 4, 1)
    assert isinstance(ddim, Ddim)
    assert ddim.alphas[0].item() == pytest.approx(noisy.alphas_cumprod[999].sqrt().item())
    assert isinstance(make_schedule(noisy, "euler", 4, 1), Euler)
    shifted = make_schedule(flow, "flow-euler", 4, 1)
    assert isinstance(shifted, FlowEuler)
    assert torch.equal(
        torch.stack(shifted.sigmas),
        torch.stack(FlowEuler(FlowMatchEulerDiscreteScheduler(shift=3.0), 4, 1, even=False).sigmas),
    )
    for scheduler, sampler, message in (
        (HeunDiscreteScheduler(), "published", "HeunDiscreteScheduler is not offered; set scheduler=ddim"),
        (flow, "ddim", "flow-matching model"), (noisy, "flow-euler", "noise-predicting model"),
        (noisy, "heun", "is unknown"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            make_schedule(scheduler, sampler, 4, 1)
    with pytest.raises(ValueError, match="clip_sample"):
        make_schedule(DDIMScheduler(), "published", 4, 1)
    with pytest.raises(ValueError, match="prediction type"):
        make_schedule(DDIMScheduler(clip_sample=False, prediction_type="sample"), "published", 4, 1)
