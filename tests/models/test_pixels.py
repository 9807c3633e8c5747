"""Bytes of pictures, and values that are no numbers: they make a blank wherever in a model they come from."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from models.base import Row
from models.blank import are_blank
from models.pixels import floored, rounded
from models.published import published_models
from models.random_weights import random_generator

NETWORKS = {
    "infinity-2b": ("transformer", "vae"),
    "infinity-2b:top_k=1": ("transformer",),
    "janus-pro-1b": ("network.language_model", "network.decoder"),
    "sd3.5-medium": ("adapter.transformer", "adapter.vae"),
}
SMALL = {"dtype": "float32", "steps": 2, "height": 64, "width": 64}


def drawn(generator: Any) -> Any:
    state = generator.start(generator.encode(["a red circle"]), [Row(0, 1), Row(0, 2)])
    for _ in range(generator.card.steps):
        state = generator.draw(generator.predict(state), [3, 4])
    return state


@pytest.mark.parametrize(("name", "part"), [(name, part) for name, both in NETWORKS.items() for part in (None, *both)])
def test_weights_that_are_no_numbers_make_no_picture(name: str, part: str | None) -> None:
    name, _, greedy = name.partition(":")
    model = published_models()[name]
    settings = model.merged(SMALL if model.family == "diffusion" else {"dtype": "float32"} | ({"top_k": 1} if greedy else {}))
    generator = random_generator(model, settings, [torch.device("cpu")], tiny=True)
    if part is None:
        assert not any(are_blank(generator.decode(drawn(generator))))
        return
    network: Any = generator
    for attribute in part.split("."):
        network = getattr(network, attribute)
    with torch.no_grad():
        list(network.parameters())[-1].view(-1)[0] = torch.nan
    assert all(are_blank(generator.decode(drawn(generator))))


def test_a_row_that_is_no_numbers_leaves_its_batch_alone() -> None:
    image_2CHW = torch.linspace(-1, 1, 2 * 3 * 4 * 4).view(2, 3, 4, 4)
    for to_bytes in (floored, rounded):
        whole = to_bytes(image_2CHW)
        lost = image_2CHW.clone()
        lost[0, 2, 3, 3] = torch.nan
        assert are_blank(to_bytes(lost)) == [True, False]
        assert torch.equal(to_bytes(lost)[1], whole[1])


def test_bytes_are_those_of_each_original() -> None:
    """Of 8-bit values: the floor of (x + 1) / 2 * 255, and the nearest; what overshoots is held."""
    image_1CHW = torch.tensor([-1.5, -1.0, 0.0, 0.5, 0.999, 1.0, 1.5]).view(1, 1, 1, 7)
    assert floored(image_1CHW).flatten().tolist() == [0, 0, 127, 191, 254, 255, 255]
    assert rounded(image_1CHW).flatten().tolist() == [0, 0, 128, 191, 255, 255, 255]
