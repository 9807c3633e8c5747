"""The counter that prices are checked against, against torch's own: real calls of every family, forward and backward."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from harness.compute.flops import MISSING, count_flops
from models.base import Row
from models.dry_run import dry_run
from models.published import published_models
from models.random_weights import random_generator

SMALL = {"steps": 2, "height": 64, "width": 64}
CHANGES = {
    "infinity-2b": {"pn": "0.06M"}, "janus-pro-1b": {}, "flux-dev": SMALL, "sdxl": SMALL,
    "sana-1.6b": {**SMALL, "resolution_binning": False},
}  # fmt: skip


def counted_by_torch(call: Callable[[], object]) -> int:
    with FlopCounterMode(display=False, custom_mapping=MISSING) as counter:
        call()
    return int(counter.get_total_flops())


@pytest.mark.parametrize("name", CHANGES)
def test_a_generator_counts_as_by_torch(name: str) -> None:
    model = published_models()[name]
    settings = model.merged({"dtype": "float32", **CHANGES[name]})
    generator = random_generator(model, settings, [torch.device("cpu")], tiny=True)

    def draw() -> None:
        state = generator.start(generator.encode(["two dogs", "a red circle"]), [Row(0, 1), Row(1, 2)])
        state = generator.draw(generator.predict(state), [3, 4])
        generator.preview(generator.predict(state))

    assert count_flops(draw) == counted_by_torch(draw) > 0


def test_training_and_attention_count_as_by_torch() -> None:
    """Gradients, and attention of either kind, under autograd and in inference, where composite operators arrive whole."""
    attention, convolution = nn.MultiheadAttention(8, 2, batch_first=True).eval(), nn.Conv2d(3, 8, 3)

    def call() -> None:
        image_BCHW = torch.randn(2, 3, 6, 6, requires_grad=True)
        tokens_BLC = convolution(image_BCHW).flatten(2).mT
        functional.scaled_dot_product_attention(tokens_BLC, tokens_BLC, tokens_BLC).sum().backward()
        with torch.inference_mode():
            attention(torch.einsum("blc,cd->bld", tokens_BLC, torch.ones(8, 8)), tokens_BLC, tokens_BLC, need_weights=False)
            functional.bilinear(tokens_BLC, tokens_BLC, torch.ones(5, 8, 8))

    assert count_flops(call) == counted_by_torch(call) > 0


def test_a_dry_run_counts_as_by_torch() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.SiLU(), nn.Flatten(), nn.Linear(64, 5)).to("meta")
    image_BCHW = torch.empty(2, 3, 6, 6, device="meta")
    assert dry_run(lambda: network(image_BCHW)).flops == counted_by_torch(lambda: network(image_BCHW)) > 0
