"""Prices and memory of published models, worked out without weights, against figures from elsewhere and against real tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import call
from torch import nn

from harness.compute.flops import count_flops
from harness.errors import WrongInput
from harness.fitting import fit, in_words, rows_divided, rows_that_fit
from harness.sheets import document, rows
from models.architecture import components, outline, parameters
from models.diffusion.dry_calls import decoder_call, denoiser_call
from models.diffusion.sheet import _pass_bytes
from models.dry_run import CudaAutocast, dry_run
from models.infinity.config import TransformerConfig
from models.infinity.flops import decoder_flops, prompt_flops, scale_flops
from models.infinity.memory import TEXT_TOKENS, last_pass
from models.infinity.published import SIZES
from models.infinity.rollout import Rollout
from models.infinity.sampling import Sampling
from models.infinity.schedule import ScaleSchedule, published_schedule
from models.infinity.text import TextFeatures
from models.infinity.transformer import InfinityTransformer
from models.multi_device import Division, divide
from models.published import published_models
from models.random_weights import outlined
from models.sheet import Sheet, sheet

DOCUMENT = Path(__file__).parents[2] / "docs" / "models.md"
MODELS = published_models()


@cache
def plain(name: str) -> Any:
    """A model without weights under its own settings."""
    return outlined(MODELS[name], MODELS[name].merged({}))


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("sd3.5-large", 31.1), ("sd3.5-medium", 11.3), ("sana-1.6b", 2.96), ("pixart-sigma", 6.6), ("flux-dev", 74.4),
        ("flux-schnell", 69.5),
    ],
)  # fmt: skip
def test_a_step_costs_what_others_have_counted(name: str, published: float) -> None:
    cost = plain(name).price("predict")
    assert cost.flops / cost.forwards / 1e12 == pytest.approx(published, rel=0.02)


@pytest.mark.parametrize(
    ("name", "part", "billions"),
    [
        ("flux-dev", "transformer", 11.901), ("sd3.5-large", "transformer", 8.057), ("sd3.5-medium", "transformer", 2.243),
        ("sdxl", "unet", 2.567), ("pixart-sigma", "transformer", 0.611), ("sana-1.6b", "transformer", 1.604),
        ("flux-dev", "text_encoder_2", 4.762), ("janus-pro-1b", "model", 2.077),
    ],
)  # fmt: skip
def test_networks_have_the_published_number_of_parameters(name: str, part: str, billions: float) -> None:
    assert parameters(outline(components(name)[part])) / 1e9 == pytest.approx(billions, rel=1e-3)


@pytest.mark.usefixtures("prices_alone")
def test_a_third_pass_of_guidance_is_in_the_price_of_an_image() -> None:
    model = MODELS["sd3.5-medium"]
    plain, skipping = (sheet(model, model.merged(given)) for given in ({}, {"preset": "slg"}))
    passes = (skipping.guided_flops - plain.guided_flops) / plain.step_flops[0]
    assert 7 * 20 / 24 < passes < 7  # of 40 steps the second to the eighth, without 3 of 24 blocks of which 2 are heavier
    assert plain.guided_flops == 2 * plain.unguided_flops
    with pytest.raises(WrongInput, match=r"model sd3\.5-medium: skip_guidance_layers names block 30: the model has 0 to 23"):
        sheet(model, model.merged({"skip_guidance_layers": "30"}))


@pytest.mark.parametrize("name", ["flux-schnell", "sdxl", "sana-1.6b"])
def test_the_formulas_of_the_ledger_equal_the_dry_run(name: str) -> None:
    size = {"height": 256, "width": 512} | ({"resolution_binning": False} if name == "sana-1.6b" else {})
    settings = MODELS[name].merged(size)
    generator = outlined(MODELS[name], settings)
    adapter, cost = generator.adapter, generator.price("predict")
    assert dry_run(denoiser_call(adapter.transformer, settings, cost.forwards)).flops == cost.flops
    assert dry_run(decoder_call(adapter.pipeline.vae, adapter.latent_size)).flops == generator.price("decode").flops


def test_the_decoder_costs_what_others_have_counted() -> None:
    assert plain("flux-dev").price("decode").flops / 1e12 == pytest.approx(10.47, rel=0.02)


def test_an_image_of_infinity_costs_what_others_have_counted() -> None:
    size, one = SIZES["infinity-2b"], Sampling(guidance=1.0)
    schedule = published_schedule("1M", "1.0")
    scales = [scale_flops(size.transformer, schedule, k, 32, one) / 1e12 for k in range(13)]
    assert sum(scales) + prompt_flops(size.transformer, 32) / 1e12 == pytest.approx(57.8, rel=0.02)
    assert scales[-1] == pytest.approx(26.7, rel=0.02)
    assert decoder_flops(size.vae, (64, 64)) / 1e12 == pytest.approx(9.85, rel=0.02)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("flux-dev:steps=0", "steps=0 must be at least 1"), ("flux-dev:height=1000", "both must be multiples of 16"),
        ("sdxl:width=1040", "both must be multiples of 32"),
        ("sana-1.6b:height=1000,resolution_binning=false", "both must be multiples of 32"),
        ("sdxl:scheduler=foo", "'foo' is unknown"), ("sdxl:guidance_scale=4/3", "is a list"),
        ("infinity-2b:cfg=4/3", "cfg has 2 values for 13 scales"), ("infinity-2b:tau=0", "must be positive"),
        ("infinity-2b:tau=nan", "tau=nan is not a number"), ("janus-pro-1b:tau=0", "must be positive"),
    ],
)  # fmt: skip
def test_what_a_model_cannot_do_has_no_price(text: str, said: str) -> None:
    with pytest.raises(WrongInput, match=said):
        rows([text])


@pytest.fixture(scope="module")
def infinity(once: Callable[..., Sheet]) -> Sheet:
    return once(MODELS["infinity-125m"], MODELS["infinity-125m"].merged({}))


def test_the_sheet_of_infinity_is_its_configuration(infinity: Sheet) -> None:
    assert infinity.parameters == 125_148_800
    assert infinity.guided_flops == pytest.approx(2 * infinity.unguided_flops, rel=1e-3)  # both halves embed the same tokens
    sides = (1, 2, 4, 6, 8, 12, 16)
    per_token = 2 * 2 * 768 * 12 * 2  # halves, keys and values, channels, blocks, bytes
    assert infinity.cache_step_bytes == tuple(side**2 * per_token for side in sides[:-1])
    assert infinity.row_bytes == sum(infinity.cache_step_bytes) + 4 * 16 * 16 * 16  # and the sum of codes
    hidden = 2 * 256 * 3072 * 2  # one feed-forward layer of both halves at the last scale
    assert 2 * hidden < infinity.pass_bytes < 8 * hidden


@pytest.mark.usefixtures("prices_alone")
def test_guidance_of_some_scales_alone_is_what_is_charged() -> None:
    model = MODELS["infinity-125m"]
    plain, some, all_of_them = (sheet(model, model.merged({"cfg": cfg})) for cfg in (1.0, (4.0,) * 6 + (1.0,), 4.0))
    assert all_of_them.guided_flops - some.guided_flops == pytest.approx(plain.step_flops[-1], rel=0.01)


def test_a_dry_run_counts_what_a_real_run_counts_and_holds() -> None:
    network = nn.Sequential(nn.Linear(64, 256), nn.GELU(), nn.Linear(256, 64))
    real, meta = torch.randn(10, 64), torch.empty(10, 64, device="meta")
    counted = count_flops(lambda: network(real))
    network.to("meta")
    found = dry_run(lambda: network(meta))
    assert found.flops == counted == 2 * 10 * 64 * 256 * 2
    assert found.peak_bytes == 2 * 10 * 256 * 4  # before and after the GELU


def test_norms_are_held_in_float32_where_convolutions_are_low() -> None:
    """As by autocast on a GPU: the norm's input is there in both types, beside what it gives and the convolution's low weights."""
    network = nn.Sequential(nn.Conv2d(4, 4, 1, bias=False), nn.GroupNorm(2, 4), nn.SiLU()).to("meta")
    image_BCHW, kept = torch.empty(1, 4, 8, 8, device="meta"), []

    def call() -> None:
        with CudaAutocast(torch.bfloat16):
            kept.append(network(image_BCHW))

    low, high, weights, moments = 4 * 64 * 2, 4 * 64 * 4, 4 * 4 * 2, 2 * 2 * 4
    assert dry_run(call).peak_bytes == low + 2 * high + weights + moments
    assert kept[0].dtype == torch.float32
    assert dry_run(lambda: network(image_BCHW)).peak_bytes == 2 * high + moments


def test_a_dry_run_holds_every_result_and_nothing_for_a_view() -> None:
    x, bytes_of_one = torch.empty(10, 64, device="meta"), 10 * 64 * 4
    assert dry_run(lambda: [x * 2 for _ in range(3)]).peak_bytes == 3 * bytes_of_one
    assert dry_run(lambda: [nn.functional.layer_norm(x, (64,)) for _ in range(3)]).peak_bytes >= 3 * bytes_of_one

    def views() -> list[torch.Tensor]:
        made = x * 2
        return [one for _ in range(2) for one in (made.view(640), torch.ops.aten._unsafe_view(made, [5, 128]), made.mT, made.mul_(3))]

    assert dry_run(views).peak_bytes == bytes_of_one


def test_attention_in_a_dry_run_keeps_no_matrix_of_scores() -> None:
    q, k, v = (torch.empty(2, 4, n, 16, device="meta") for n in (30, 50, 50))
    found = dry_run(lambda: nn.functional.scaled_dot_product_attention(q, k, v))
    assert found.flops == 2 * 4 * 4 * 30 * 50 * 16
    assert found.peak_bytes == q.numel() * 4


def test_the_batch_that_fits_shrinks_with_memory(infinity: Sheet) -> None:
    fits = [rows_that_fit(infinity, int(gigabytes * 1e9)) for gigabytes in (3, 4, 5, 80, 140)]
    assert fits == sorted(fits)
    assert fits[0] == -1
    little, more = ({"cuda:0": int(free)} for free in (2e9, (infinity.weight_bytes - 1e8) / 0.9))
    assert in_words(fit(infinity, little), little) == "none: its weights do not fit"
    assert fit(infinity, little).run_with(64) == ""
    offloaded = fit(infinity, more)
    assert in_words(offloaded, more) == f"{offloaded.rows} with offload=model"
    assert offloaded.run_with(offloaded.rows + 1) == f"--set max_rows={offloaded.rows} --set offload=model"
    assert offloaded.run_with(offloaded.rows) == "--set offload=model", "a run takes no more by itself"
    assert rows_that_fit(infinity, int(80e9), infinity.largest_bytes) > fits[3]
    last = int(0.9 * 80e9) - infinity.weight_bytes - fits[3] * (infinity.row_bytes + infinity.pass_bytes)
    assert 0 <= last < infinity.row_bytes + infinity.pass_bytes
    assert replace(infinity, decode_bytes=int(60e9)).rows_within(int(59e9)) == 0


@pytest.mark.usefixtures("prices_alone")
def test_the_document_is_what_the_configurations_say() -> None:
    """Every row; no memory is in it."""
    assert DOCUMENT.read_text(encoding="utf-8").splitlines() == document().splitlines()


@pytest.mark.usefixtures("prices_alone")
@pytest.mark.parametrize("columns", ["80", "300"])
def test_prices_cut_no_name_and_say_what_presets_are(columns: str) -> None:
    long = "infinity-2b:pn=0.25M,aspect=0.571,cfg=3.0,tau=0.5"
    asked = ["list", "--prices", "--model", long, "--model", "infinity-8b-512"]
    said = call(*asked, columns=columns).stdout
    cells = [line.split("│")[1].strip() for line in said.splitlines() if line.startswith("│")]
    assert "…" not in said
    assert "".join(cells).replace(" ", "") == f"{long}infinity-8b-512"
    assert "infinity-8b-512" in cells, "no registered name is broken"
    assert said.count("infinity-2b:preset=notebook: cfg 3.0, tau 0.5\n") == 1
    assert f"{long}: pn 0.25M, aspect 0.571, cfg 3.0" in said


@pytest.mark.parametrize(("name", "blocks"), [("sd3.5-medium", 24), ("flux-schnell", 19)])
def test_two_blocks_of_each_kind_hold_what_all_of_them_do(name: str, blocks: int) -> None:
    network = outline(components(name)["transformer"], torch.bfloat16)
    call = denoiser_call(network, MODELS[name].merged({"height": 256, "width": 256}), 2)
    ran: list[int] = []
    network.transformer_blocks[5].register_forward_pre_hook(lambda *_: ran.append(5))
    found = _pass_bytes(network, call)
    assert not ran
    assert len(network.transformer_blocks) == blocks
    assert found == dry_run(call).peak_bytes > 0
    assert ran


def test_the_last_pass_is_the_same_on_a_cache_that_was_not_computed() -> None:
    with torch.device("meta"):
        transformer = InfinityTransformer(TransformerConfig(2, 64, 2, 4, text_channels=16))
    transformer.cast_blocks(torch.bfloat16)
    rollout = Rollout(transformer, ScaleSchedule(((1, 1), (2, 2), (4, 4))), Sampling(guidance=3.0))
    found = last_pass(rollout)
    conditions = rollout.condition(TextFeatures(torch.zeros(TEXT_TOKENS, 16, device="meta"), (TEXT_TOKENS,)))
    prefixes = rollout.start([0])
    for _ in range(2):
        prediction = rollout.predict(prefixes, [0], conditions)
        prefixes, _ = rollout.extend(prefixes, prediction, [0], lambda p_BnD: torch.zeros_like(p_BnD, dtype=torch.bool))
    assert found == dry_run(lambda: rollout.predict(prefixes, [0], conditions)).peak_bytes > 0


def test_networks_to_divide_weigh_what_the_sheet_says(once: Callable[..., Sheet]) -> None:
    for name in ("infinity-125m", "janus-pro-1b", "pixart-sigma"):
        model = published_models()[name]
        one = once(model, model.merged({}))
        assert one.networks is not None
        found = divide(one.networks, [int(40e9)] * 2)
        assert found is not None
        assert sum(found.bytes) == pytest.approx(one.weight_bytes, rel=0.01)


def test_a_decoder_that_does_not_run_in_float16_is_not_counted_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.diffusion.sheet._pass_bytes", lambda network, call: 0)
    half, full = (sheet(MODELS["sdxl"], MODELS["sdxl"].merged({"dtype": dtype})) for dtype in ("float16", "float32"))
    assert half.decode_bytes == full.decode_bytes > 0
    assert 2 * half.weight_bytes - full.weight_bytes == 4 * 83_653_863  # its parameters


def test_rows_of_a_divided_model(infinity: Sheet) -> None:
    """Half of the blocks hold half of each row's cache; latents are all on the first device."""
    halves = Division({}, (16, 16), (int(6e9), int(6e9)))
    free = int(20e9)
    assert rows_divided(infinity, halves, [free, free]) == (int(0.9 * free) - int(6e9)) // (infinity.row_bytes // 2 + infinity.pass_bytes)
    assert rows_divided(infinity, halves, [int(6e9), free]) == -1
    latents = replace(infinity, cache_step_bytes=(), row_bytes=int(1e9), pass_bytes=int(1e9), decode_bytes=0)
    assert rows_divided(latents, halves, [free, free]) == 6  # 12 GB in 2 GB a row
    assert rows_divided(latents, halves, [int(2 * 20e9), free]) == 12  # on the second no latents
