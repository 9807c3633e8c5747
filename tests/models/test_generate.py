"""Whole images without a search are those of the operations, one by one."""

from __future__ import annotations

import pytest
import torch

from harness.registry import entry
from models.base import Generator, Row
from models.generate import generate


@pytest.mark.parametrize("name", ["shapes-infinity", "shapes-flux"])
@torch.inference_mode()
def test_images_are_those_of_the_operations_by_hand(name: str) -> None:
    generator: Generator = entry("model", name).resolve()()
    steps, rows = generator.card.steps, [Row(0, 3), Row(1, 4), Row(0, 5)]
    seeds = [[100 * step + row for row in range(3)] for step in range(steps)]
    conditioning = generator.encode(["a photo of a red circle", "a photo of two stars"])
    state = generator.start(conditioning, rows)
    for step in range(steps):
        state = generator.predict(state)
        state = generator.draw(state, seeds[step])
    assert state.step == steps
    assert torch.equal(generate(generator, conditioning, rows, seeds), generator.decode(state))
