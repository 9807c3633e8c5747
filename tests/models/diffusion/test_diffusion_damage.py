"""Folders of pipelines with one thing wrong: each is refused in one line that names the file, before anything is computed."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_families import FAMILIES, published, save

from harness.errors import DamagedWeights, WrongInput
from models.diffusion import pipeline_folder
from models.diffusion import published as kinds
from models.diffusion.noise_schedule import is_flow
from models.diffusion.published import load
from models.diffusion.random_weights import build
from models.diffusion.tokenizers import check_tokenizers
from models.published import published_models

WEIGHTS, INDEX = "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.safetensors.index.json"
SHARDS = ("diffusion_pytorch_model-00001-of-00002.safetensors", "diffusion_pytorch_model-00002-of-00002.safetensors")


class Code:
    """What runs something when it is unpickled."""

    def __reduce__(self) -> Any:
        return (print, ("this must never be run",))


def edit(path: Path, **changes: Any) -> None:
    """Change values of a JSON file; None removes one."""
    values = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in values.items() if value is not None}))


def shard(part: Path, change: Callable[[dict[str, str]], object]) -> None:
    """A network's only file in two, their index changed."""
    tensors = load_file(part / WEIGHTS)
    (part / WEIGHTS).unlink()
    held = {name: SHARDS[place % 2] for place, name in enumerate(sorted(tensors))}
    for file in SHARDS:
        save_file({name: tensors[name] for name, at in held.items() if at == file}, part / file)
    change(held)
    (part / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": held}))


def tokens(path: Path, first: int) -> None:
    """Number the words of a tokenizer from here on."""
    content = json.loads((path / "tokenizer.json").read_text())
    words = content["model"]["vocab"]
    content["model"]["vocab"] = {word: place if place < 3 else place + first for word, place in words.items()}
    (path / "tokenizer.json").write_text(json.dumps(content))


def other_kind(folder: Path, kind: str) -> None:
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps({"_class_name": kind}))
    edit(folder / "model_index.json", scheduler=["diffusers", kind])


def only_pickle(part: Path) -> None:
    (part / WEIGHTS).unlink()
    (part / "diffusion_pytorch_model.bin").write_bytes(pickle.dumps(Code()))


def as_integers(path: Path) -> None:
    save_file({name: tensor.to(torch.int8) for name, tensor in load_file(path).items()}, path)


Damage = Callable[[Path], object]
CASES: dict[str, tuple[str, Damage, str]] = {
    "another network's file": (
        "pixart", lambda f: shutil.copy(f.parent / "sana" / "transformer" / WEIGHTS, f / "transformer" / WEIGHTS),
        r"transformer is another model's: it lacks \d+ of 57 weights, first .*pos_embed.proj.* and has caption_norm.weight"),
    "another network's folder": (
        "sana", lambda f: shutil.copytree(f.parent / "pixart" / "transformer", f / "transformer", dirs_exist_ok=True),
        "says that transformer is a SanaTransformer2DModel, transformer/config.json says PixArtTransformer2DModel: one of the two"),
    "a file of no bytes": ("sd3", lambda f: (f / "vae" / WEIGHTS).write_bytes(b""), "vae/.* is cut short or is no safetensors file"),
    "a folder for a file": (
        "sd3", lambda f: ((f / "vae" / WEIGHTS).unlink(), (f / "vae" / WEIGHTS).mkdir()), r"cannot be read \(Is a directory\)"),
    "another variant alone": (
        "flux", lambda f: (f / "vae" / WEIGHTS).rename(f / "vae" / "diffusion_pytorch_model.bf16.safetensors"),
        "vae holds no safetensors without a variant, only diffusion_pytorch_model.bf16.safetensors of another variant: fetch"),
    "a broken link": (
        "flux", lambda f: ((f / "vae" / WEIGHTS).unlink(), (f / "vae" / WEIGHTS).symlink_to("/nowhere")), "cannot be read .No such file"),
    "integers": ("sdxl", lambda f: as_integers(f / "unet" / WEIGHTS), r"holds \S+ as I8: weights are read as F64, F32, F16, BF16"),
    "a pickle": ("pixart", lambda f: only_pickle(f / "transformer"),
                 "holds no safetensors, only diffusion_pytorch_model.bin, a pickle, which is not read"),
    "an index with a weight too many": (
        "flux", lambda f: shard(f / "transformer", lambda held: held.update({"more.weight": SHARDS[0]})),
        f"names more.weight in {SHARDS[0]}, which has no such weight: fetch or copy both again"),
    "an index with a weight too few": (
        "sana", lambda f: shard(f / "transformer", lambda held: held.pop("proj_out.weight")),
        "lacks 1 of 54 weights, first proj_out.weight"),
    "an index with a shard outside": (
        "pixart", lambda f: shard(f / "transformer", lambda held: held.update({"proj_out.weight": "../x.safetensors"})),
        r"names ../x.safetensors, outside its folder"),
    "an index of numbers": (
        "pixart", lambda f: shard(f / "transformer", lambda held: held.update(dict.fromkeys(held, 3))), "is no index of shards"),
    "shards without an index": (
        "sd3", lambda f: (shard(f / "transformer", dict), (f / "transformer" / INDEX).unlink()), "2 safetensors and no index of them"),
    "a config of nothing": ("sdxl", lambda f: (f / "unet" / "config.json").write_text(""), "unet/config.json is no JSON file"),
    "a config that is a list": (
        "sdxl", lambda f: (f / "unet" / "config.json").write_text('[["_class_name", "x"]]'), "holds a list and not names with values"),
    "a config without a class": ("flux", lambda f: edit(f / "vae" / "config.json", _class_name=None), "vae/config.json names no class"),
    "a config of another class": (
        "flux", lambda f: edit(f / "transformer" / "config.json", _class_name="AutoencoderKL"), "config.json says AutoencoderKL"),
    "a config of no network": (
        "sdxl", lambda f: edit(f / "unet" / "config.json", norm_num_groups=0), "no UNet2DConditionModel can be built of .*unet/config"),
    "a text encoder's config gone": (
        "pixart", lambda f: (f / "text_encoder" / "config.json").unlink(), "text_encoder/config.json is missing"),
    "a text encoder's config of another kind": (
        "sana", lambda f: edit(f / "text_encoder" / "config.json", model_type="bert"), "is of a 'bert' model and not of a 'gemma2' one"),
    "a text encoder's config that cannot be": (
        "sdxl", lambda f: edit(f / "text_encoder" / "config.json", num_attention_heads=5), "text_encoder cannot be loaded as CLIP"),
    "a pipeline without a part": ("sd3", lambda f: edit(f / "model_index.json", vae=None), "names no class for vae, which a "),
    "a part of no class": ("pixart", lambda f: edit(f / "model_index.json", text_encoder=[None, None]), "names no class for text_encoder"),
    "a part of an unknown class": (
        "pixart", lambda f: edit(f / "model_index.json", text_encoder=["transformers", "Foo"]), "transformers.Foo, which is no class of"),
    "a part of the folder's own code": (
        "pixart", lambda f: edit(f / "model_index.json", transformer=["my_module", "Foo"]),
        "takes transformer from my_module.Foo, which is no class of diffusers or transformers: other code is never run"),
    "a tokenizer of nothing": ("sdxl", lambda f: (f / "tokenizer" / "tokenizer.json").write_text("{}"), "holds no TokenizersBackend"),
    "a tokenizer without its vocabulary": (
        "flux", lambda f: (f / "tokenizer_2" / "tokenizer.json").unlink(), "tokenizer_2 holds "),
    "a tokenizer of another class": (
        "flux", lambda f: edit(f / "tokenizer" / "tokenizer_config.json", tokenizer_class="CLIPTokenizer"), "says CLIPTokenizer"),
    "a tokenizer with other tokens": (
        "sana", lambda f: tokens(f / "tokenizer", 1000), "numbers tokens up to 1011, its text encoder has 12"),
    "a tokenizer without padding": (
        "flux", lambda f: edit(f / "tokenizer_2" / "tokenizer_config.json", pad_token=None), "tokenizer_2 has no padding token"),
    "a tokenizer of longer texts": (
        "sd3", lambda f: edit(f / "tokenizer_2" / "tokenizer_config.json", model_max_length=24),
        "tokenizer_2 gives texts of 24 tokens, its text encoder takes 7"),
    "a scheduler of two classes": (
        "pixart", lambda f: edit(f / "scheduler" / "scheduler_config.json", _class_name="PNDMScheduler"), "config.json says PNDM"),
    "a scheduler of noise": (
        "sd3", lambda f: other_kind(f, "EulerDiscreteScheduler"), "for models that predict noise, and this one predicts a velocity"),
    "a scheduler of a velocity": (
        "sdxl", lambda f: other_kind(f, "FlowMatchEulerDiscreteScheduler"), "models that predict a velocity, and this one predicts noise"),
    "a scheduler without pure steps": (
        "sdxl", lambda f: other_kind(f, "PNDMScheduler"), "model tiny-sdxl: the folder's scheduler PNDMScheduler is not offered"),
    "a scheduler that cannot be": (
        "flux", lambda f: edit(f / "scheduler" / "scheduler_config.json", num_train_timesteps="many"), "cannot be loaded as FluxPipeline"),
}  # fmt: skip


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with those of all families."""
    root = tmp_path_factory.mktemp("originals")
    for family in FAMILIES:
        save(family, root / family)
    return root


@pytest.fixture
def copied(originals: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A copy of a family's folder that may be damaged; those of the others are beside it."""

    def copy(family: str) -> Path:
        for other in FAMILIES:
            if other != family:
                (tmp_path / other).symlink_to(originals / other)
        return Path(shutil.copytree(originals / family, tmp_path / family))

    return copy


def opened(folder: Path, family: str, name: str = "") -> Any:
    settings = {**FAMILIES[family].settings, "dtype": "float32"}
    return load(published(name or f"tiny-{family}"), {"weights": folder}, torch.device("cpu"), settings)


@pytest.mark.parametrize("what", CASES)
def test_a_damaged_folder_is_refused_by_name(what: str, copied: Callable[[str], Path], capfd: pytest.CaptureFixture[str]) -> None:
    family, damage, message = CASES[what]
    folder = copied(family)
    damage(folder)
    with pytest.raises(WrongInput, match=message) as caught:
        opened(folder, family)
    assert str(folder) in str(caught.value) or "model tiny-" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "never be run" not in capfd.readouterr().out


def test_a_network_in_two_files_is_the_same(copied: Callable[[str], Path], originals: Path) -> None:
    folder = copied("flux")
    shard(folder / "transformer", dict)
    whole = opened(originals / "flux", "flux").adapter.transformer.state_dict()
    assert all(torch.equal(tensor, whole[name]) for name, tensor in opened(folder, "flux").adapter.transformer.state_dict().items())


def test_pickles_beside_the_weights_are_not_read(copied: Callable[[str], Path], capfd: pytest.CaptureFixture[str]) -> None:
    folder = copied("flux")
    for part in folder.iterdir():
        if part.is_dir():
            for name in ("pytorch_model.bin", "diffusion_pytorch_model.bin", "model.ckpt"):
                (part / name).write_bytes(pickle.dumps(Code()))
    opened(folder, "flux")
    assert "never be run" not in capfd.readouterr().out


@pytest.mark.parametrize(("part", "change", "said"), [
    ("vae", {"scaling_factor": None}, "in vae/config.json scaling_factor is 0.18215 instead of 0.7"),
    ("vae", {"latent_channels": 8}, "in vae/config.json latent_channels is 8 instead of 4"),
    ("text_encoder", {"d_model": 48}, "in text_encoder/config.json d_model is 48 instead of 24"),
    ("transformer", {"num_layers": 3}, "in transformer/config.json num_layers is 3 instead of 2"),
])  # fmt: skip
def test_every_part_is_compared_with_the_published_one(
    part: str, change: dict[str, Any], said: str, copied: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A VAE or text encoder of another model that fits by its shapes, or whose configuration leaves out what it scales by."""
    folder = copied("pixart")
    record = {one.name: json.loads((one / "config.json").read_text()) for one in folder.iterdir() if (one / "config.json").is_file()}
    monkeypatch.setattr(pipeline_folder, "published_config", lambda name: record)
    opened(folder, "pixart", "pixart-sigma-of-this-test")
    edit(folder / part / "config.json", **change)
    with pytest.raises(WrongInput, match=f"pixart is another model's than pixart-sigma-of-this-test: {said}"):
        opened(folder, "pixart", "pixart-sigma-of-this-test")


def test_a_damaged_index_of_the_pipeline_is_told_from_a_missing_one(copied: Callable[[str], Path]) -> None:
    path = copied("sana") / "model_index.json"
    for content, said in (("[]", "holds a list"), ("{}", "names no class of a pipeline"), ("{", "is no JSON file")):
        path.write_text(content)
        with pytest.raises(DamagedWeights, match=f"model_index.json {said}"):
            opened(path.parent, "sana")
    path.unlink()
    with pytest.raises(DamagedWeights, match=r"model_index.json is missing: fetch or copy it again, or give a whole folder"):
        opened(path.parent, "sana")


def test_every_published_scheduler_and_tokenizer_passes() -> None:
    """The checks take what the published models have: those that random weights are built with."""
    small = {"steps": 2, "height": 64, "width": 64, "dtype": "float32"}
    for name in ("flux-schnell", "sd3.5-medium", "sdxl", "pixart-sigma", "sana-1.6b"):
        model = published_models()[name]
        binning = {"resolution_binning": False} if "resolution_binning" in model.settings else {}
        adapter: Any = build(model, model.merged({**small, **binning}), [torch.device("cpu")], tiny=True).adapter
        pipeline = adapter.pipeline
        assert is_flow(pipeline.scheduler) is kinds.FAMILIES[type(pipeline).__name__].flow
        check_tokenizers(Path("x"), pipeline.components)
