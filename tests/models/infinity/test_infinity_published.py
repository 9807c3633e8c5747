"""The published models at tiny width: every layout through `load`, every aspect ratio, presets, types, refusals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tiny_published
import torch

from harness.compute.flops import count_flops
from harness.compute.ledger import Cost
from harness.errors import DamagedWeights, WrongInput
from harness.model_spec import parse_model
from harness.weights.absent import AbsentWeights
from harness.weights.local import LocalWeights, build, find
from models.base import Images, Row
from models.infinity import checkpoint, published
from models.infinity.config import PUBLISHED_TRANSFORMERS
from models.infinity.generator import InfinityGenerator
from models.infinity.memory import row_bytes, scale_bytes
from models.infinity.published import SIZES, load, sampling_of, schedule_of
from models.infinity.sampling import Sampling
from models.infinity.schedule import FULL_SCHEDULES, PN_SCALES, published_schedule
from models.infinity.state import InfinityState
from models.published import PublishedModel, published_models

CPU = torch.device("cpu")
PROMPTS = ["red circle", "two blue star above red circle"]
_read_once = cache(checkpoint.read_weights)


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in tiny_published.TINY.items():
        monkeypatch.setitem(published.SIZES, name, size)


def run(row: PublishedModel, folders: Mapping[str, Path], **overrides: Any) -> InfinityGenerator:
    return load(row, folders, CPU, row.merged({"dtype": "float32", "text_dtype": "float32", "pn": "0.06M"} | overrides))


def again(wide: tuple[PublishedModel, dict[str, Path]], **overrides: Any) -> InfinityGenerator:
    """`run` on files that have been read and looked through before."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(published, "check_folders", lambda *_: None)
        patch.setattr(checkpoint, "read_weights", _read_once)
        return run(*wide, **overrides)


def finished(generator: InfinityGenerator, prompts: list[str] = PROMPTS) -> InfinityState:
    state = generator.start(generator.encode(prompts), [Row(prompt, 5) for prompt in range(len(prompts))])
    while state.step < generator.card.steps:
        state = generator.draw(generator.predict(state), [9 + state.step] * len(prompts))
    return state


def images(generator: InfinityGenerator, prompts: list[str] = PROMPTS) -> Images:
    return generator.decode(finished(generator, prompts))


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> tuple[PublishedModel, dict[str, Path]]:
    return tiny_published.publish(tmp_path_factory.mktemp("2b"), "infinity-2b")


@pytest.mark.parametrize(("name", "layout"), [
    ("infinity-125m", "flat"), ("infinity-2b", "flat"), ("infinity-2b", "trainer"), ("infinity-2b", "slim"),
    ("infinity-8b", "shards"), ("infinity-8b-512", "shards")])
def test_every_layout_makes_images(tmp_path: Path, name: str, layout: str) -> None:
    row, folders = tiny_published.publish(tmp_path, name, layout)
    assert not tiny_published.lacking(row.repositories["vae"], folders["vae"])
    generator = run(row, folders)
    transformer, vae = tiny_published.made(tiny_published.TINY[name])
    for model, saved in ((generator.transformer, transformer), (generator.vae, vae)):
        want = saved.state_dict()
        for key, tensor in model.state_dict().items():
            close = want[key].bfloat16().float() if layout == "slim" and model is generator.transformer else want[key]
            assert torch.equal(tensor, close), key
    made = images(generator, PROMPTS[:1])
    assert made.shape == (1, 3, 256, 256)
    assert made.float().std() > 0
    assert (generator.card.name, generator.card.steps, generator.card.domain) == (name, 7, "photo")


def test_the_hash_depends_on_every_file(tmp_path: Path) -> None:
    row, folders = tiny_published.publish(tmp_path, "infinity-125m")
    hashes = [run(row, folders).card.weights_sha256]
    transformer, vae = tiny_published.made(tiny_published.SMALL, seed=1)
    tiny_published.write(transformer, folders["weights"] / "infinity_125M_256x256.pth", "flat")
    hashes.append(run(row, folders).card.weights_sha256)
    torch.save({"vae": vae.state_dict()}, folders["vae"] / "infinity_vae_d16.pth")
    hashes.append(run(row, folders).card.weights_sha256)
    tiny_published.text_folder(folders["text_encoder"], seed=2)
    hashes += [run(row, folders).card.weights_sha256, run(row, folders).card.weights_sha256]
    assert len(set(hashes)) == 4
    assert hashes[-1] == hashes[-2]


@pytest.mark.parametrize("ratio", FULL_SCHEDULES)
def test_every_aspect_ratio_makes_images(wide: tuple[PublishedModel, dict[str, Path]], ratio: str) -> None:
    generator = again(wide, aspect=ratio)
    full, own = FULL_SCHEDULES[ratio], generator.rollout.schedule
    assert own.grids == full.grids[:7]
    assert own.rope_grid == full.grids[-1]  # positions are those of 1M whatever is generated
    height, width = own.grids[-1]
    assert images(generator, PROMPTS[:1]).shape == (1, 3, 16 * height, 16 * width)
    assert height / width == pytest.approx(float(ratio), rel=0.05)


def test_prefixes_of_the_large_schedule(wide: tuple[PublishedModel, dict[str, Path]]) -> None:
    sides = {pn: again(wide, pn=pn).card.image_size for pn in PN_SCALES}
    assert sides == {"0.06M": (256, 256), "0.25M": (512, 512), "0.60M": (768, 768), "1M": (1024, 1024)}


def test_presets_and_every_setting_reach_the_sampling() -> None:
    row = published_models()["infinity-2b"]
    want = {"geneval": (4.0, 1.0, False), "script": (4.0, 0.5, True), "notebook": (3.0, 0.5, False),
            "tts-var": (3.0, 0.5, False), "soto": (3.0, 1.0, False)}
    for preset, (cfg, tau, autocast) in want.items():
        settings = row.merged({"preset": preset})
        assert sampling_of(settings) == Sampling(cfg, tau, (0,), 900, 0.97)
        assert settings["text_autocast"] is autocast
    assert set(row.presets) == set(want)
    for name in ("infinity-8b", "infinity-8b-512"):
        assert sampling_of(published_models()[name].merged({})) == Sampling(3.0, 1.0, (0,), 900, 0.97)
    given = {"cfg": "4/3/1", "tau": [1, 0.5, 0.5], "cfg_insertion_layer": "0/-1", "top_k": 1, "top_p": 0}
    assert sampling_of(row.merged(given)) == Sampling((4.0, 3.0, 1.0), (1.0, 0.5, 0.5), (0, -1), 1, 0.0)


def test_settings_change_the_images(wide: tuple[PublishedModel, dict[str, Path]]) -> None:
    def features(generator: InfinityGenerator) -> torch.Tensor:
        return finished(generator, PROMPTS[1:]).prefixes.features_BdHW

    base = features(again(wide))
    changes: list[dict[str, Any]] = [
        {"cfg": 1.5}, {"cfg": (4.0,) * 6 + (1.0,)}, {"cfg": (4.0,) * 7}, {"tau": 0.3}, {"top_p": 0.6}, {"top_k": 1},
        {"cfg_insertion_layer": "-1"}, {"negative_prompt": "blue star"}]
    for change in changes:
        same = torch.equal(features(again(wide, **change)), base)
        assert same == (change == {"cfg": (4.0,) * 7}), change


def test_published_types(wide: tuple[PublishedModel, dict[str, Path]]) -> None:
    row, folders = wide
    exact = again(wide)
    generator = load(row, folders, CPU, row.merged({"pn": "0.06M"}))
    types = {name.split(".")[0]: parameter.dtype for name, parameter in generator.transformer.named_parameters()}
    assert {name for name, dtype in types.items() if dtype == torch.bfloat16} == {"block_chunks"}
    assert {parameter.dtype for parameter in generator.vae.parameters()} == {torch.float32}
    told = [(one.card.settings["dtype"], one.card.settings["text_dtype"]) for one in (exact, generator)]
    assert told == [("float32", "float32"), ("bfloat16", "float16")]  # part of a run's identity
    encoder: Any = generator.text_encoder
    assert encoder.model.shared.weight.dtype == torch.float16
    state = generator.start(generator.encode(PROMPTS), [Row(0, 1), Row(1, 2)])
    predicted = generator.predict(state)
    assert {block.dtype for block in predicted.prediction.segment.blocks} == {torch.bfloat16}
    logits = exact.predict(exact.start(exact.encode(PROMPTS), state.rows)).prediction.logits_UnD2
    error = (predicted.prediction.logits_UnD2 - logits).abs().max() / logits.std()
    assert 0 < error < 0.1
    assert images(generator).shape == (2, 3, 256, 256)


def test_text_is_that_of_the_padded_run(wide: tuple[PublishedModel, dict[str, Path]]) -> None:
    encoder: Any = again(wide).text_encoder
    padded = encoder.tokenizer(PROMPTS, padding="max_length", max_length=12, truncation=True, return_tensors="pt")
    with torch.no_grad():
        want_BLC = encoder.model(padded["input_ids"], attention_mask=padded["attention_mask"]).last_hidden_state
    for got_LC, want_LC, mask_L in zip(encoder.encode(PROMPTS).split(), want_BLC, padded["attention_mask"], strict=True):
        torch.testing.assert_close(got_LC, want_LC[mask_L.bool()], atol=1e-5, rtol=1e-5)
    encoder.autocast = torch.bfloat16
    rough = encoder.encode(PROMPTS).flat_TC
    encoder.autocast = None
    assert rough.dtype == torch.float32
    assert 0 < (rough - encoder.encode(PROMPTS).flat_TC).abs().max() < 0.1


@pytest.mark.parametrize("overrides", [{}, {"cfg": (3.0,) * 4 + (1.0,) * 3}, {"negative_prompt": "blue star"}, {"cfg": 1.0}])
def test_prices_equal_the_counter_and_memory_what_is_held(
    wide: tuple[PublishedModel, dict[str, Path]], overrides: dict[str, Any]
) -> None:
    generator = again(wide, aspect="1.5", **overrides)
    conditioning = generator.encode(PROMPTS)
    tokens = conditioning.text_tokens
    assert count_flops(lambda: generator.encode(PROMPTS)) == sum(generator.price("encode", 0, n).flops for n in tokens)
    state = generator.start(conditioning, [Row(0, 1), Row(1, 2)])
    config, schedule, sampling = generator.transformer.config, generator.rollout.schedule, generator.rollout.sampling
    for step in range(7):
        want = sum((generator.price("predict", step, n) for n in tokens), Cost())
        assert count_flops(lambda state=state: generator.predict(state)) == want.flops
        state = generator.draw(generator.predict(state), [1, 2])
        held = state.prefixes.segment.stored_bytes if state.prefixes.segment is not None else 0
        held += state.prefixes.features_BdHW.nbytes
        assert held == 2 * row_bytes(config, schedule, sampling, step + 1, value_bytes=4)
    assert count_flops(lambda: generator.decode(state)) == 2 * generator.price("decode", 7).flops


def test_published_cache_sizes() -> None:
    config, schedule = PUBLISHED_TRANSFORMERS["infinity-2b"], published_schedule()
    held = [round(sum(scale_bytes(config, schedule, k) for k in range(scales)) / 1e6) for scales in (6, 7, 10, 12, 13)]
    assert held == [69, 137, 661, 1684, 2758]
    assert scale_bytes(PUBLISHED_TRANSFORMERS["infinity-8b"], schedule, 0) == pytest.approx(573e3, rel=1e-3)


def test_sizes_name_published_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert set(SIZES) == {name for name, row in published_models().items() if row.loader == "models.infinity.published:load"}
    for name, size in SIZES.items():
        assert size.transformer.codebook_dim == size.vae.codebook_dim
        assert published_models()[name].settings["pn"] in size.resolutions


def test_wrong_settings_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    row = published_models()["infinity-8b"]
    with pytest.raises(WrongInput, match=r"pn=0\.25M is no resolution of infinity-8b: it has 1M \(0\.25M is infinity-8b-512\)"):
        schedule_of("infinity-8b", SIZES["infinity-8b"], row.merged({"pn": "0.25M"}))
    with pytest.raises(WrongInput, match=r"aspect=1\.6 \(height / width\) has no schedule: use one of 1\.0, 1\.25"):
        schedule_of("infinity-8b", SIZES["infinity-8b"], row.merged({"aspect": "1.6"}))
    for key, value, said in (("dtype", "int4", "no type"), ("cfg", (3.0, 2.0), "cfg has 2 values for 13 scales"),
                             ("tau", 0.0, "tau 0 must be positive"), ("cfg_insertion_layer", "-99", "cfg_insertion_layer -99"),
                             ("cfg_insertion_layer", "2", "cfg_insertion_layer 2 is not 0"),
                             ("cfg_insertion_layer", "1/x", "'x' is no number"), ("tau", float("nan"), "tau=nan is no number"),
                             ("top_p", 97.0, "top_p 97: .* top_p is from 0"), ("top_k", -1, "top_k -1")):
        with pytest.raises(WrongInput, match=said):
            load(row, {"weights": Path(), "vae": Path(), "text_encoder": Path("nowhere")}, CPU, row.merged({key: value}))


def test_wrong_files_are_refused(tmp_path: Path) -> None:
    row, folders = tiny_published.publish(tmp_path, "infinity-125m")
    other, _ = tiny_published.made(replace(tiny_published.SMALL, transformer=replace(tiny_published.SMALL.transformer, num_heads=4)))
    target = folders["weights"] / "infinity_125M_256x256.pth"
    good = target.read_bytes()
    tiny_published.write(other, target, "flat")
    with pytest.raises(WrongInput, match=r"contradicts .*blocks\.0\.sa\.scale_mul_1H11 is \(1, 4, 1, 1\) instead of \(1, 2, 1, 1\)"):
        run(row, folders)
    torch.save({"gpt": Path("x")}, target)
    with pytest.raises(WrongInput, match="needs code to load"):
        run(row, folders)
    target.write_bytes(good[:5000])
    with pytest.raises(DamagedWeights, match="cut short"):
        run(row, folders)
    target.unlink()
    with pytest.raises(WrongInput, match=r"holds neither one \.safetensors file nor an index"):
        run(row, folders)
    target.write_bytes(good)
    text = folders["text_encoder"] / "config.json"
    text.write_text(text.read_text().replace('"num_layers": 2', '"num_layers": 3'))
    with pytest.raises(WrongInput, match=r"missing keys, first encoder\.block\.2"):
        run(row, folders)


@pytest.mark.parametrize("role", ["weights", "vae", "text_encoder"])
def test_another_models_files_are_named_before_what_is_absent(
    wide: tuple[PublishedModel, dict[str, Path]], role: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only one role is given, of the others nothing is here."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    tiny_published.text_folder(tmp_path / "text_encoder", shards=True)
    folder = tmp_path / "text_encoder" if role == "text_encoder" else wide[1][role]
    spec, local = parse_model("infinity-2b"), LocalWeights.parse([f"infinity-2b.{role}={folder}"])
    with pytest.raises(AbsentWeights):
        find(spec.name, spec.entry, local)
    size = tiny_published.WIDE
    other = replace(size, transformer=replace(size.transformer, embed_dim=96, text_channels=24), vae=replace(size.vae, base_ch=8))
    monkeypatch.setitem(SIZES, "infinity-2b", other)
    with pytest.raises(WrongInput, match="another model's") as caught:
        find(spec.name, spec.entry, local)
    assert str(folder) in str(caught.value)


def test_from_the_text_of_a_command_to_images(wide: tuple[PublishedModel, dict[str, Path]], tmp_path: Path) -> None:
    """As `vistas run --model TEXT --weights infinity-2b.ROLE=PATH` does it."""
    text = tmp_path / "flan-t5-xl"
    tiny_published.text_folder(text, shards=True)
    local = LocalWeights.parse([f"infinity-2b.{role}={folder}" for role, folder in (wide[1] | {"text_encoder": text}).items()])
    spec = parse_model("infinity-2b:preset=soto,pn=0.06M,dtype=float32,text_dtype=float32,cfg=3/3/3/3/2/2/1,aspect=1.5,"
                          "cfg_insertion_layer=0/-1,negative_prompt=blue star")
    generator = build(spec.entry, find(spec.name, spec.entry, local), CPU, spec.overrides)
    assert generator.rollout.sampling == Sampling((3.0,) * 4 + (2.0, 2.0, 1.0), 1.0, (0, -1), 900, 0.97)
    assert generator.card.settings["negative_prompt"] == "blue star"
    assert images(generator).shape == (2, 3, 16 * 21, 16 * 14)
