"""Every family's adapter against its own diffusers pipeline, on tiny random checkpoints loaded from disk."""

from __future__ import annotations

import dataclasses
from functools import partial

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, EulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler
from tiny_families import FAMILIES, PROMPTS

from harness.compute.flops import count_flops
from harness.errors import WrongInput
from models.base import Generator, Perturbable, Refinable, Renoisable, Row, SmallPreviews, Stochastic, text_truncated

OFF = {"flux": {"true_cfg_scale": 2.0}, "sd3": {"guidance_scale": 1.0}, "sdxl": {"guidance_scale": 1.0},
       "pixart": {"guidance_scale": 1.0}, "sana": {"guidance_scale": 1.0}}  # fmt: skip
"""The other kind of guidance of each family: true where it is distilled, none elsewhere."""
CHANGES = {
    "plain": {},
    "other guidance": OFF,
    "negative prompt": {family: {"negative_prompt": "green star"} for family in FAMILIES if family != "flux"},
    "ddim": {family: {"scheduler": "ddim"} for family in ("sdxl", "pixart")},
    "skipped blocks": {"sd3": {"skip_guidance_layers": "0/2", "steps": 11}},
    "euler": {"pixart": {"scheduler": "euler"}, "sana": {"scheduler": "flow-euler", "complex_human_instruction": False}},
}  # fmt: skip
CASES = [(family, change) for change, of in CHANGES.items() for family in (of or FAMILIES)]


def finish(generator, state):
    while state.step < state.steps:
        state = generator.draw(generator.predict(state), [0] * len(state.rows))
    return state


def reference(generator, latents, settings, family, output_type):
    """The images of the family's own pipeline over the generator's own networks."""
    adapter, tiny = generator.adapter, FAMILIES[family]
    pipeline = adapter.pipeline
    call = called(settings)
    if call.pop("complex_human_instruction", True) is False:
        call["complex_human_instruction"] = None
    if "skip_guidance_layers" in call:
        call["skip_guidance_layers"] = [int(block) for block in call["skip_guidance_layers"].split("/")]
    if "true_cfg_scale" in call:
        call["negative_prompt"] = ""
    if "negative_prompt" in call and family not in ("pixart", "sana"):
        call["negative_prompt"] = [call["negative_prompt"]] * len(PROMPTS)
    saved = pipeline.scheduler
    pipeline.scheduler = scheduler(family, settings.get("scheduler"), saved)
    pipeline.set_progress_bar_config(disable=True)
    images = pipeline(list(PROMPTS), latents=latents, output_type=output_type, **call, **dict(tiny.call)).images
    pipeline.scheduler = saved
    return images


def called(settings):
    """What a pipeline is called with."""
    names = {"steps": "num_inference_steps", "resolution_binning": "use_resolution_binning"}
    return {names.get(key, key): value for key, value in settings.items() if key != "scheduler"}


def scheduler(family, asked, saved):
    if asked == "ddim":
        betas = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"} if family == "sdxl" else {}
        return DDIMScheduler(**betas, timestep_spacing="trailing", clip_sample=False)
    made = {"euler": EulerDiscreteScheduler(), "flow-euler": FlowMatchEulerDiscreteScheduler(shift=3.0)}
    return made.get(asked, saved)


@pytest.mark.parametrize(("family", "change"), CASES)
def test_images_are_the_pipelines(family, change, load_family):
    changes = CHANGES[change].get(family, {})
    generator = load_family(family, **changes)
    settings = {**FAMILIES[family].settings, **changes}
    rows = [Row(i, 100 + i) for i in range(len(PROMPTS))]
    state = finish(generator, generator.start(generator.encode(PROMPTS), rows))
    noise = generator.noise([row.seed for row in rows])
    expected = reference(generator, noise, settings, family, "latent")
    torch.testing.assert_close(state.latents_UX, expected, atol=2e-5, rtol=1e-5)
    assert generator.adapter.forwards == (2 if (family == "flux") == (change == "other guidance") else 1)
    if change != "plain":
        return
    pictures = np.stack([np.asarray(image) for image in reference(generator, noise, settings, family, "pil")])
    difference = np.abs(generator.decode(state).permute(0, 2, 3, 1).numpy().astype(int) - pictures)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.01
    assert pictures.std() > 5


@pytest.mark.parametrize("family", FAMILIES)
def test_noise_is_what_the_pipeline_draws(family, generators):
    generator, tiny = generators[family], FAMILIES[family]
    if family == "flux":
        pytest.skip("tested with the FLUX adapter")
    pipeline = generator.adapter.pipeline
    pipeline.set_progress_bar_config(disable=True)
    drawn = pipeline(
        PROMPTS[0], generator=torch.Generator().manual_seed(7), output_type="latent", **called(tiny.settings), **dict(tiny.call)
    ).images
    state = finish(generator, generator.start(generator.encode(PROMPTS), [Row(0, 7)]))
    torch.testing.assert_close(state.latents_UX, drawn, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("blocks", ["", "0/2", "1"])
def test_leaving_blocks_out_is_priced_where_it_happens(blocks, load_family):
    generator = load_family("sd3", steps=11, skip_guidance_layers=blocks)
    state = generator.start(generator.encode(PROMPTS), [Row(0, 1), Row(2, 2)])
    forwards = []
    for step in range(4):
        price = generator.price("predict", step)
        assert count_flops(partial(generator.predict, state)) == 2 * price.flops
        state = generator.draw(generator.predict(state), [0, 0])
        forwards.append(price.forwards)
    assert forwards == ([2, 3, 3, 2] if blocks else [2, 2, 2, 2])
    with pytest.raises(ValueError, match="no predict at step 11 of 11; use 0 to 10"):
        generator.price("predict", 11)


def test_blocks_that_cannot_be_left_out_are_refused(load_family):
    for changes, message in (
        ({"skip_guidance_layers": "3"}, "names block 3: the model has 0 to 2"), ({"skip_guidance_layers": "a"}, "write them as 7/8/9"),
        ({"skip_guidance_layers": "1", "guidance_scale": 1.0}, "guidance_scale=1 is none: set it above 1"),
    ):  # fmt: skip
        with pytest.raises(WrongInput, match=message):
            load_family("sd3", **changes)


@pytest.mark.parametrize("family", FAMILIES)
def test_prices_are_the_counters(family, generators):
    generator = generators[family]
    assert count_flops(lambda: generator.encode(PROMPTS)) == 3 * generator.price("encode").flops
    conditioning = generator.encode(PROMPTS)
    state = generator.start(conditioning, [Row(0, 1), Row(2, 2)])
    assert count_flops(lambda: generator.predict(state)) == 2 * generator.price("predict").flops
    predicted = generator.predict(state)
    assert count_flops(lambda: generator.preview(predicted)) == 2 * generator.price("preview").flops
    drawn = lambda: generator.draw_stochastic(predicted, [1, 2], 1.0)  # noqa: E731
    assert count_flops(drawn) == generator.price("draw").flops == 0
    finished = finish(generator, state)
    assert count_flops(lambda: generator.decode(finished)) == 2 * generator.price("decode").flops
    images = generator.decode(finished)
    started = lambda: generator.start_image(conditioning, state.rows, images, 0.5)  # noqa: E731
    assert count_flops(started) == 2 * generator.price("embed").flops
    assert generator.price("predict").forwards == generator.adapter.forwards


@pytest.mark.parametrize("family", FAMILIES)
def test_smaller_previews_cost_what_they_compute_and_change_nothing_else(family, generators):
    generator = generators[family]
    small = generator.with_previews(2)
    assert isinstance(generator, SmallPreviews)
    assert small.card.settings == {**generator.card.settings, "preview_shrink": 2}
    state = generator.predict(generator.start(generator.encode(PROMPTS), [Row(0, 1), Row(2, 2)]))
    finished = finish(generator, state)
    height, width = generator.card.image_size
    for rows in (state, finished):
        assert count_flops(lambda rows=rows: small.preview(rows)) == 2 * small.price("preview").flops
        assert small.preview(rows).shape == (2, 3, height // 2, width // 2)
    assert 0.15 < small.price("preview").flops / generator.price("preview").flops <= 0.25
    for operation in ("encode", "predict", "draw", "decode", "embed"):
        assert small.price(operation) == generator.price(operation)
    assert torch.equal(small.decode(finished), generator.decode(finished))
    assert generator.preview(state).shape == (2, 3, height, width)
    rows, columns = generator.adapter.latent_size
    with pytest.raises(WrongInput, match=f"preview_shrink=7 does not divide its latents, {rows} by {columns}: use 1 or 2"):
        generator.with_previews(7)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_row_is_the_same_in_any_batch(family, generators):
    """Stochastic steps and re-noising included."""
    generator = generators[family]
    together = sample(generator, generator.encode(PROMPTS), [Row(i % 3, 50 + i) for i in range(8)])
    for i in (0, 4, 7):
        alone = sample(generator, generator.encode([PROMPTS[i % 3]]), [Row(0, 50 + i)])
        # A first step from nearly pure noise magnifies latents of a random network, and their rounding, a hundred times.
        scale = max(1.0, alone.latents_UX.abs().max().item())
        torch.testing.assert_close(together.latents_UX[i] / scale, alone.latents_UX[0] / scale, atol=1e-5, rtol=0)
        assert (generator.decode(together)[i].int() - generator.decode(alone)[0].int()).abs().max() <= 1
    assert not torch.allclose(together.latents_UX[0], together.latents_UX[3])


def sample(generator, conditioning, rows):
    state = generator.start(conditioning, rows)
    for step in range(3):
        seeds = [row.seed * 10 + step for row in rows]
        state = generator.draw_stochastic(generator.predict(state), seeds, 0.7)
    return finish(generator, generator.renoise(state, 1, [row.seed for row in rows]))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_every_ability(family, generators):
    generator = generators[family]
    for protocol in (Generator, Perturbable, Stochastic, Renoisable, Refinable):
        assert isinstance(generator, protocol)
    conditioning = generator.encode(PROMPTS)
    state = generator.predict(generator.start(conditioning, [Row(0, 1)]))
    children = generator.draw_stochastic(generator.select(state, [0, 0]), [1, 2], 1.0)
    assert not torch.allclose(children.latents_UX[0], children.latents_UX[1])
    plain, zero = generator.draw(state, [1]), generator.draw_stochastic(state, [1], 0.0)
    assert torch.equal(plain.latents_UX, zero.latents_UX)
    near = generator.draw_stochastic(state, [1], 1e-6)
    torch.testing.assert_close(near.latents_UX, plain.latents_UX, atol=1e-4, rtol=1e-4)
    adapter, image = generator.adapter, generator.decode(finish(generator, state))
    restored = adapter.decode(adapter.embed(image.float() / 127.5 - 1))
    refined = generator.start_image(conditioning, state.rows, image, 0.25)
    assert (refined.step, refined.latents_UX.shape) == (3, state.latents_UX.shape)
    assert restored.shape == image.shape


@pytest.mark.parametrize("family", FAMILIES)
def test_previews_come_to_the_image(family, generators):
    generator = generators[family]
    state = generator.start(generator.encode(PROMPTS), [Row(0, 1)])
    previews = []
    while state.step < state.steps:
        state = generator.predict(state)
        previews.append(generator.preview(state))
        state = generator.draw(state, [0])
    image = generator.decode(state).float()
    errors = [(preview.float() - image).abs().mean().item() for preview in previews]
    assert errors[-1] < 0.02
    assert errors[0] > errors[-1]


@pytest.mark.parametrize("family", FAMILIES)
def test_lost_text_is_said_by_every_family(family, load_family):
    # CLIP takes seven tokens, the others are asked for six.
    exact, longer = "red circle and blue star", "red circle and blue star two green"
    generator = load_family(family, **({"complex_human_instruction": False} if family == "sana" else {}))
    assert text_truncated(generator.encode([exact, longer])) == (False, True)
    if family == "sana":
        instructed = load_family(family)
        # The pipeline lets a prompt behind its instruction have one token less.
        assert text_truncated(instructed.encode(["red circle and blue", exact])) == (False, True)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_negative_prompt_that_would_be_cut_is_refused(family, load_family):
    guided = {"true_cfg_scale" if family == "flux" else "guidance_scale": 2.0}
    long = "red circle and blue star two green red circle and blue star"
    load_family(family, negative_prompt="red circle", **guided)
    with pytest.raises(WrongInput, match="negative_prompt has more tokens than its text encoder takes"):
        load_family(family, negative_prompt=long, **guided)
    load_family(family, negative_prompt=long, **dict.fromkeys(guided, 1.0))  # without guidance it is not read


def test_sizes_that_a_model_cannot_make_are_refused(load_family):
    cases = {"flux": (20, "multiples of 8"), "sd3": (20, "multiples of 8"), "sdxl": (24, "multiples of 16"),
             "pixart": (20, "multiples of 8"), "sana": (30, "multiples of 4")}  # fmt: skip
    for family, (height, message) in cases.items():
        with pytest.raises(ValueError, match=message):
            load_family(family, height=height)
    with pytest.raises(ValueError, match="positions for 64 at most"):
        load_family("sd3", height=72)


@pytest.mark.parametrize("family", ["pixart", "sana"])
def test_a_fork_takes_its_memory_along(family, generators):
    generator = generators[family]
    state = generator.start(generator.encode(PROMPTS), [Row(i, 20 + i) for i in range(3)])
    for _ in range(2):
        state = generator.draw(generator.predict(state), [0] * 3)
    whole, part = finish(generator, state), finish(generator, generator.select(state, [2, 1, 2]))
    scale = whole.latents_UX.abs().max()
    torch.testing.assert_close(
        part.spread(part.latents_UX) / scale, whole.latents_UX[[2, 1, 2]] / scale, atol=1e-5, rtol=0
    )
    forgetful = finish(generator, dataclasses.replace(state, memory_UX=None))
    assert not torch.allclose(forgetful.latents_UX / scale, whole.latents_UX / scale, atol=1e-4)
