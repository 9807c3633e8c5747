"""Stochastic steps, re-noising and starting from images: the marginals are kept, and every row is its seed's alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from harness.compute.flops import count_flops
from harness.compute.ledger import Cost
from models.base import ModelCard, Refinable, Renoisable, Row, Stochastic
from models.diffusion.generator import DiffusionGenerator
from models.diffusion.schedule import FlowEuler
from models.diffusion.state import DiffusionConditioning
from models.shapes.load import shapes_flux

MEAN, STD, PARTICLES = 1.5, 0.4, 16384


class GaussianData:
    """An adapter whose prediction is exact: every number of a row is a particle of data N(MEAN, STD^2)."""

    transformer = torch.nn.Linear(1, 1)
    image_size, text_tokens, dtype = (1, 1), 1, torch.float32

    def __init__(self, steps: int, **scheduler: Any) -> None:
        self.settings: dict[str, Any] = {}
        self.schedule = FlowEuler(FlowMatchEulerDiscreteScheduler(**scheduler), steps, 1)

    def noise(self, generator: torch.Generator) -> torch.Tensor:
        return torch.randn(1, PARTICLES, generator=generator)

    def forward(self, latents: torch.Tensor, text: Any, step: int) -> torch.Tensor:
        """E[noise - x0 | x] for x = alpha x0 + sigma noise, all Gaussian."""
        alpha, sigma = self.schedule.alphas[step], self.schedule.sigmas[step]
        residual = (latents - alpha * MEAN) / (alpha**2 * STD**2 + sigma**2)
        return sigma * residual - (MEAN + alpha * STD**2 * residual)

    def truncated(self, prompts: Any) -> tuple[bool, ...]:
        return (False,) * len(prompts)

    def prediction(self, step: int) -> Cost:
        return Cost(forwards=1, model_flops=1)

    def text_flops(self) -> int:
        return 1

    embedder_flops = text_flops

    def decoder_flops(self, shrink: int = 1) -> int:
        return 1


def gaussian(steps: int = 512, **scheduler: Any) -> tuple[DiffusionGenerator, DiffusionConditioning]:
    adapter = GaussianData(steps, **scheduler)
    card = ModelCard("gaussian", "diffusion", "shapes", steps, (1, 1), 1, "0" * 64, "none")
    conditioning = DiffusionConditioning(("x",), (1,), (torch.zeros(1, 1),))
    return DiffusionGenerator(adapter, card), conditioning


def check_marginal(generator: DiffusionGenerator, state: Any) -> None:
    """The discretisation of 512 steps (falling as one over them) and the sampling error are below 2 %."""
    schedule = generator.adapter.schedule
    alpha, sigma = schedule.alphas[state.step].item(), schedule.sigmas[state.step].item()
    std = (alpha**2 * STD**2 + sigma**2) ** 0.5
    assert state.latents_UX.mean().item() == pytest.approx(alpha * MEAN, abs=0.02 * std), state.step
    assert state.latents_UX.std().item() == pytest.approx(std, rel=0.02), state.step


@pytest.mark.parametrize("scheduler", [{}, {"shift": 3.0}])
@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_stochastic_steps_keep_the_marginals(level, scheduler):
    generator, conditioning = gaussian(**scheduler)
    state = generator.start(conditioning, [Row(0, seed) for seed in range(4)])
    while state.step < state.steps:
        seeds = [1000 * (row + 1) + state.step for row in range(4)]
        state = generator.draw_stochastic(generator.predict(state), seeds, level)
        if state.step % 64 == 0 or state.step == 1:
            check_marginal(generator, state)


def test_level_moves_a_row_away_from_the_deterministic_path():
    """How much of its start a finished row remembers falls with the level, so the noise is really fresh."""
    generator, conditioning = gaussian(64)
    start = generator.start(conditioning, [Row(0, 1)])
    memory = []
    for level in (0.0, 0.3, 1.0):
        state = start
        while state.step < state.steps:
            state = generator.draw_stochastic(generator.predict(state), [state.step + 7], level)
        memory.append(torch.corrcoef(torch.stack([start.latents_UX[0], state.latents_UX[0]]))[0, 1].item())
    assert memory[0] > 0.999
    assert 0.3 < memory[1] < 0.95
    assert abs(memory[2]) < 0.05


@pytest.mark.parametrize("earlier", [0, 1, 200, 399])
def test_renoising_keeps_the_marginals(earlier):
    generator, conditioning = gaussian()
    state = generator.start(conditioning, [Row(0, seed) for seed in range(4)])
    while state.step < 400:
        state = generator.draw(generator.predict(state), [0] * 4)
    back = generator.renoise(state, earlier, [5, 6, 7, 8])
    assert (back.step, back.pending) == (earlier, (0, 1, 2, 3))
    check_marginal(generator, back)
    while back.step < back.steps:
        back = generator.draw(generator.predict(back), [0] * 4)
    check_marginal(generator, back)


@pytest.fixture(scope="module")
def flux() -> DiffusionGenerator:
    return shapes_flux()


TEXTS = ["a red circle", "two blue squares"]


def advanced(generator: Any, steps: int, count: int = 3) -> Any:
    state = generator.start(generator.encode(TEXTS), [Row(n % 2, 50 + n) for n in range(count)])
    while state.step < steps:
        state = generator.draw(generator.predict(state), [0] * count)
    return state


def test_diffusion_has_the_abilities(flux):
    assert isinstance(flux, Stochastic)
    assert isinstance(flux, Renoisable)
    assert isinstance(flux, Refinable)


def test_level_0_is_draw_bit_for_bit(flux):
    state = flux.predict(advanced(flux, 2))
    plain, stochastic = flux.draw(state, [1, 2, 3]), flux.draw_stochastic(state, [1, 2, 3], 0.0)
    assert torch.equal(plain.latents_UX, stochastic.latents_UX)
    assert plain.source == stochastic.source


def test_a_vanishing_level_tends_to_draw(flux):
    state = flux.predict(advanced(flux, 2))
    plain, near = flux.draw(state, [1, 2, 3]), flux.draw_stochastic(state, [1, 2, 3], 1e-6)
    torch.testing.assert_close(near.latents_UX, plain.latents_UX, atol=1e-4, rtol=1e-4)


def test_children_of_one_parent_differ_by_their_seeds_alone(flux):
    parents = flux.predict(advanced(flux, 2))
    children = flux.draw_stochastic(flux.select(parents, [2, 0, 0, 0]), [9, 1, 2, 1], 0.8)
    assert children.pending == (0, 1, 2, 3)
    assert not torch.allclose(children.latents_UX[1], children.latents_UX[2])
    assert torch.equal(children.latents_UX[1], children.latents_UX[3])
    alone = flux.draw_stochastic(flux.select(parents, [0]), [2], 0.8)
    assert torch.equal(alone.latents_UX[0], children.latents_UX[2])
    back = flux.renoise(flux.select(children, [1, 1, 2]), 1, [3, 4, 3])
    assert not torch.allclose(back.latents_UX[0], back.latents_UX[1])
    single = flux.renoise(flux.select(children, [2]), 1, [3])
    assert torch.equal(single.latents_UX[0], back.latents_UX[2])
    assert [row.prompt for row in back.rows] == back.prompt_U.tolist() == [0, 0, 0]


def test_an_image_that_is_started_from_comes_back_at_low_strength(flux):
    pictures = flux.decode(advanced(flux, 10))
    conditioning, rows = flux.encode(TEXTS), [Row(0, 1), Row(1, 2), Row(0, 3)]
    distances = []
    for strength in (0.05, 0.5, 1.0):
        state = flux.start_image(conditioning, rows, pictures, strength)
        assert state.step == {0.05: 9, 0.5: 5, 1.0: 0}[strength]
        while state.step < state.steps:
            state = flux.draw(flux.predict(state), [0] * 3)
        distances.append((flux.decode(state).float() - pictures.float()).abs().mean().item())
    assert distances[0] < distances[1] < distances[2]
    assert distances[0] < 2
    whole = flux.start_image(conditioning, rows, pictures, 1.0)
    assert torch.equal(whole.latents_UX, flux.start(conditioning, rows).latents_UX)


def test_the_images_encoder_has_its_price(flux):
    pictures = torch.randint(0, 255, (3, 3, 48, 48), dtype=torch.uint8)
    rows, conditioning = [Row(0, 1), Row(1, 2), Row(0, 3)], flux.encode(TEXTS)
    counted = count_flops(lambda: flux.start_image(conditioning, rows, pictures, 0.5))
    assert counted == 3 * flux.price("embed").flops
    assert flux.price("embed") == Cost(decode_flops=counted // 3)
    state = advanced(flux, 2)
    assert count_flops(lambda: flux.renoise(state, 0, [1, 2, 3])) == 0
    predicted = flux.predict(state)
    assert count_flops(lambda: flux.draw_stochastic(predicted, [1, 2, 3], 1.0)) == 0


def test_misused_abilities_are_refused(flux):
    state = advanced(flux, 2)
    pictures = torch.zeros(3, 3, 48, 48, dtype=torch.uint8)
    with pytest.raises(ValueError, match="call predict first"):
        flux.draw_stochastic(state, [1, 2, 3], 0.5)
    for level in (-0.1, 1.5, float("nan")):
        with pytest.raises(ValueError, match="outside 0 to 1"):
            flux.draw_stochastic(flux.predict(state), [1, 2, 3], level)
    with pytest.raises(ValueError, match="2 seeds for 3 rows"):
        flux.draw_stochastic(flux.predict(state), [1, 2], 0.5)
    with pytest.raises(ValueError, match="2 seeds for 3 rows"):
        flux.renoise(state, 0, [1, 2])
    for step in (2, 3, -1):
        with pytest.raises(ValueError, match="must be an earlier one"):
            flux.renoise(state, step, [1, 2, 3])
    for strength in (0, 1.1, float("nan")):
        with pytest.raises(ValueError, match="outside"):
            flux.start_image(state.conditioning, state.rows, pictures, strength)
    with pytest.raises(ValueError, match="need"):
        flux.start_image(state.conditioning, state.rows, pictures[:, :, :40], 0.5)


def test_mutated_rows_are_near_their_own_latents() -> None:
    """At the start the marginal is kept; later the noise that the step before would have added is added."""
    generator, conditioning = gaussian()
    state = generator.start(conditioning, [Row(0, 5), Row(0, 5)])
    moved = generator.mutate(state, [8, 9], 0.6)
    noise = generator.noise([8, 9])
    torch.testing.assert_close(moved.latents_UX, 0.8 * state.spread(state.latents_UX) + 0.6 * noise)
    assert (moved.step, moved.prediction_UX, len(moved.pending)) == (0, None, 2)
    check_marginal(generator, generator.select(moved, [1]))
    later = state
    for step in range(100):
        later = generator.draw_stochastic(generator.predict(later), [step, 1000 + step], 1.0)
    apart = generator.mutate(later, [8, 9], 0.6).latents_UX - later.spread(later.latents_UX)
    assert apart.std().item() == pytest.approx(generator.adapter.schedule.sde_std(99).item(), rel=0.02)
    torch.testing.assert_close(apart, generator.adapter.schedule.sde_std(99) * noise, atol=1e-5, rtol=1e-4)
    with pytest.raises(ValueError, match="mutate"):
        generator.mutate(state, [8], 0.6)


def test_joined_rows_go_on_as_they_would_have_alone() -> None:
    generator, conditioning = gaussian(steps=6)

    def at(seeds: list[int], steps: int) -> Any:
        state = generator.start(conditioning, [Row(0, seed) for seed in seeds])
        for _ in range(steps):
            state = generator.draw(generator.predict(state), seeds)
        return state

    one, two = at([1, 2], 2), generator.select(at([3], 2), [0, 0])
    for states in ([one, two], [generator.predict(one), generator.predict(two)]):
        state = generator.join(states)
        assert [row.seed for row in state.rows] == [1, 2, 3, 3]
        assert len(state.latents_UX) == 3  # copies stay one
        while state.step < 6:
            state = generator.draw(generator.predict(state), [1, 2, 3, 3])
        apart = torch.cat([at([seed], 6).latents_UX for seed in (1, 2, 3, 3)])
        torch.testing.assert_close(state.spread(state.latents_UX), apart)
    for other in (at([3], 1), generator.predict(two)):
        with pytest.raises(ValueError, match="cannot be joined"):
            generator.join([one, other])


def test_joined_rows_keep_a_samplers_memory(load_family: Any) -> None:
    generator = load_family("pixart")
    conditioning = generator.encode(["red circle"])

    def ended(states: list[Any]) -> torch.Tensor:
        state = generator.join(states)
        while state.step < state.steps:
            state = generator.draw(generator.predict(state), [0] * len(state.rows))
        return state.spread(state.latents_UX)

    states = []
    for seed in (1, 2):
        state = generator.start(conditioning, [Row(0, seed)])
        states.append(generator.draw(generator.predict(state), [0]))
    assert states[0].memory_UX is not None
    together, alone = ended(states), torch.cat([ended([state]) for state in states])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)
