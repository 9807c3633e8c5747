"""Folders of published models: what is refused and how, and prices at published size."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_families import FAMILIES, PROMPTS

from harness.compute.flops import count_flops
from harness.errors import DamagedWeights, WrongInput
from models.base import Row
from models.diffusion.pipeline_folder import check_components, published_config
from models.diffusion.published import load
from models.hashes import weights_sha256
from models.published import PublishedModel, published_models
from models.random_weights import outlined

WEIGHTS = "diffusion_pytorch_model.safetensors"
CPU = torch.device("cpu")
PUBLISHED = [name for name, model in published_models().items() if model.family == "diffusion"]
FACTS = {"flux-dev": 74.4e12, "flux-schnell": 69.5e12, "sd3.5-large": 31.1e12, "sd3.5-medium": 11.3e12,
         "sana-1.6b": 2.96e12, "pixart-sigma": 6.6e12}  # fmt: skip


def row(name: str = "tiny", **changes) -> PublishedModel:
    return PublishedModel(name, "", "diffusion", "", "", "none", "", {}, {}, {}, **changes)


@pytest.fixture
def copy(family_folder, tmp_path):
    """A folder of a family that may be spoiled."""

    def made(family: str) -> Path:
        return Path(shutil.copytree(family_folder(family), tmp_path / family))

    return made


def open_folder(folder: Path, family: str, name: str = "tiny", **settings):
    return load(row(name), {"weights": folder}, CPU, {**FAMILIES[family].settings, "dtype": "float32", **settings})


def test_the_card_says_what_was_loaded(family_folder):
    folder = family_folder("pixart")
    card = open_folder(folder, "pixart").card
    files = sorted(folder.rglob("*.safetensors"))
    assert len(files) == 3
    assert card.weights_sha256 == weights_sha256(files)
    assert card.settings["scheduler"] == "published"
    assert (card.settings["dtype"], card.settings["variant"]) == ("float32", "")
    assert (card.name, card.domain, card.family, card.steps, card.image_size) == ("tiny", "photo", "diffusion", 4, (24, 16))


def test_a_file_of_another_model_is_named_by_its_keys(copy):
    folder = copy("sd3")
    path = folder / "transformer" / WEIGHTS
    tensors = load_file(path)
    save_file({name.replace("transformer_blocks", "double_blocks"): tensor for name, tensor in tensors.items()}, path)
    with pytest.raises(WrongInput, match=r"lacks \d+ of \d+ weights, first transformer_blocks.*has double_blocks"):
        open_folder(folder, "sd3")


def test_a_configuration_that_contradicts_its_weights_is_refused(copy):
    folder = copy("sd3")
    path = folder / "transformer" / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"joint_attention_dim": 40}))
    with pytest.raises(WrongInput, match=r"contradicts the configuration.*context_embedder.weight is \(16, 32\) instead of \(16, 40\)"):
        open_folder(folder, "sd3")


def test_missing_text_weights_are_refused(copy):
    folder = copy("pixart")
    path = folder / "text_encoder" / "model.safetensors"
    tensors = load_file(path)
    tensors.pop("encoder.block.1.layer.0.SelfAttention.q.weight")
    save_file(tensors, path, metadata={"format": "pt"})
    with pytest.raises(WrongInput, match=r"1 missing keys, first encoder.block.1.layer.0.SelfAttention.q"):
        open_folder(folder, "pixart")


def test_text_encoders_that_contradict_their_weights_are_refused(copy):
    folder = copy("pixart")
    path = folder / "text_encoder" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"d_ff": 48}))
    with pytest.raises(WrongInput, match=r"text_encoder is another model's or contradicts .* first encoder\S+ is \(\d+, \d+\) instead of"):
        open_folder(folder, "pixart")


def test_a_cut_file_is_named(copy):
    folder = copy("sana")
    path = folder / "transformer" / WEIGHTS
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DamagedWeights, match=r"transformer/diffusion_pytorch_model.safetensors has \d+ bytes"):
        open_folder(folder, "sana")


def test_a_missing_shard_is_named(copy, load_family):
    folder = copy("pixart")
    (folder / "transformer" / WEIGHTS).unlink()
    load_family("pixart").adapter.transformer.save_pretrained(folder / "transformer", max_shard_size="20KB")
    card = open_folder(folder, "pixart").card
    shards = sorted((folder / "transformer").glob("*.safetensors"))
    assert len(shards) > 2
    assert card.weights_sha256 == weights_sha256(sorted(folder.rglob("*.safetensors")))
    shards[1].unlink()
    with pytest.raises(DamagedWeights, match=f"names {shards[1].name}, which is missing"):
        open_folder(folder, "pixart")


def test_older_names_are_read_as_diffusers_reads_them(copy, load_family):
    """PixArt's transformer was published under a class that is split today, VAEs under other names of their attention."""
    folder = copy("pixart")
    for path in (folder / "transformer" / "config.json", folder / "model_index.json"):
        path.write_text(path.read_text().replace("PixArtTransformer2DModel", "Transformer2DModel"))
    config = folder / "transformer" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"norm_type": "ada_norm_single"}))
    path = folder / "vae" / WEIGHTS
    tensors = load_file(path)
    older = {name.replace("to_q", "query").replace("to_k", "key").replace("to_v", "value").replace("to_out.0", "proj_attn"):
             tensor for name, tensor in tensors.items()}  # fmt: skip
    assert len(set(older) - set(tensors)) == 16
    save_file(older, path, metadata={"format": "pt"})
    latents = torch.randn(1, 4, 6, 4)
    old, new = open_folder(folder, "pixart").adapter, load_family("pixart").adapter
    assert torch.equal(old.decode(latents), new.decode(latents))
    text = new.encode(PROMPTS[:1])
    assert torch.equal(old.forward(latents, text, 0), new.forward(latents, text, 0))


def test_folders_that_are_not_whole_are_refused(copy, tmp_path):
    folder = copy("pixart")
    (folder / "vae" / WEIGHTS).unlink()
    with pytest.raises(DamagedWeights, match="vae holds no safetensors"):
        open_folder(folder, "pixart")
    (folder / "model_index.json").write_text('{"_class_name": "KandinskyPipeline"}')
    with pytest.raises(WrongInput, match="KandinskyPipeline, for which there is no adapter"):
        open_folder(folder, "pixart")
    (folder / "model_index.json").write_text("{")
    with pytest.raises(DamagedWeights, match=r"model_index.json is no JSON file"):
        open_folder(folder, "pixart")
    with pytest.raises(DamagedWeights, match=r"model_index.json is missing"):
        open_folder(tmp_path / "nothing", "pixart")


def test_another_models_folder_is_told_by_its_configuration(family_folder):
    with pytest.raises(WrongInput, match=r"another model's than sd3.5-large.*num_layers is 3 instead of 38"):
        open_folder(family_folder("sd3"), "sd3", "sd3.5-large")


def test_another_pipelines_folder_is_told_by_its_class(family_folder):
    with pytest.raises(WrongInput, match="another model's than flux-dev: it holds a StableDiffusion3Pipeline instead of a FluxPipeline; "
                                         "give the folder of this model"):  # fmt: skip
        load(published_models()["flux-dev"], {"weights": family_folder("sd3")}, CPU, published_models()["flux-dev"].merged({}))


def test_settings_that_do_not_fit_are_refused(family_folder):
    folder = family_folder("pixart")
    for settings, message in (
        ({"dtype": "int8"}, "dtype='int8' is no type that models run in"), ({"cfg": 2}, "no setting 'cfg'; its settings are"),
        ({"height": 25}, "model tiny: 25 by 16 pixels"), ({"scheduler": "flow-euler"}, "does not fit"), ({"steps": 0}, "at least 1"),
        ({"guidance_scale": -1.0}, "negative"), ({"guidance_scale": (4.0, 3.0)}, "guidance_scale=4/3 is a list"),
        ({"guidance_scale": float("nan")}, "is no number"), ({"width": -8}, "width=-8 must be at least 1"),
        ({"scheduler": "heun"}, "'heun' is unknown"), ({"max_sequence_length": 0}, "at least 1"),
    ):  # fmt: skip
        with pytest.raises(WrongInput, match=message):
            open_folder(folder, "pixart", **settings)


def test_variants_are_read_and_only_they(family_folder, tmp_path):
    """A variant beside the plain files, as SDXL is published."""
    family, folder, variant = "sana", tmp_path / "mixed", "bf16"
    plain = open_folder(family_folder(family), family)
    shutil.copytree(family_folder(family), folder)
    plain.adapter.pipeline.save_pretrained(folder, variant=variant)
    for path in folder.rglob("*.safetensors"):
        if variant not in path.name and "transformer" in str(path):
            path.write_bytes(b"spoiled")
    settings = {**FAMILIES[family].settings, "dtype": "float32"}
    loaded = load(row(variant=variant), {"weights": folder}, CPU, settings)
    first = [generator.start(generator.encode(PROMPTS), [Row(0, 1)]) for generator in (plain, loaded)]
    assert torch.equal(plain.predict(first[0]).prediction_UX, loaded.predict(first[1]).prediction_UX)
    with pytest.raises(DamagedWeights, match="no safetensors of the variant int4"):
        check_components(folder, "int4")


@pytest.mark.parametrize("family", FAMILIES)
def test_half_precision_follows_the_pipelines(family, load_family):
    """One bf16 step on the CPU; SANA keeps its latents in float32, and SDXL in fp16 its VAE."""
    generator = load_family(family, dtype="bfloat16")
    state = generator.start(generator.encode(PROMPTS), [Row(0, 1)])
    assert state.latents_UX.dtype == (torch.float32 if family == "sana" else torch.bfloat16)
    drawn = generator.draw(generator.predict(state), [0])
    stochastic = generator.draw_stochastic(generator.predict(state), [0], 0.5)
    assert drawn.latents_UX.dtype == stochastic.latents_UX.dtype == state.latents_UX.dtype
    assert generator.preview(generator.predict(drawn)).dtype == torch.uint8
    if family == "sdxl":
        half = load_family(family, dtype="float16").adapter
        assert (half.vae.dtype, half.dtype) == (torch.float32, torch.float16)


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_model_has_its_configuration_and_settings(name):
    model = published_models()[name]
    cost = outlined(model, model.merged({})).price("predict")
    assert published_config(name)["_class_name"].endswith("Pipeline")
    assert cost.forwards == (1 if name.startswith("flux") else 2)
    if name in FACTS:
        assert cost.flops / cost.forwards == pytest.approx(FACTS[name], rel=0.02)


def test_published_prices_are_the_counters_on_the_meta_device():
    """At full size, without memory: the one with linear attention."""
    model, meta = published_models()["sana-1.6b"], {"device": "meta"}
    sana = outlined(model, model.merged({"dtype": "float32", "guidance_scale": 1.0}))
    latents, text, time = torch.zeros(1, 32, 32, 32, **meta), torch.zeros(1, 300, 2304, **meta), torch.zeros(1, **meta)
    with torch.no_grad():
        assert count_flops(lambda: sana.adapter.transformer(latents, text, time)) == sana.price("predict").flops
