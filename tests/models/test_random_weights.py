"""Published models with random weights: the networks of their data sheets, and the same kind of network when tiny."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch

import models.diffusion.random_weights as diffusion
import models.janus.random_weights as janus
from harness.bench.request import TINY
from harness.compute.flops import count_flops
from models.base import Row
from models.janus.sheet import TEXT_TOKENS
from models.published import published_models
from models.random_weights import random_generator
from models.sheet import sheet

CPU = torch.device("cpu")
UNGUIDED = {"ar": {"cfg": 1.0}, "diffusion": {"guidance_scale": 1.0}}
"""Without memory there is no text to guide against."""


def built(name: str, device: torch.device, tiny: bool, **changes: Any) -> tuple[Any, Any]:
    """The generator, and the settings it has."""
    model = published_models()[name]
    settings = model.merged(changes)
    return random_generator(model, settings, [device], tiny), settings


@pytest.mark.usefixtures("prices_alone")
@pytest.mark.parametrize("name", ["janus-pro-1b", "janus-pro-7b", "sd3.5-medium", "sdxl", "pixart-sigma", "sana-1.6b"])
def test_at_full_size_it_is_the_network_of_the_data_sheet(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for builder in (janus, diffusion):
        monkeypatch.setattr(builder, "filled", lambda network, device: network)
    generator, settings = built(name, torch.device("meta"), False, **UNGUIDED[published_models()[name].family])
    expected = sheet(published_models()[name], settings)
    assert generator.card.parameters == expected.parameters
    assert (generator.card.steps, generator.card.image_size) == (expected.steps, expected.image_size)
    assert generator.price("decode", expected.steps).flops == expected.decoder_flops
    passed = sum(generator.price(what, step, TEXT_TOKENS).flops for what in ("predict", "draw") for step in range(expected.steps))
    assert passed == expected.guided_flops


@pytest.mark.parametrize("name", published_models())
def test_tiny_prices_are_the_counters(name: str) -> None:
    small = {key: value for key, value in TINY.items() if key in published_models()[name].settings}
    generator, _ = built(name, CPU, True, dtype="float32", **small)
    conditioning = generator.encode(["a red circle", "two dogs"])
    state = generator.start(conditioning, [Row(0, 1), Row(1, 2)])
    tokens = conditioning.text_tokens
    for step in range(2):
        wanted = sum(generator.price("predict", step, count).flops for count in tokens)
        assert count_flops(partial(generator.predict, state)) == wanted
        state = generator.draw(generator.predict(state), [1, 2])
    while state.step < state.steps:
        state = generator.draw(generator.predict(state), [1, 2])
    assert generator.decode(state).float().std() > 0


@pytest.mark.parametrize("changes", [{"negative_prompt": "ugly"}, {"negative_prompt": "ugly", "text_autocast": True}])
def test_without_memory_there_is_a_price_with_a_negative_prompt(changes: dict[str, Any]) -> None:
    plain, _ = built("infinity-2b", torch.device("meta"), False)
    negative, _ = built("infinity-2b", torch.device("meta"), False, **changes)
    assert 0 < negative.price("predict", 5, 9).flops < plain.price("predict", 5, 9).flops  # whose text is as long as the prompt's


def test_a_tiny_model_keeps_what_its_own_size_does() -> None:
    """8B's patches, and guidance within the network where the settings have it there."""
    plain, _ = built("infinity-2b", CPU, True, dtype="float32")
    patched, _ = built("infinity-8b", CPU, True, dtype="float32")
    assert patched.transformer.config.patch == 2 * plain.transformer.config.patch
    within, _ = built("infinity-2b", CPU, True, dtype="float32", cfg_insertion_layer="-5")
    assert within.card.settings["insertion_layers"] == (1 - plain.transformer.config.depth,)
    assert plain.card.settings["insertion_layers"] == (0,)
