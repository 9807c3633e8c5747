"""One model over several devices: what goes where, the same images, and no tensor on the wrong device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import test_offload
import torch
from test_offload import CPU, DIFFUSION, PROMPTS, everything, tiny_families, tiny_janus, tiny_published
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily

from harness.config import Settings
from harness.devices import pick_devices
from harness.errors import WrongInput
from harness.registry import Entry
from harness.run import session
from harness.run.pairing import pair_up
from harness.run.session import open_session
from harness.run.timing import Stopwatch
from harness.weights.local import build
from models import multi_device, pixels
from models.base import Images, Row
from models.compiling import asks_to_compile
from models.diffusion import flux, guided
from models.diffusion import published as diffusion
from models.infinity import generator as infinity_generator
from models.infinity import published as infinity
from models.infinity.memory import row_bytes
from models.janus import generator as janus_generator
from models.janus import load as janus
from models.multi_device import Division, Networks, divide, place, size_of, spread, top_blocks
from models.published import PublishedModel, published_models

TWO_CARDS = (torch.device("cuda:0"), torch.device("cuda:1"))
EVERY = [*DIFFUSION, "infinity", "janus"]
pytestmark = pytest.mark.usefixtures("unchecked", "cards_asked_once")


@pytest.fixture(scope="module")
def cards_asked_once() -> Iterator[None]:
    """accelerate asks the driver whether there are cards after every weight that it has placed, to free their memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("accelerate.utils.modeling.clear_device_cache", lambda: None)
        yield


class Network(nn.Module):
    """Six blocks of one million bytes, and 300,000 bytes around them."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.empty(25_000, device="meta"))
        self.transformer_blocks = nn.ModuleList(nn.Linear(250, 1000, bias=False, device="meta") for _ in range(6))
        self.out = nn.Linear(50, 1000, bias=False, device="meta")


def parts(*encoders: int) -> Networks:
    """With text encoders of so many millions of bytes, and a decoder of 700,000 bytes."""
    network = Network()
    texts = {f"text_encoder_{n}": nn.Linear(size * 250, 1000, bias=False, device="meta") for n, size in enumerate(encoders)}
    return Networks(network, top_blocks(network), texts, nn.Linear(175, 1000, bias=False, device="meta"))


def test_two_equal_cards_are_filled_alike_and_pieces_stay_whole() -> None:
    found = divide(parts(3, 1), [10_000_000, 10_000_000])
    assert found is not None
    blocks = [found.places[f"transformer_blocks.{n}"] for n in range(6)]
    assert blocks == [0, 0, 0, 0, 0, 1]  # with 1 million beside them on the first, and 4 of text on the second
    assert (found.places["text_encoder_0"], found.places["text_encoder_1"]) == (1, 1)
    assert found.bytes == (6_000_000, 5_000_000)
    assert found.blocks == (5, 1)


def test_a_smaller_card_gets_less() -> None:
    found = divide(parts(), [3_000_000, 9_000_000])
    assert found is not None
    assert found.blocks == (1, 5)
    assert found.bytes[0] == 2_000_000  # of the weights around the blocks, the decoder's, and one block's
    three = divide(parts(), [3_000_000, 3_000_000, 3_000_000])
    assert three is not None
    assert three.blocks == (2, 3, 1)


@pytest.mark.parametrize(("kept", "passed"), [(1_000_000, 0), (1_000_000, 1_500_000), (200_000, 2_000_000)])
@pytest.mark.parametrize("memory", [(20_000_000, 20_000_000), (20_000_000, 9_000_000), (9_000_000, 30_000_000)])
def test_no_other_division_has_room_for_more_rows(kept: int, passed: int, memory: tuple[int, int]) -> None:
    """Of all places to cut the pieces in two, in their order: what blocks keep of a row lies with them, a pass on either card."""
    model = replace(parts(3), kept=kept, passed=passed)
    weights = [1_000_000] * 6 + [3_000_000]

    def rows(cut: int) -> int:
        blocks = min(cut, 6), 6 - min(cut, 6)
        left = memory[0] - 1_000_000 - sum(weights[:cut]), memory[1] - sum(weights[cut:])
        return min(room // (kept * own + passed) if kept * own + passed else 99 for room, own in zip(left, blocks, strict=True))

    found = divide(model, memory)
    assert found is not None
    assert rows(list(found.places.values()).count(0)) == max(map(rows, range(8))) > 0


def test_a_cache_is_divided_with_the_weights_until_no_more_rows_fit() -> None:
    by_weights, by_rows = (divide(replace(parts(3), kept=kept), [20_000_000] * 2) for kept in (0, 1_000_000))
    assert by_weights is not None
    assert by_rows is not None
    assert (by_weights.blocks, by_rows.blocks) == ((4, 2), (3, 3)), "of 10 million bytes 5 each; of 4 rows 12 million each beside them"
    assert by_rows.bytes == (4_000_000, 6_000_000), "weights alone"
    full = divide(replace(parts(3), kept=10_000_000), [5_000_000] * 2)
    assert full is not None, "weights fit, though no row does"


def test_what_does_not_fit_is_no_division() -> None:
    assert divide(parts(), [4_000_000, 2_900_000]) is None  # 7 million of 6.9
    assert divide(parts(), [900_000, 9_000_000]) is None  # decoder and surroundings on the first
    assert divide(parts(5), [8_000_000, 4_900_000]) is None  # a text encoder is not divided


def test_too_small_devices_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multi_device, "free_and_total", lambda device: (3_500_000, 9_000_000))
    with pytest.raises(WrongInput, match=r"big does not fit on cuda:0 with 0.0 GB free, cuda:1 with .*offload=model .*doctor big"):
        place(parts(), TWO_CARDS, "big")


def test_host_memory_has_room_for_the_model_that_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """11 million bytes: 4.5 million on the card, the rest stays where it is although little is free beside it."""
    found: list[Division] = []
    monkeypatch.setattr(multi_device, "spread", lambda model, one, devices: found.append(one))
    monkeypatch.setattr(multi_device, "free_and_total", lambda device: (5_000_000 if device.type == "cuda" else 500_000, 99_000_000))
    place(parts(3, 1), (TWO_CARDS[0], CPU), "big")
    assert sum(found[0].bytes) == 11_000_000
    assert found[0].bytes[1] > 500_000
    monkeypatch.setattr(multi_device, "free_and_total", lambda device: (5_000_000, 99_000_000))
    with pytest.raises(WrongInput, match="big does not fit on cuda:0"):  # on cards it is not yet
        place(parts(3, 1), TWO_CARDS, "big")


def test_real_networks_have_their_blocks_found() -> None:
    with torch.device("meta"):
        pipeline = tiny_families.FAMILIES["flux"].build()
    assert len(diffusion.networks_of(pipeline.components).blocks) == 5
    assert set(diffusion.networks_of(pipeline.components).encoders) == {"text_encoder", "text_encoder_2"}


# Real models -------------------------------------------------------------------------------------------------------------


def halves(model: Networks) -> Division:
    """The first half of the blocks on the first device, the rest and the text encoders on the second."""
    count = len(model.blocks)
    places = {name: int(n >= count // 2) for n, name in enumerate(model.blocks)} | dict.fromkeys(model.encoders, 1)
    return Division(places, (count // 2, count - count // 2), (0, 0))


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Loads a tiny published model of a family, from a folder written once."""
    root = tmp_path_factory.mktemp("tiny")

    def loaded(family: str, **extra: Any) -> Any:
        folder = root / family
        if family == "janus":
            if not folder.is_dir():
                tiny_janus.save(folder)
            return janus.load(tiny_janus.row(), {"weights": folder}, CPU, tiny_janus.SETTINGS, **extra)
        if family == "infinity":
            row = published_models()["infinity-2b"]
            folders = {"weights": folder / "weights", "vae": folder / "weights", "text_encoder": folder / "text"}
            if not folder.is_dir():
                tiny_published.publish(folder, "infinity-2b")
            settings = {"pn": "0.06M", "dtype": "float32", "text_dtype": "float32", "negative_prompt": "red star",
                        "cfg_insertion_layer": "0/-1"}  # fmt: skip
            with pytest.MonkeyPatch.context() as patch:
                for name, size in tiny_published.TINY.items():
                    patch.setitem(infinity.SIZES, name, size)
                return infinity.load(row, folders, CPU, row.merged(settings), **extra)
        if not folder.is_dir():
            tiny_families.save(family, folder)
        row = PublishedModel("tiny", "", "diffusion", "", "", "none", "", {}, {}, {})
        settings = {**tiny_families.FAMILIES[family].settings, "dtype": "float32"}
        if family == "sd3":
            settings |= {"steps": 8, "skip_guidance_layers": "1"}
        return diffusion.load(row, {"weights": folder}, CPU, settings, **extra)

    return loaded


@pytest.fixture(scope="module")
def whole(load: Callable[..., Any]) -> Callable[[str], Any]:
    """The model of a family on one device, loaded once."""
    return cache(load)


@pytest.fixture(scope="module")
def wanted(whole: Callable[[str], Any]) -> Callable[[str], list[Images]]:
    """What it makes."""
    return cache(lambda family: everything(whole(family)))


@pytest.fixture
def divided(load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The model of a family over devices: `placed` hears of its parts just before.

    They are divided in halves; with `placed` None as `place` does it.
    """

    def opened(family: str, devices: Sequence[torch.device], placed: Callable[[Networks], None] | None = lambda model: None) -> Any:
        def placing(model: Networks, devices: Sequence[torch.device], name: str) -> None:
            assert placed is not None
            placed(model)
            spread(model, halves(model), devices)

        for module in (diffusion, infinity, janus):
            monkeypatch.setattr(module, "place", placing if placed else place)
        return load(family, devices=devices)

    return opened


@pytest.mark.parametrize("family", EVERY)
def test_images_prices_and_cards_are_the_same(
    whole: Callable[[str], Any], wanted: Callable[[str], list[Images]], divided: Callable[..., Any], family: str
) -> None:
    one, halved = whole(family), divided(family, (CPU, CPU))
    assert halved.card == one.card
    assert halved.device == CPU
    for operation, step in (("encode", 0), ("predict", 1), ("decode", 0)):
        assert halved.price(operation, step, 5) == one.price(operation, step, 5)
    for image, other in zip(wanted(family), everything(halved), strict=True):
        assert torch.equal(image, other)


@pytest.mark.parametrize("family", ["flux", "infinity"])
def test_a_loaded_model_is_divided_by_its_own_sizes(
    wanted: Callable[[str], list[Images]], divided: Callable[..., Any], family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the loader to the hooks, the model filling what room there is: some of it lies on each device."""
    found: list[Division] = []

    def spreading(model: Networks, division: Division, devices: Sequence[torch.device]) -> None:
        found.append(division)
        spread(model, division, devices)

    monkeypatch.setattr(multi_device, "free_and_total", lambda device: (0, 2**40))
    monkeypatch.setattr(multi_device, "spread", spreading)
    filled = divided(family, (CPU, CPU), None)
    assert min(found[0].bytes) > 0
    for image, other in zip(wanted(family), everything(filled), strict=True):
        assert torch.equal(image, other)


def test_infinity_is_divided_with_what_its_sheet_says_of_rows(divided: Callable[..., Any]) -> None:
    placed: list[Networks] = []
    generator = divided("infinity", (CPU, CPU), placed.append)
    config, rollout = generator.transformer.config, generator.rollout
    steps = range(len(rollout.schedule) + 1)
    most = max(row_bytes(config, rollout.schedule, rollout.sampling, step, value_bytes=4) for step in steps)
    assert placed[0].kept == most // config.depth
    assert placed[0].passed > 0


@pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")
@pytest.mark.parametrize("family", EVERY)
def test_every_operation_finds_its_tensors_on_one_device(
    whole: Callable[[str], Any], divided: Callable[..., Any], family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two cards that are not there: tensors without values, which refuse to meet those of another device."""
    for module in (pixels, infinity_generator, janus_generator):  # they read values
        monkeypatch.setattr(module, "blanked", lambda images, values: images)
    real = whole(family)
    if hasattr(real, "adapter"):  # text and schedules have values that are read, so they are a real model's
        monkeypatch.setattr(type(real.adapter), "encode", encoded_on(TWO_CARDS[0], real.adapter))
        if "encode_negative" in vars(type(real.adapter)):
            monkeypatch.setattr(type(real.adapter), "encode_negative", guided.GuidedAdapter.encode_negative)
        monkeypatch.setattr(guided, "make_schedule", with_values(guided.make_schedule))
        monkeypatch.setattr(flux, "FlowEuler", with_values(flux.FlowEuler))
    with ExitStack() as stack:
        halved = divided(family, TWO_CARDS, lambda model: stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True)))
        network = halved.network if family == "janus" else halved.transformer if family == "infinity" else halved.adapter.transformer
        assert {tensor.device for tensor in network.parameters()} == set(TWO_CARDS)
        assert halved.device == TWO_CARDS[0]
        assert len(begun(halved)) == 3


def begun(generator: Any) -> Images:
    """A step with a fork, after another one where a step knows of the one before, and what it would look like."""
    state = generator.start(generator.encode(PROMPTS), [Row(0, 1), Row(1, 2)])
    state = generator.predict(state)
    after = generator.draw(state, [3, 4])
    if not hasattr(after, "memory_UX") or after.memory_UX is not None:
        state = generator.predict(after)
    state = generator.select(state, [1, 0, 1])
    images: Images = generator.preview(state)
    generator.draw(state, [5, 6, 7])
    return images


def encoded_on(device: torch.device, adapter: Any) -> Any:
    """An adapter's `encode`: tensors of the shapes that a real one's have, without values."""
    real = type(adapter).encode

    def encode(_: Any, prompts: Sequence[str]) -> tuple[torch.Tensor, ...]:
        with unset_fake_temporarily():
            found = real(adapter, prompts)
        return tuple(torch.empty(one.shape, dtype=one.dtype, device=device) for one in found)

    return encode


def with_values(make: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **options: Any) -> Any:
        with unset_fake_temporarily():
            return make(*[CPU if isinstance(one, torch.device) else one for one in args], **options)

    return call


# Named on the command line ------------------------------------------------------------------------------------------------


def test_devices_are_named_with_their_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert pick_devices("cpu") == (CPU,)
    monkeypatch.setattr("harness.devices.pick_device", torch.device)
    assert pick_devices("cuda:0, cuda:1") == TWO_CARDS
    for wrong in ("cuda:0,cuda:0", "cuda,cuda:1"):
        with pytest.raises(WrongInput, match=f"device '{wrong}' is no list of different devices: .* as cuda:0,cuda:1"):
            pick_devices(wrong)


def test_offload_and_several_devices_exclude_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "pick_devices", lambda asked: TWO_CARDS)
    settings = Settings(device="cuda:0,cuda:1", offload="text")
    with pytest.raises(WrongInput, match=r"offload=text is for one device, device=cuda:0,cuda:1 names several"):
        open_session(settings, pair_up(settings.run()), Stopwatch())
    assert settings.run().identity() == Settings().run().identity()


def test_a_loader_that_knows_no_devices_is_told_apart() -> None:
    row = PublishedModel("plain", "", "ar", "", "", "none", "", {}, {}, {})
    entry = Entry("test_offload:plain", "", row=row)
    assert build(entry, {}, CPU, devices=(CPU,)) == test_offload.plain(row, {}, CPU, {})
    with pytest.raises(WrongInput, match="model plain cannot be divided, its loader knows no devices: give one device"):
        build(entry, {}, CPU, devices=TWO_CARDS)


def test_what_is_divided_is_not_compiled() -> None:
    with pytest.raises(WrongInput, match="compile=true does not go with several devices: leave it out, or give one device"):
        asks_to_compile({"compile": True}, divided=True)


def test_shared_weights_count_once() -> None:
    tied = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    tied[1].weight = tied[0].weight
    assert size_of(tied) == 64
