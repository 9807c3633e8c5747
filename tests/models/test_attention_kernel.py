"""attention=NAME: the same images up to rounding, with the kernel asked for tried first and torch's order left alone after."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from harness.errors import WrongInput
from models.attention import AUTO, KERNELS, SETTING, kernel_of, prefer, tried
from models.base import Row
from models.published import published_models
from models.random_weights import random_generator

MODELS: dict[str, dict[str, Any]] = {
    "infinity-2b": {},
    "flux-dev": {"steps": 1, "height": 32, "width": 32, "max_sequence_length": 16},
    "sdxl": {"steps": 1, "height": 64, "width": 64},
}


class Attentions(TorchFunctionMode):
    """At every attention: the kernel that torch tries first, and whether the fused ones may be used."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple[SDPBackend, bool]] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.scaled_dot_product_attention:
            first = SDPBackend(torch._C._get_sdp_priority_order()[0])  # type: ignore[attr-defined]
            self.seen.add((first, torch.backends.cuda.flash_sdp_enabled()))
        return func(*args, **kwargs or {})


def drawn_with(name: str, kernel: str) -> tuple[torch.Tensor, set[tuple[SDPBackend, bool]]]:
    """What one model draws at its last step, and what its attentions saw."""
    model = published_models()[name]
    settings = model.merged({**MODELS[name], "dtype": "float32", SETTING: kernel})
    generator = random_generator(model, settings, [torch.device("cpu")], tiny=True)
    assert generator.card.settings[SETTING] == kernel
    state: Any = generator.start(generator.encode(["a red circle", "two dogs"]), [Row(0, 1), Row(1, 2)])
    with Attentions() as calls:
        for step in range(generator.card.steps):
            state = generator.draw(generator.predict(state), [step, step + 100])
    return state.prefixes.features_BdHW if hasattr(state, "prefixes") else state.latents_UX, calls.seen


@pytest.mark.parametrize("name", MODELS)
def test_the_kernel_asked_for_comes_first_and_draws_the_same(name: str) -> None:
    usual_X, usual = drawn_with(name, AUTO)
    math_X, math = drawn_with(name, "math")
    flash_X, flash = drawn_with(name, "flash")
    assert usual == flash == {(SDPBackend.FLASH_ATTENTION, True)}
    assert math == {(SDPBackend.MATH, False)}
    assert torch.equal(flash_X, usual_X)
    torch.testing.assert_close(math_X, usual_X, atol=1e-4, rtol=1e-4)


def test_on_cuda_cudnn_comes_first_and_the_others_stay_behind_it() -> None:
    network = torch.nn.Identity()
    order: list[int] = []
    network.forward = lambda x: order.extend(torch._C._get_sdp_priority_order()) or x  # type: ignore[attr-defined,func-returns-value,method-assign]
    prefer(network, kernel_of({SETTING: "cudnn"}, torch.device("cuda")))
    network(torch.zeros(1))
    assert order[0] == SDPBackend.CUDNN_ATTENTION.value
    assert {backend.value for backend in KERNELS.values()} <= set(order)


def test_the_order_told_is_the_one_that_torch_has() -> None:
    usual = tried(AUTO)
    assert set(usual) == set(KERNELS)
    with sdpa_kernel([SDPBackend.MATH, SDPBackend.CUDNN_ATTENTION], set_priority=True):
        assert tried(AUTO)[:2] == ("math", "cudnn")
    assert tried(AUTO) == usual
    assert tried("cudnn") == ("cudnn", "flash", "efficient", "math")
    assert tried("math") == ("math",)


def test_other_models_keep_torchs_order() -> None:
    before = torch._C._get_sdp_priority_order()  # type: ignore[attr-defined]
    drawn_with("flux-dev", "math")
    assert torch._C._get_sdp_priority_order() == before  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", [name for name, model in published_models().items() if SETTING in model.settings])
def test_a_name_that_is_no_kernel_is_refused_before_weights_are_looked_for(name: str) -> None:
    model = published_models()[name]
    with pytest.raises(WrongInput, match="attention='fast' is no attention kernel: use one of auto, flash, cudnn"):
        model.check(model.merged({SETTING: "fast"}))


def test_kernels_for_cuda_are_refused_elsewhere() -> None:
    with pytest.raises(WrongInput, match="attention=cudnn is a kernel for CUDA, the model is to run on cpu"):
        kernel_of({SETTING: "cudnn"}, torch.device("cpu"))
    for device in ("cuda", "meta"):  # what is planned without weights may run on another machine
        assert [kernel_of({SETTING: name}, torch.device(device)) for name in KERNELS] == list(KERNELS)
