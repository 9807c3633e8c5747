"""Offload: the same images, with networks that are really away between their turns."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import tiny_families
import tiny_janus
import tiny_published
import torch
from torch import nn

from harness.bench.request import prepared
from harness.config import Settings
from harness.config_sources import load_settings
from harness.errors import WrongInput
from harness.registry import Entry
from harness.run.pairing import pair_up
from harness.run.session import open_session
from harness.run.timing import Stopwatch
from harness.weights.local import build
from models.base import Images, Refinable, Row
from models.diffusion.published import load as load_diffusion
from models.infinity import published as infinity_published
from models.infinity.published import load as load_infinity
from models.janus.load import load as load_janus
from models.offload import Turns, device_of
from models.published import PublishedModel

CPU = torch.device("cpu")
PROMPTS = ["red circle", "two blue star above red circle"]
DIFFUSION = list(tiny_families.FAMILIES)
NETWORK = {name: one.network for name, one in tiny_families.FAMILIES.items()}
Opener = Callable[..., Any]
pytestmark = pytest.mark.usefixtures("unchecked")


@pytest.fixture(scope="module")
def opener(tmp_path_factory: pytest.TempPathFactory) -> Opener:
    """Loads a tiny published model of a family, from a folder written once."""
    root, infinity = tmp_path_factory.mktemp("tiny"), {}

    def opened(family: str, offload: str) -> Any:
        extra: Any = {} if offload == "none" else {"offload": offload}
        if family == "janus":
            if not (root / family).is_dir():
                tiny_janus.save(root / family)
            return load_janus(tiny_janus.row(), {"weights": root / family}, CPU, tiny_janus.SETTINGS, **extra)
        if family == "infinity":
            if not infinity:
                infinity["found"] = tiny_published.publish(root / family, "infinity-125m")
            row, folders = infinity["found"]
            settings = row.merged({"dtype": "float32", "text_dtype": "float32", "negative_prompt": "red star"})
            return load_infinity(row, folders, CPU, settings, **extra)
        folder = root / family if (root / family).is_dir() else tiny_families.save(family, root / family)
        row = PublishedModel("tiny", "", "diffusion", "", "", "none", "", {}, {}, {})
        return load_diffusion(row, {"weights": folder}, CPU, {**tiny_families.FAMILIES[family].settings, "dtype": "float32"}, **extra)

    return opened


@pytest.fixture(scope="module")
def kept(opener: Opener) -> Callable[[str], tuple[Any, list[Images]]]:
    """A family's model with all networks on the device, and what it makes."""

    @cache
    def made(family: str) -> tuple[Any, list[Images]]:
        generator = opener(family, "none")
        return generator, everything(generator)

    return made


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in tiny_published.TINY.items():
        monkeypatch.setitem(infinity_published.SIZES, name, size)


def networks(generator: Any) -> dict[str, nn.Module]:
    if hasattr(generator, "network"):
        return {"denoiser": generator.network.language_model, "head": generator.network.generation_head,
                "decoder": generator.network.decoder}  # fmt: skip
    if hasattr(generator, "vae"):
        return {"text": generator.text_encoder.model, "denoiser": generator.transformer, "decoder": generator.vae}
    pipeline = generator.adapter.pipeline
    found = {f"text{name.removeprefix('text_encoder')}": part for name, part in pipeline.components.items()
             if name.startswith("text_encoder")}  # fmt: skip
    return {**found, "denoiser": generator.adapter.transformer, "decoder": pipeline.vae}


def here(generator: Any) -> set[str]:
    """Networks whose weights are on the device, each whole or not at all."""
    found = set()
    for name, network in networks(generator).items():
        places = {tensor.device.type for tensor in (*network.parameters(), *network.buffers())}
        assert len(places) == 1, (name, places)
        if places == {"cpu"}:
            found.add(name)
    return found


def everything(generator: Any) -> list[Images]:
    """A search's back and forth: a preview in the middle, a fork, the end, and a start from images where there is one."""
    state = generator.start(generator.encode(PROMPTS), [Row(0, 1), Row(1, 2)])
    made = []
    while state.step < generator.card.steps:
        state = generator.predict(state)
        if state.step == 1:
            made.append(generator.preview(state))
            state = generator.select(state, [1, 0, 1])
        state = generator.draw(state, [10 * row + state.step for row in range(len(state.rows))])
    made.append(generator.decode(state))
    if isinstance(generator, Refinable):
        begun = generator.start_image(state.conditioning, [Row(0, 7)], made[-1][:1], 0.6)
        made.append(generator.preview(generator.predict(begun)))
    return made


@pytest.mark.parametrize("mode", ["text", "model"])
@pytest.mark.parametrize("family", [*DIFFUSION, "infinity", "janus"])
def test_images_and_cards_are_the_same(
    opener: Opener, kept: Callable[[str], tuple[Any, list[Images]]], family: str, mode: str
) -> None:
    if (family, mode) == ("janus", "text"):
        pytest.skip("refused: it has no text encoder")
    (staying, images), resting = kept(family), opener(family, mode)
    assert resting.card == staying.card
    assert resting.price("encode", 0, 5) == staying.price("encode", 0, 5)
    assert resting.device == CPU
    for one, other in zip(images, everything(resting), strict=True):
        assert torch.equal(one, other)
    assert len(here(staying)) == len(networks(staying))


@pytest.mark.parametrize("family", [*DIFFUSION, "infinity"])
def test_text_encoders_leave_after_encoding(opener: Opener, family: str) -> None:
    generator = opener(family, "text")
    rest = {"denoiser", "decoder"}
    assert here(generator) == rest
    conditioning = generator.encode(PROMPTS)
    assert here(generator) == rest
    turns = [part._hf_hook for name, part in networks(generator).items() if name.startswith("text")]
    assert all(turn.loads >= 1 for turn in turns)
    before = [turn.loads for turn in turns]
    generator.decode(finished(generator, conditioning))
    assert before == [turn.loads for turn in turns]
    assert here(generator) == rest


def finished(generator: Any, conditioning: Any) -> Any:
    state = generator.start(conditioning, [Row(0, 1)])
    while state.step < generator.card.steps:
        state = generator.draw(generator.predict(state), [state.step])
    return state


@pytest.mark.parametrize("family", [*DIFFUSION, "infinity", "janus"])
def test_one_network_at_a_time_stays_for_as_long_as_it_runs(opener: Opener, family: str) -> None:
    generator = opener(family, "model")
    denoiser = {"denoiser", "head"} if family == "janus" else {"denoiser"}
    conditioning = generator.encode(PROMPTS)
    assert not {name for name in here(generator) if name.startswith("text")}
    turn = networks(generator)["denoiser"]._hf_hook
    state = generator.predict(generator.start(conditioning, [Row(0, 1), Row(1, 2)]))
    assert here(generator) == denoiser
    loads = turn.loads
    generator.preview(state)
    assert here(generator) == {"decoder"}
    assert generator.device == CPU
    state = finished(generator, conditioning)
    assert here(generator) == denoiser
    assert turn.loads == loads + 1  # once for all steps
    generator.decode(state)
    assert here(generator) == {"decoder"}


def test_tied_weights_stay_tied_and_a_network_out_of_turn_fails() -> None:
    inner = nn.Linear(4, 4)
    tied, other = nn.Sequential(inner, nn.ReLU(), nn.Linear(4, 4)), nn.BatchNorm1d(4)
    tied[2].weight = inner.weight
    x_BC = torch.randn(3, 4)
    expected = tied(x_BC)
    turns = Turns(CPU)
    turns.add(tied)
    turns.add(other, leaves=True)
    assert all(tensor.is_meta for module in (tied, other) for tensor in module.state_dict().values())
    assert torch.equal(tied(x_BC), expected)
    assert tied[2].weight is not None
    assert tied[2].weight.data_ptr() == tied[0].weight.data_ptr()
    other.eval()(x_BC)
    assert all(tensor.is_meta for module in (tied, other) for tensor in module.state_dict().values())
    with pytest.raises((RuntimeError, NotImplementedError)):
        inner(x_BC).sum().item()
    assert device_of(tied) == CPU


def test_what_cannot_be_offloaded_is_refused(opener: Opener) -> None:
    with pytest.raises(WrongInput, match=r"model tiny-janus reads text with .*offload=text .*use offload=model or none"):
        opener("janus", "text")
    row = PublishedModel("plain", "", "ar", "", "", "none", "", {}, {}, {})
    entry = Entry(f"{__name__}:plain", "", row=row)
    sys.modules.setdefault(__name__, sys.modules[plain.__module__])
    assert build(entry, {}, CPU) == "loaded"
    with pytest.raises(WrongInput, match="model plain cannot be offloaded, its loader knows no offload=model: use offload=none"):
        build(entry, {}, CPU, offload="model")


@pytest.mark.parametrize(("model", "given", "said"), [
    ("infinity-2b:compile=true", {"offload": "text"}, "compile=true does not go with offload=text"),
    ("sdxl:compile=true", {"device": "cuda:0,cuda:1"}, "compile=true does not go with several devices"),
    ("janus-pro-1b", {"offload": "text"}, "janus-pro-1b reads text with the network that draws images"),
    ("janus-pro-1b+sdxl:compile=true", {"offload": "model", "searches": ("hybrid",)}, "compile=true does not go with offload=model"),
])  # fmt: skip
@pytest.mark.parametrize("outlines", [True, False])
def test_a_plan_refuses_it_too_and_before_weights_that_are_missing(model: str, given: Any, said: str, outlines: bool) -> None:
    settings = Settings(**{"suite": "geneval", "models": (model,), "verifiers": ("image-reward",), "searches": ("random",), **given})
    with pytest.raises(WrongInput, match=said):
        open_session(settings, pair_up(settings.run()), Stopwatch(), outlines)


def plain(model: Any, folders: Any, device: Any, settings: Any) -> str:
    return "loaded"


def test_it_is_no_part_of_a_run() -> None:
    assert Settings(offload="model").run().identity() == Settings().run().identity()
    with pytest.raises(WrongInput, match="offload='disk' is not one of none, text, model"):
        load_settings(None, ["offload=disk"], {})


@cache
def random_kept(name: str) -> tuple[Any, list[Images]]:
    """A tiny model with random weights, all on the device, and what it makes."""
    generator = prepared(name, "cpu", tiny=True)[1]
    return generator, everything(generator)


@pytest.mark.parametrize("mode", ["text", "model"])
@pytest.mark.parametrize("name", ["flux-dev:steps=2,height=64,width=64,dtype=float32", "infinity-2b:dtype=float32,text_dtype=float32",
                                  "janus-pro-1b:dtype=float32"])  # fmt: skip
def test_random_weights_rest_as_those_of_files_do(name: str, mode: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    if (name.partition(":")[0], mode) == ("janus-pro-1b", "text"):
        with pytest.raises(WrongInput, match="offload=text leaves nothing out"):
            prepared(name, "cpu", tiny=True, offload=mode)
        return
    (staying, images), resting = random_kept(name), prepared(name, "cpu", tiny=True, offload=mode)[1]
    for one, other in zip(images, everything(resting), strict=True):
        assert torch.equal(one, other)
    assert here(staying) == set(networks(staying))
    away = {part for part in networks(resting) if part.startswith("text")} if mode == "text" else set(networks(resting)) - {"decoder"}
    assert away.isdisjoint(here(resting))
