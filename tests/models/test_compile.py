"""compile=true: the same images up to rounding, from code that all blocks share; traced here, not translated."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import torch
from torch._dynamo.utils import counters

from harness.errors import WrongInput
from models.base import Row
from models.compiling import asks_to_compile, prepare_compiler
from models.infinity.config import TransformerConfig
from models.infinity.transformer import InfinityTransformer
from models.published import published_models
from models.random_weights import random_generator

PROMPTS = ["a red circle", "two dogs", "a much longer text"]
SIZES: dict[str, dict[str, Any]] = {
    "infinity-2b": {"pn": "0.06M"},
    "flux-dev": {"steps": 2, "height": 32, "width": 32, "max_sequence_length": 16},
    "sd3.5-medium": {"steps": 2, "height": 32, "width": 32, "max_sequence_length": 16},
    "sdxl": {"steps": 2, "height": 64, "width": 64},
    "pixart-sigma": {"steps": 2, "height": 32, "width": 32, "max_sequence_length": 16, "resolution_binning": False},
    "sana-1.6b": {"steps": 2, "height": 64, "width": 64, "max_sequence_length": 16, "resolution_binning": False},
}


@pytest.fixture(autouse=True)
def traced_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Translating to machine code takes most of a minute and is torch's business."""
    torch._dynamo.reset()
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    yield
    torch._dynamo.reset()


def generator_of(name: str, compiled: bool) -> Any:
    model = published_models()[name]
    settings = model.merged({**SIZES[name], "dtype": "float32", "compile": compiled})
    return random_generator(model, settings, [torch.device("cpu")], tiny=True)


def last_prediction(generator: Any, rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images, and what was drawn of the last step."""
    state = generator.start(generator.encode(PROMPTS), [Row(row % len(PROMPTS), row) for row in range(rows)])
    while state.step < generator.card.steps:
        state = generator.draw(generator.predict(state), [1000 * state.step + row for row in range(rows)])
    drawn = state.prefixes.features_BdHW if hasattr(state, "prefixes") else state.latents_UX
    return generator.decode(state), drawn


def compare(name: str, rows: int) -> Any:
    """A compiled generator whose images are those of a plain one."""
    plain, compiled = generator_of(name, False), generator_of(name, True)
    assert compiled.card.settings["compile"] is True
    (wanted, wanted_X), (images, drawn_X) = last_prediction(plain, rows), last_prediction(compiled, rows)
    torch.testing.assert_close(drawn_X, wanted_X, atol=2e-4, rtol=2e-4)
    assert (images.int() - wanted.int()).abs().max() <= 1
    return compiled


@pytest.mark.parametrize("name", [name for name in SIZES if name != "infinity-2b"])
def test_compiled_blocks_draw_the_same(name: str) -> None:
    compare(name, 5)
    assert counters["stats"]["unique_graphs"] > 0


def test_blocks_of_infinity_draw_the_same_and_share_their_code_whatever_prefix_and_text() -> None:
    counters.clear()
    compiled = compare("infinity-2b", 5)
    first = counters["stats"]["unique_graphs"]
    assert 0 < first <= 6, "three parts of a block, at the scale of one token and at the others"
    last_prediction(compiled, 7)
    assert counters["stats"]["unique_graphs"] == first


@torch._dynamo.config.patch(recompile_limit=2)
def test_a_run_of_many_compiled_models_meets_no_limit() -> None:
    """Torch's own limit is made so small that two models would meet it."""
    for width in (64, 96):
        config = TransformerConfig(depth=1, embed_dim=width, num_heads=4, codebook_dim=8, text_channels=16, text_maxlen=8)
        block = InfinityTransformer(config).eval().compile_blocks().ordered_blocks[0]
        for rows, tokens in ((1, 1), (3, 4)):
            rotation_nj2 = torch.zeros(tokens, config.head_dim // 2, 2)
            block.before_attention(torch.randn(rows, tokens, width), torch.randn(rows, 1, 6, width), rotation_nj2)


def test_what_is_compiled_cannot_be_moved_away() -> None:
    assert not asks_to_compile({"cfg": 1.0}, "model")
    with pytest.raises(WrongInput, match="compile=true does not go with offload=text"):
        asks_to_compile({"compile": True}, "text")


def test_the_compiler_does_not_warn_of_a_toolkit_without_a_card() -> None:
    prepare_compiler()
    log = logging.getLogger("torch.utils.cpp_extension")
    texts = ("No CUDA runtime is found, using CUDA_HOME='%s'", "something else")
    kept = [log.filter(logging.LogRecord(log.name, logging.WARNING, "", 0, text, (), None)) for text in texts]
    assert list(map(bool, kept)) == [False, True]
