"""States as values: sharing, selecting, and what is refused."""

from __future__ import annotations

import pytest
import torch

from models.base import Row


class Calls:
    """Rows that each call of the transformer gets."""

    def __init__(self, generator):
        self.rows: list[int] = []
        hook = lambda _module, _args, kwargs: self.rows.append(len(kwargs["hidden_states"]))  # noqa: E731
        generator.adapter.transformer.register_forward_pre_hook(hook, with_kwargs=True)


@pytest.fixture
def generator(load_tiny, generator_over):
    return generator_over(load_tiny())


@pytest.fixture
def noisy(load_tiny, generator_over):
    return generator_over(load_tiny(stochastic_sampling=True))


def begin(generator, prompts, count=3):
    return generator.start(generator.encode(prompts), [Row(i % len(prompts), 7 + i) for i in range(count)])


def test_children_share_one_prediction(noisy, prompts):
    calls = Calls(noisy)
    state = noisy.predict(begin(noisy, prompts))
    assert calls.rows == [3]
    children = noisy.select(state, [2, 0, 2, 2, 0])
    assert children.pending == ()
    assert [row.seed for row in children.rows] == [9, 7, 9, 9, 7]
    drawn = noisy.draw(noisy.predict(children), [1, 2, 3, 4, 1])
    assert calls.rows == [3]
    assert drawn.pending == (0, 1, 2, 3, 4)
    assert drawn.pending_preview == drawn.pending
    latents = drawn.latents_UX
    assert not torch.equal(latents[0], latents[2])
    noisy.predict(drawn)
    assert calls.rows == [3, 5]
    # A child's draw depends on its parent and its seed alone.
    torch.testing.assert_close(noisy.draw(state, [2, 0, 4]).latents_UX[[0, 2]], latents[[1, 3]])


def test_copies_made_before_predict_share_one_forward(generator, prompts):
    calls = Calls(generator)
    state = generator.select(begin(generator, prompts), [1, 1, 0, 1, 0])
    assert state.pending == (0, 2)
    predicted = generator.predict(state)
    assert calls.rows == [2]
    assert predicted.pending == ()
    # Without a stochastic draw copies stay copies, whatever their seeds.
    drawn = generator.draw(predicted, [1, 2, 3, 4, 5])
    assert drawn.pending == (0, 2)
    images = generator.preview(generator.predict(drawn))
    assert torch.equal(images[0], images[1])
    assert torch.equal(images[2], images[4])
    assert not torch.equal(images[0], images[2])


def test_true_guidance_is_one_call_of_twice_the_rows(load_tiny, generator_over, prompts):
    generator = generator_over(load_tiny(), true_cfg_scale=2.0)
    calls = Calls(generator)
    generator.predict(begin(generator, prompts))
    assert calls.rows == [6]
    assert generator.price("predict").forwards == 2


def test_selected_rows_go_on_as_they_would_have(generator, prompts):
    state = generator.draw(generator.predict(begin(generator, prompts)), [0] * 3)
    whole = generator.draw(generator.predict(state), [0] * 3)
    part = generator.draw(generator.predict(generator.select(state, [2, 1])), [0] * 2)
    torch.testing.assert_close(part.latents_UX, whole.latents_UX[[2, 1]], atol=1e-5, rtol=1e-5)


def test_states_are_values(generator, prompts):
    state = begin(generator, prompts)
    before = state.latents_UX.clone()
    predicted = generator.predict(state)
    generator.draw(predicted, [0] * 3)
    assert (state.step, state.prediction_UX) == (0, None)
    assert predicted.prediction_UX is not None
    assert torch.equal(state.latents_UX, before)
    assert generator.predict(predicted) is predicted


def test_start_equals_start_from_its_noise(generator, prompts):
    conditioning = generator.encode(prompts)
    rows = [Row(0, 11), Row(2, 12)]
    noise = generator.noise([11, 12])
    assert noise.dtype == torch.float32
    assert torch.equal(generator.noise([12])[0], noise[1])
    started = generator.start(conditioning, rows)
    assert torch.equal(started.latents_UX, generator.start_from(conditioning, rows, noise).latents_UX)
    assert (started.step, started.pending, conditioning.text_tokens) == (0, (0, 1), (6, 6, 6))


def test_misuse_is_refused(generator, prompts):
    conditioning = generator.encode(prompts)
    state = generator.start(conditioning, [Row(0, 1), Row(1, 2)])
    with pytest.raises(ValueError, match="call predict first"):
        generator.draw(state, [0, 0])
    with pytest.raises(ValueError, match="call predict first"):
        generator.preview(state)
    with pytest.raises(ValueError, match="step 0 of 4"):
        generator.decode(state)
    predicted = generator.predict(state)
    with pytest.raises(ValueError, match="1 seeds for 2 rows"):
        generator.draw(predicted, [0])
    with pytest.raises(IndexError, match="row 2 of a state of 2"):
        generator.select(state, [0, 2])
    with pytest.raises(ValueError, match="no indices"):
        generator.select(state, [])
    with pytest.raises(ValueError, match="prompt 3"):
        generator.start(conditioning, [Row(3, 1)])
    with pytest.raises(ValueError, match="no rows"):
        generator.start(conditioning, [])
    with pytest.raises(ValueError, match="noise of shape"):
        generator.start_from(conditioning, [Row(0, 1)], generator.noise([1, 2]))
    with pytest.raises(ValueError, match="no price"):
        generator.price("sample")
    for _ in range(4):
        state = generator.draw(generator.predict(state), [0, 0])
    assert (state.pending, generator.predict(state) is state) == ((), True)
    with pytest.raises(ValueError, match="finished"):
        generator.draw(state, [0, 0])
