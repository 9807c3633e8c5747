"""Rows of different steps in one pass: every row is told its own time, and nothing else changes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny_families import FAMILIES, PROMPTS

from harness.bench.model import Brightness
from harness.compute.ledger import Budget, Ledger, Unit
from harness.compute.meter import MeteredGenerator
from harness.search.prepare import prepare
from harness.search.rbf import RBF
from harness.seeds import Seeds
from models.base import Mixed, Row
from suites.base import Prompt

CASES = [(family, {}) for family in FAMILIES] + [
    ("flux", {"true_cfg_scale": 2.0}), ("sdxl", {"scheduler": "ddim"}), ("pixart", {"guidance_scale": 1.0}),
]  # fmt: skip


def at_steps(generator: Any, *steps: int) -> list[Any]:
    """One state for each step, of two rows of another prompt each, and of prompts of its own."""
    states = []
    for number, step in enumerate(steps):
        conditioning = generator.encode(PROMPTS[number % 3 :] + PROMPTS[: number % 3])
        state = generator.start(conditioning, [Row(0, 10 + number), Row(1, 20 + number)])
        while state.step < step:
            state = generator.draw(generator.predict(state), [1, 2])
        states.append(state)
    return states


def passes(generator: Any) -> list[int]:
    """Sequences of every call of the network from now on."""
    seen: list[int] = []
    network = generator.adapter.transformer
    network.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(len(args[0] if args else kwargs["hidden_states"])), with_kwargs=True
    )
    return seen


@pytest.mark.parametrize(("family", "changes"), CASES)
def test_one_pass_says_what_passes_one_by_one_say(load_family: Any, family: str, changes: dict[str, Any]) -> None:
    generator = load_family(family, **changes)
    assert isinstance(generator, Mixed)
    states = at_steps(generator, 2, 0, 3)
    apart = [generator.predict(state) for state in states]
    seen = passes(generator)
    together = generator.predict_all(states)
    assert seen == [6 * generator.adapter.forwards]
    for one, other in zip(apart, together, strict=True):
        assert one.step == other.step
        torch.testing.assert_close(one.prediction_UX, other.prediction_UX, atol=2e-5, rtol=1e-4)
    assert not torch.allclose(together[0].prediction_UX[0], together[1].prediction_UX[0], atol=1e-3)


def test_copies_pass_once_and_what_is_predicted_or_finished_is_left(load_family: Any) -> None:
    generator = load_family("flux")
    first, second, third, done = at_steps(generator, 1, 2, 0, 4)
    copied, known = generator.select(first, [0, 0, 1]), generator.predict(third)
    seen = passes(generator)
    together = generator.predict_all([copied, known, second, done])
    assert seen == [4]
    assert together[1] is known
    assert together[3] is done
    assert len(together[0].rows) == 3
    assert generator.predict_all([known, done]) == [known, done]
    assert seen == [4]


def test_steps_with_a_third_pass_go_on_their_own(load_family: Any) -> None:
    """Skip-layer guidance of the early steps leaves blocks out in another pass: such rows are no company for later ones."""
    generator = load_family("sd3", steps=16, skip_guidance_layers="1")
    states = at_steps(generator, 1, 2, 5, 7)
    assert [generator.price("predict", state.step).forwards for state in states] == [3, 3, 2, 2]
    apart = [generator.predict(state) for state in states]
    seen = passes(generator)
    together = generator.predict_all(states)
    assert sorted(seen) == [4, 8, 8]
    for one, other in zip(apart, together, strict=True):
        torch.testing.assert_close(one.prediction_UX, other.prediction_UX, atol=2e-5, rtol=1e-4)


def test_every_prompt_is_charged_for_its_own_rows(load_family: Any) -> None:
    generator = load_family("flux")
    alone, shared = (MeteredGenerator(generator, Ledger(3)) for _ in range(2))
    states = at_steps(generator, 2, 0)
    for state in states:
        alone.predict(state)
    shared.predict_all(states)
    for prompt in range(3):
        one, other = alone.ledger.spent(prompt), shared.ledger.spent(prompt)
        assert (one.forwards, one.model_flops, one.nfe) == (other.forwards, other.model_flops, other.nfe)
    assert {key: timing.rows for key, timing in alone.clock.items()} == {key: timing.rows for key, timing in shared.clock.items()}


class Unmixed:
    """A generator that predicts one step at a time."""

    def __init__(self, generator: Any) -> None:
        self._generator = generator

    def __getattr__(self, name: str) -> Any:
        if name == "predict_all":
            raise AttributeError(name)
        return getattr(self._generator, name)


def test_rbf_waits_for_no_prompt_and_finds_the_same(load_family: Any) -> None:
    """Prompts take their children at different times; their passes are shared, and each finds what it finds on its own."""
    generator = load_family("flux", steps=5)
    prompts = [Prompt(str(n), text, "") for n, text in enumerate(PROMPTS)]
    seen = passes(generator)

    def run(generator: Any, prompts: list[Prompt]) -> list[list[tuple[Any, ...]]]:
        seen.clear()
        search = RBF(looks=16)
        task = prepare(search, generator, [Brightness()], prompts, Budget(200, Unit.NFE), Seeds(0, "x"), 16)
        search.run(task)
        return [
            [(one.path, one.step, one.kept, one.complete, one.spent.nfe, one.values_M[0]) for one in own]
            for own in task.candidates["brightness"]
        ]

    together = run(generator, prompts)
    shared = len(seen)
    apart = run(Unmixed(generator), prompts)
    assert shared < len(seen)
    alone = [run(generator, [prompt])[0] for prompt in prompts]
    for found in (apart, alone):
        for one, other in zip(together, found, strict=True):
            assert [row[:5] for row in one] == [row[:5] for row in other]
            assert [row[5] for row in one] == pytest.approx([row[5] for row in other], abs=1e-4)
