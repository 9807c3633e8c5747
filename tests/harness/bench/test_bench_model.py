"""The bench measures what the ledger prices, at sizes that a test can afford."""

from __future__ import annotations

import csv
import itertools
import logging
import math
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
import torch
from command_line import call

from harness.bench import model as bench_model
from harness.bench.measured import Call, Measured, measured
from harness.bench.model import Brightness, bench
from harness.bench.origin import kernels, other_work
from harness.bench.peaks import peak_of
from harness.bench.request import prepared
from harness.bench.rows import PROMPT, sizes, some_prompts
from harness.bench.table import as_markdown
from harness.errors import WrongInput
from models.base import Generator
from models.published import published_models
from models.text_length import cut_off_unsaid
from verifiers.base import Verifier
from verifiers.features import described, features_of
from verifiers.random_weights import BUILDERS
from verifiers.spec import parse_verifier

FLUX = "flux-dev:steps=2,height=64,width=64,max_sequence_length=16,dtype=float32"
INFINITY = "infinity-2b:dtype=float32,text_dtype=float32"


@pytest.fixture(scope="module")
def flux() -> Generator:
    return prepared(FLUX, "cpu", tiny=True)[1]


@pytest.fixture(scope="module")
def infinity() -> Generator:
    return prepared(INFINITY, "cpu", tiny=True)[1]


@pytest.mark.parametrize(("family", "steps"), [("flux", 2), ("infinity", 4)])
def test_every_operation_and_a_search_are_measured(family: str, steps: int, request: pytest.FixtureRequest) -> None:
    generator: Generator = request.getfixturevalue(family)
    found = [one for one in bench(generator, [1, 3], peak=1e12, repeat=1) if isinstance(one, Measured)]
    assert [one.batch for one in found] == sorted(one.batch for one in found)
    third = {(one.operation, one.step): one for one in found if one.batch == 3}
    predicted = [("predict", step) for step in range(steps)]
    drawn = [("draw", step) for step in range(steps)]
    shown = {("preview", 1), ("decode", steps), *({("embed", 0)} if family == "flux" else ())}
    assert set(third) == {("encode", 0), *predicted, *drawn, *shown, ("search", -1)}
    tokens = generator.text_tokens([PROMPT.text])[0]
    last = third["predict", steps - 1]
    assert last.rows == 3
    assert last.tflop == pytest.approx(3 * generator.price("predict", steps - 1, tokens).flops / 1e12)
    assert last.tflop_per_second == pytest.approx(last.tflop / last.seconds)
    assert last.share_of_peak == pytest.approx(last.tflop_per_second)
    assert all(one.seconds > 0 and math.isnan(one.peak_gigabytes) for one in found)
    whole = sum(one.tflop for one in third.values() if one.operation not in ("search", "preview", "embed"))
    assert third["search", -1].tflop == pytest.approx(whole)


def test_verifiers_and_features_are_measured_beside_a_model(infinity: Generator) -> None:
    cascade = parse_verifier("cascade:cheap=shapes-clip,expensive=shapes-reward,keep=1").load()
    beside = described([cascade], features_of("shapes"))
    found = [one for one in bench(infinity, [3], 1e12, verifiers=beside, repeat=1) if isinstance(one, Measured)]
    judged = {one.operation: one for one in found if one.operation.startswith(("score ", "patches"))}
    assert list(judged) == ["score shapes-clip", "score shapes-reward", "patches"]
    assert all(one.rows == 3 and one.seconds > 0 for one in judged.values())
    both = [parse_verifier(name).load() for name in ("shapes-clip", "shapes-reward")]
    texts = sum(verifier.price(0, 1).flops for verifier in both)
    flops = [both[0].price(3).flops + texts, both[1].price(3).flops, 3 * features_of("shapes").flops()]
    assert [one.tflop * 1e12 for one in judged.values()] == pytest.approx(flops), "each line has its own"


def test_weights_are_random_finite_and_the_same_every_time(flux: Generator) -> None:
    again: Any = prepared(FLUX, "cpu", tiny=True)[1]
    first: Any = flux
    for one, other in zip(first.adapter.transformer.parameters(), again.adapter.transformer.parameters(), strict=True):
        assert one.isfinite().all()
        assert torch.equal(one, other)
    assert float(next(first.adapter.transformer.parameters()).detach().std()) > 0


def test_what_is_compiled_is_said_to_take_its_time(flux: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    given: Any = flux
    monkeypatch.setitem(given.adapter.settings, "compile", True)
    said: list[str] = []
    next(iter(bench(flux, [1], peak=1e12, progress=said.append, repeat=1)))
    assert said[0] == "batch 1: compiling, which can take minutes, and warming up"


def test_a_long_measurement_says_how_far_it_is(flux: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that jumps by 6 seconds whenever it is read: a line every other reading."""
    ticks = iter(range(0, 10**6, 6))
    monkeypatch.setattr(bench_model, "perf_counter", lambda: float(next(ticks)))
    said: list[str] = []
    list(bench(flux, [1], peak=1e12, progress=said.append, repeat=1))
    assert said[:5] == [
        "batch 1: warming up", "batch 1: step 2 of 2 done", "batch 1: measuring every operation", "batch 1: step 2 of 2 done",
        "batch 1: measuring a search",
    ]  # fmt: skip
    monkeypatch.setattr(bench_model, "PAUSE", 0.0)
    again: list[str] = []
    list(bench(flux, [1], peak=1e12, progress=again.append, repeat=2))
    assert again[1:3] == ["batch 1: step 1 of 2 done", "batch 1: step 2 of 2 done"]
    assert again[6].startswith("batch 1: measuring a search, about ")
    assert again[7].startswith("batch 1: measuring every operation again, about ")


def test_the_bench_stops_where_memory_runs_out(flux: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    original: Any = type(flux).predict

    def hungry(self: Any, state: Any) -> Any:
        if len(state.rows) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return original(self, state)

    monkeypatch.setattr(type(flux), "predict", hungry)
    found = list(bench(flux, [1, 2, 4], peak=float("nan"), repeat=1))
    assert found[-1] == "batch 2: out of memory"
    assert {one.batch for one in found if isinstance(one, Measured)} == {1}
    assert all(math.isnan(one.share_of_peak) for one in found if isinstance(one, Measured))


@pytest.mark.parametrize(
    ("name", "tera"),
    [
        ("NVIDIA H200", 989), ("NVIDIA H100 80GB HBM3", 989), ("NVIDIA H100 PCIe", 756), ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA L4", 121), ("NVIDIA L40S", 362), ("NVIDIA GeForce RTX 4090", 165), ("NVIDIA L40", None), ("NVIDIA RTX A1000", None),
        ("NVIDIA GH200 480GB", 989), ("NVIDIA H100 NVL", None), ("NVIDIA GeForce RTX 4090 Laptop GPU", None),
        ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", None), ("Tesla T4", None),
    ],
)  # fmt: skip
def test_the_peak_is_that_of_a_known_card(monkeypatch: pytest.MonkeyPatch, name: str, tera: int | None) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: name)
    assert peak_of(torch.device("cuda"), "bfloat16") == pytest.approx(float("nan") if tera is None else tera * 1e12, nan_ok=True)


def test_there_is_no_peak_but_of_a_card_in_sixteen_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA H200")
    assert math.isnan(peak_of(torch.device("cuda"), "float32"))
    assert math.isnan(peak_of(torch.device("cpu"), "bfloat16"))
    assert isinstance(Brightness(), Verifier)


def test_the_command_writes_a_table_and_a_file(tmp_path: Path) -> None:
    out = tmp_path / "bench.csv"
    asked = ["bench-model", INFINITY, "--random-weights", "--tiny", "--batch", "2", "--device", "cpu", "--repeat", "2", "--csv", str(out)]
    result = call(*asked)
    assert result.exit_code == 0, result.output
    assert f"{INFINITY} on cpu, tiny, random weights" in result.stdout
    rows = list(csv.DictReader(out.open()))
    assert len(rows) == 1 + 4 + 4 + 1 + 1 + 1
    lines = [line for line in result.stdout.splitlines() if line.startswith("| 2 ")]
    assert len(lines) == len(rows)
    assert "unknown" not in result.stdout
    assert "| batch | operation | rows | calls | seconds | lowest to highest | TFLOP | TFLOP/s |\n" in result.stdout
    assert {row["calls"] for row in rows} == {"2"}
    assert result.stdout.count("peak memory") == result.stdout.count("share of peak") == 1
    assert "batch 2: warming up" in result.stderr


@pytest.mark.parametrize("name", BUILDERS)
def test_a_tiny_verifier_scores_by_a_small_network_of_its_kind(name: str) -> None:
    full, small = parse_verifier(name).without_weights(), parse_verifier(name).without_weights("cpu", tiny=True)
    assert full is not None
    assert small is not None
    assert small.card.name == name
    assert small.price(1).flops < full.price(1).flops / 100
    images = torch.randint(256, (2, 3, 64, 64), dtype=torch.uint8)
    assert small.score(images, ["a cat", "a dog"]).values_NM.shape == (2, 1)


def test_tiny_shrinks_verifiers_and_the_features_beside_them(tmp_path: Path) -> None:
    out = tmp_path / "bench.csv"
    found = call("bench-model", INFINITY, "--random-weights", "--tiny", "--batch", "1", "--device", "cpu", "--repeat", "1", "--verifier",
                 "ensemble:clip-score=1,image-reward=1", "--csv", str(out))  # fmt: skip
    assert found.exit_code == 0, found.output
    rows = {row["operation"]: row for row in csv.DictReader(out.open())}
    for operation in ("score ensemble:clip-score=1,image-reward=1", "patches"):
        assert 0 < float(rows[operation]["tflop"]) < 0.01, "at their own sizes a tenth and more"


def test_a_tiny_model_makes_small_pictures_in_few_steps_unless_told() -> None:
    text, generator, _ = prepared("flux-dev:dtype=float32", "cpu", tiny=True)
    assert text == "flux-dev:steps=2,height=64,width=64,dtype=float32"
    assert (generator.card.steps, generator.card.settings["height"]) == (2, 64)
    text, generator, _ = prepared("flux-dev:steps=3,height=96,dtype=float32", "cpu", tiny=True)
    assert text == "flux-dev:steps=3,height=96,width=64,dtype=float32"
    assert generator.card.steps == 3


def test_a_row_is_shown_before_the_next_batch_is_begun(flux: Generator) -> None:
    begun: list[str] = []
    lines = as_markdown(bench(flux, [1, 2], float("nan"), progress=begun.append, repeat=1), share=False, memory=False)
    next(line for line in lines if line.startswith("| 1 "))
    assert not any(line.startswith("batch 2") for line in begun)


def test_the_command_says_how_networks_rest_and_refuses_what_a_run_refuses() -> None:
    asked = ["bench-model", "infinity-2b:dtype=float32,text_dtype=float32", "--random-weights", "--tiny", "--batch", "1", "--device", "cpu",
             "--repeat", "1"]  # fmt: skip
    assert " on cpu, tiny, random weights, offload model\n" in call(*asked, "--offload", "model").stdout
    refused = call(*asked[:1], "infinity-2b:compile=true", *asked[2:], "--offload", "model")
    assert refused.exit_code == 2
    assert "compile=true does not go with offload=model: leave one of them out" in refused.stderr


def test_columns_are_there_where_something_was_measured() -> None:
    row = Measured(1, "encode", 0, 1, 0.5, 0.45, 0.55, 3, 2.0, 4.0, 0.25, 3.0)
    shown = "| 1 | encode 0 | 1 | 3 | 0.5000 | 0.4500 to 0.5500 | 2 | 4 | 25.0% | 3.00 GB |"
    assert list(as_markdown([row], share=True, memory=True))[-1] == shown, "and nothing of a disturbed machine"


def test_a_disturbed_machine_is_told_after_the_table() -> None:
    calm = Measured(1, "predict", 0, 1, 2.0, 1.9, 2.1, 3, 2.0, 1.0, 0.25, 3.0)
    disturbed = replace(calm, seconds_lowest=1.5, seconds_highest=3.5)
    assert list(as_markdown([calm, disturbed], share=True, memory=True))[-1] == (
        "calls took 0.85 to 1.40 times their median: something else may have kept the machine busy, and planned hours may be as far off or "
        "further: measure again when it is not"
    )


def test_of_several_calls_the_median_counts_beside_the_lowest_and_the_highest() -> None:
    times = [Call("decode", 2, 4, seconds, 6 * 10**12, peak) for seconds, peak in ((3.0, 8.0), (1.0, 9.0), (2.0, 7.0))]
    assert measured(4, 12e12, times) == Measured(4, "decode", 2, 4, 2.0, 1.0, 3.0, 3, 6.0, 3.0, 0.25, 9.0)


def test_a_call_that_is_disturbed_once_does_not_count(flux: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine stands still for 100 seconds while the first of three measured calls decodes."""
    original: Any = type(flux).decode
    decoded, stood = itertools.count(), [0.0]

    def disturbed(self: Any, state: Any) -> Any:
        stood[0] += 100.0 * (next(decoded) == 1)  # 0 is the warm-up
        return original(self, state)

    monkeypatch.setattr(type(flux), "decode", disturbed)
    monkeypatch.setattr("harness.compute.meter.wall_seconds", lambda: perf_counter() + stood[0])
    found = {one.operation: one for one in bench(flux, [1], peak=1e12, repeat=3) if isinstance(one, Measured)}
    assert {one.calls for one in found.values()} == {3}
    decode = found["decode"]
    assert decode.seconds_lowest <= decode.seconds < 100 < decode.seconds_highest
    assert decode.tflop_per_second == pytest.approx(decode.tflop / decode.seconds)


@pytest.mark.parametrize(
    "name", ["infinity-2b", "infinity-8b", "janus-pro-1b", "flux-dev", "sd3.5-medium", "sdxl", "pixart-sigma", "sana-1.6b"]
)
def test_every_kind_of_published_model_is_measured_tiny(name: str, tmp_path: Path) -> None:
    """That every model is built tiny is asked in test_random_weights.py."""
    small = "steps=2,height=64,width=64," if published_models()[name].family == "diffusion" else ""
    text, out = f"{name}:{small}dtype=float32", tmp_path / "bench.csv"
    asked = ["bench-model", text, "--random-weights", "--tiny", "--batch", "2", "--device", "cpu", "--repeat", "1", "--csv", str(out)]
    result = call(*asked)
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader(out.open()))
    steps = 2 if small else 4
    taken = ["predict", "draw", "predict", "preview", "draw", *["predict", "draw"] * (steps - 2)]
    assert [row["operation"] for row in rows] == ["encode", *taken, "decode", *["embed"] * bool(small), "search"]
    assert all(float(row["seconds"]) > 0 for row in rows)
    assert all(float(row["tflop"]) > 0 for row in rows if row["operation"] in ("predict", "decode", "search"))


def test_rows_of_several_prompts_fill_the_first_step(infinity: Generator) -> None:
    prompts = some_prompts(4)
    assert len({prompt.text for prompt in prompts}) == 4
    found = [one for one in bench(infinity, [2, 8], float("nan"), prompts, repeat=1) if isinstance(one, Measured)]
    rows = {(one.batch, one.operation, one.step): one.rows for one in found}
    assert [rows[batch, "encode", 0] for batch in (2, 8)] == [2, 4]
    assert [rows[batch, "predict", 0] for batch in (2, 8)] == [2, 4]
    assert [rows[batch, "predict", 1] for batch in (2, 8)] == [2, 8]
    assert [rows[batch, "search", -1] for batch in (2, 8)] == [2, 8]
    tokens = infinity.text_tokens([prompt.text for prompt in prompts])
    assert len(set(tokens)) > 1
    encoded = next(one for one in found if (one.batch, one.operation) == (8, "encode"))
    assert encoded.tflop == pytest.approx(sum(infinity.price("encode", 0, count).flops for count in tokens) / 1e12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["flux-dev"], "add --random-weights"),
        (["flux-dev", "--random-weights", "--batch", "1,x"], "--batch '1,x' is not a list of whole numbers from 1"),
        (["shapes-flux", "--tiny"], "--tiny shrinks published models, and shapes-flux is none: leave it out"),
        (["shapes-flux", "--verifier", "shapes-rewrd"], "did you mean shapes-reward or image-reward?"),
        (["shapes-flux", "--verifier", "vlm-judge"], "--verifier vlm-judge cannot be built with random weights: leave it out"),
        (["sdxl", "--random-weights", "--repeat", "0"], "--repeat"),
        (["sdxl", "--random-weights", "--prompts", "0"], "--prompts 0 is not from 1 to 554"),
        (["sdxl", "--random-weights", "--prompts", "555"], "--prompts 555 is not from 1 to 554"),
        (["infinity-2b", "--random-weights", "--tiny", "--prompts", "3", "--batch", "2,8"], "--batch 8 cannot be shared out evenly"),
        (["infinity-2b:tau=0", "--random-weights", "--tiny"], "infinity-2b: tau 0 must be positive"),
        (["infinity-2b:cfg=-1", "--random-weights", "--tiny"], "infinity-2b: cfg -1 is negative: use 1 for none"),
        (["janus-pro-1b:cfg=-1", "--random-weights", "--tiny"], "janus-pro-1b: cfg -1 is negative: use 1 for none"),
        (["infinity-2b+flux-dev", "--random-weights"], "infinity-2b+flux-dev is a pair: name one of its models"),
        (["infinity-2b:preview_shrink=7", "--random-weights", "--tiny"], "preview_shrink=7 does not divide its latents, 64 by 64"),
        (["flux-dev:height=1000", "--random-weights", "--tiny"], "flux-dev: 1000 by 1024 pixels: both must be multiples of 16"),
    ],
)
def test_wrong_input_is_refused(arguments: list[str], message: str) -> None:
    result = call("bench-model", *arguments, "--device", "cpu")
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_verifier_that_cannot_be_measured_is_refused_before_a_model_is_built() -> None:
    result = call("bench-model", "flux-dev", "--random-weights", "--verifier", "image-reward", "--verifier", "vqa-score", "--device", "cpu")
    assert result.exit_code == 2
    assert "--verifier vqa-score cannot be built with random weights" in result.stderr
    assert "building" not in result.stderr


def test_settings_that_cost_compute_are_those_that_run() -> None:
    generator: Any = prepared("infinity-2b:cfg=4/4/4/4/4/4/4/4/4/4/4/4/1,negative_prompt=blurred,text_autocast=true,"
                              "dtype=float32,text_dtype=float32", "cpu", tiny=True)[1]
    assert generator.rollout.sampling.guidance == (4.0,) * 4
    assert generator.card.settings["negative_prompt"] == "blurred"
    assert generator.text_encoder.autocast == torch.bfloat16


def test_batches_are_taken_in_order() -> None:
    assert sizes("4,1, 2,1") == [1, 2, 4]
    with pytest.raises(WrongInput):
        sizes("0")


def test_a_prompt_that_is_cut_off_is_not_warned_of_by_the_libraries(flux: Generator) -> None:
    said: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    handler, long = Kept(), "a red circle and " * 40
    libraries = [logging.getLogger(name) for name in ("diffusers", "transformers")]
    for library in libraries:
        library.addHandler(handler)
    try:
        model: Any = flux
        assert model.encode([long]).text_truncated == (True,)
        assert not said
        model.adapter.encode([long])
        assert said, "the libraries warn of it: nothing is silenced for nothing"
        logging.getLogger("diffusers.x").warning("another thing")
        with cut_off_unsaid():
            logging.getLogger("diffusers.x").warning("another thing")
        assert said.count("another thing") == 2
    finally:
        for library in libraries:
            library.removeHandler(handler)


def test_what_attention_was_computed_with_is_told_with_its_versions() -> None:
    line = kernels({"attention": "cudnn"})
    assert torch.__version__ in line
    assert line.endswith("in the order cudnn, flash, efficient, math")
    assert kernels({"attention": "math"}).endswith("in the order math")


def test_a_processor_without_a_core_to_spare_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert other_work(torch.device("cpu"), 2.0) == ""
    said = "the processor has other work, a load of 2.6 on 4 cores: all figures are too slow; measure again when it has none"
    assert other_work(torch.device("cpu"), 2.6) == said
    assert other_work(torch.device("cuda"), 2.6) == "", "which it says nothing of"
    with monkeypatch.context() as patch:
        patch.setattr(torch, "get_num_threads", lambda: 4)
        assert other_work(torch.device("cpu"), 0.3) == "", "all cores are asked for, and a part of one is the command's own start"
    loads = iter([2.6, 9.0])  # the second would be that of building the model
    monkeypatch.setattr("os.getloadavg", lambda: (next(loads), 0.0, 0.0))
    assert said in call("bench-model", INFINITY, "--random-weights", "--tiny", "--batch", "1", "--device", "cpu", "--repeat", "1").stdout
