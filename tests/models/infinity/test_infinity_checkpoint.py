"""Loading: every published layout gives the same weights; what does not fit is refused by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from harness.errors import DamagedWeights, WrongInput
from models.infinity.checkpoint import load_transformer, load_vae
from models.infinity.config import TransformerConfig, VAEConfig
from models.infinity.pretrained import InfinityParts, load_pretrained, save_pretrained
from models.infinity.sampling import Sampling
from models.infinity.schedule import ScaleSchedule
from models.infinity.stored import weight_files
from models.infinity.training import initialise
from models.infinity.transformer import InfinityTransformer
from models.infinity.vae import InfinityVAE

SHARED = Path(__file__).parents[3] / "../shared/parity"
LAYOUTS = {f"{path.parent.name}/{path.name}": path for path in sorted(SHARED.glob("*_checkpoints/*")) if path.suffix != ".md"}
"""Files and folders of shards, beside each of whose folders stands that of the model they hold, without "_checkpoints"."""
TRANSFORMERS, VAES = ([name for name, path in LAYOUTS.items() if ("vae" in path.name) == is_vae] for is_vae in (False, True))
needs_parity = pytest.mark.skipif(not LAYOUTS, reason="sample checkpoints are not here")
TINY = TransformerConfig(depth=2, embed_dim=64, num_heads=2, codebook_dim=4, text_channels=16, text_maxlen=6)
TINY_VAE = VAEConfig(codebook_dim=4, base_ch=8, ch_mult=(1, 2), num_res_blocks=1, patch_size=2, norm_groups=4)


def assert_same(model: torch.nn.Module, want: Mapping[str, Tensor]) -> None:
    got = model.state_dict()
    assert got.keys() == want.keys()
    for name, tensor in want.items():
        assert torch.equal(got[name], tensor), name
    assert not any(tensor.is_meta for tensor in got.values())


def original(layout: str) -> tuple[dict[str, Any], Path]:
    """Configuration and folder of the model that a layout holds."""
    folder = SHARED / LAYOUTS[layout].parent.name.removesuffix("_checkpoints")
    return json.loads((folder / "config.json").read_text()), folder


@needs_parity
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_transformer_layouts(name: str) -> None:
    config, folder = original(name)
    model = load_transformer(TransformerConfig.from_original(config["transformer"]), LAYOUTS[name])
    assert_same(model, load_file(folder / "transformer.safetensors"))  # values are exact in bfloat16
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


@needs_parity
@pytest.mark.parametrize("name", VAES)
def test_vae_layout(name: str) -> None:
    config, folder = original(name)
    assert_same(load_vae(VAEConfig(**config["vae"]), LAYOUTS[name]), load_file(folder / "vae.safetensors"))


@pytest.fixture
def tiny() -> InfinityTransformer:
    return initialise(InfinityTransformer(TINY)).eval()


@pytest.mark.parametrize(("key", "prefix", "averaged"), [
    ("gpt_fsdp", "_fsdp_wrapped_module.", False), ("gpt_wo_ddp", "module.", False),
    ("gpt_wo_ddp", "module._orig_mod.", False), ("gpt_ema_fsdp", "", True), ("gpt_ema_for_vis", "", True)])
def test_training_checkpoint_variants(tmp_path: Path, tiny: InfinityTransformer, key: str, prefix: str,
                                      averaged: bool) -> None:
    weights = {prefix + name: tensor for name, tensor in tiny.state_dict().items()}
    other = {name: tensor + 1 for name, tensor in tiny.state_dict().items()}
    trainer = {"gpt_fsdp" if averaged else "gpt_ema_fsdp": other, key: weights, "gpt_fsdp_opt": {"state": {}}}
    path = tmp_path / "ar-ckpt.pth"
    torch.save({"trainer": trainer, "epoch": 3}, path)
    assert_same(load_transformer(TINY, path, averaged=averaged), tiny.state_dict())


@pytest.mark.parametrize(("key", "averaged"), [("gpt_fsdp", False), ("gpt_wo_ddp", False), ("gpt_ema_fsdp", True)])
def test_weights_may_be_cut_out_of_a_training_checkpoint(tmp_path: Path, tiny: InfinityTransformer, key: str, averaged: bool) -> None:
    torch.save({key: tiny.state_dict(), "epoch": 3}, tmp_path / "slim.pth")
    assert_same(load_transformer(TINY, tmp_path / "slim.pth", averaged=averaged), tiny.state_dict())
    with pytest.raises(WrongInput, match=f"set averaged to {averaged}"):
        load_transformer(TINY, tmp_path / "slim.pth", averaged=not averaged)


def test_a_training_checkpoint_holds_its_vae(tmp_path: Path, tiny: InfinityTransformer) -> None:
    vae = InfinityVAE(TINY_VAE).eval()
    torch.save({"trainer": {"vae_local": vae.state_dict(), "gpt_fsdp": tiny.state_dict()}, "epoch": 3}, tmp_path / "ar-ckpt.pth")
    assert_same(load_vae(TINY_VAE, tmp_path / "ar-ckpt.pth"), vae.state_dict())
    assert_same(load_transformer(TINY, tmp_path / "ar-ckpt.pth"), tiny.state_dict())


def test_the_index_of_shards_stands_for_them(tmp_path: Path, tiny: InfinityTransformer) -> None:
    names = list(tiny.state_dict())
    for shard, part in (("a", names[::2]), ("b", names[1::2])):
        save_file({key: tiny.state_dict()[key] for key in part}, tmp_path / f"{shard}.safetensors")
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {key: "ab"[at % 2] + ".safetensors" for at, key in enumerate(names)}}))
    assert_same(load_transformer(TINY, index), tiny.state_dict())
    assert weight_files(index) == weight_files(tmp_path)


def test_nested_wrappers_keep_the_chunks_own_module(tmp_path: Path) -> None:
    config = TransformerConfig(depth=2, embed_dim=64, num_heads=2, codebook_dim=4, text_channels=16, text_maxlen=6,
                               block_chunks=2)
    model = InfinityTransformer(config)
    weights = {name.replace("block_chunks.1.", "block_chunks.1._fsdp_wrapped_module."): tensor
               for name, tensor in model.state_dict().items()}
    torch.save(weights, tmp_path / "flat.pth")
    assert_same(load_transformer(config, tmp_path / "flat.pth"), model.state_dict())


@pytest.mark.parametrize("rows", [4, 9])
def test_unconditional_text_is_cut_or_extended(tmp_path: Path, tiny: InfinityTransformer, rows: int) -> None:
    weights = dict(tiny.state_dict())
    weights["cfg_uncond"] = torch.randn(rows, 16)
    save_file(weights, tmp_path / "model.safetensors")
    got = load_transformer(TINY, tmp_path / "model.safetensors").cfg_uncond
    assert torch.equal(got[:rows], weights["cfg_uncond"][:6])
    # the original keeps the rest of what its constructor draws from seed 0 for the whole table, whatever the file holds
    drawn = torch.nn.init.trunc_normal_(torch.empty(6, 16), std=1.2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(got[rows:], drawn[rows:] / 4)
    assert got.shape == (6, 16)


def test_bare_names_and_missing_constants_of_a_vae(tmp_path: Path) -> None:
    vae = InfinityVAE(TINY_VAE).eval()
    bare = {}
    for name, tensor in vae.named_parameters():
        for wrapper in (".conv.weight", ".conv.bias", ".norm.weight", ".norm.bias"):
            if name.endswith(wrapper):
                name = name.removesuffix(wrapper) + "." + wrapper.rpartition(".")[2]
        bare[name] = tensor.detach().contiguous()
    assert "encoder.down.0.downsample.conv.weight" in bare
    torch.save({"vae": bare | {"discriminator.weight": torch.ones(1)}, "optimizer": {"lr": 1.0}}, tmp_path / "vae.pth")
    assert_same(load_vae(TINY_VAE, tmp_path / "vae.pth"), vae.state_dict())


def test_missing_weights_are_named(tmp_path: Path, tiny: InfinityTransformer) -> None:
    weights = {name: tensor for name, tensor in tiny.state_dict().items() if not name.startswith("head.")}
    torch.save(weights, tmp_path / "part.pth")
    with pytest.raises(ValueError, match=r"part\.pth is another model's: it lacks 2 of \d+ weights, first head\.weight, head\.bias;"):
        load_transformer(TINY, tmp_path / "part.pth")


def test_another_size_is_named(tmp_path: Path, tiny: InfinityTransformer) -> None:
    torch.save(dict(tiny.state_dict()), tmp_path / "flat.pth")
    larger = TransformerConfig(depth=2, embed_dim=64, num_heads=2, codebook_dim=8, text_channels=16, text_maxlen=6)
    with pytest.raises(ValueError, match=r"contradicts .* word_embed\.weight is \(64, 4\) instead of \(64, 8\)"):
        load_transformer(larger, tmp_path / "flat.pth")


def test_a_deeper_model_is_refused(tmp_path: Path) -> None:
    deeper = InfinityTransformer(replace(TINY, depth=3))
    torch.save(dict(deeper.state_dict()), tmp_path / "flat.pth")
    with pytest.raises(WrongInput, match=r"\d+ of its weights are of blocks that have no place in it, first blocks\.2\."):
        load_transformer(TINY, tmp_path / "flat.pth")
    chunked = InfinityTransformer(replace(TINY, block_chunks=2))
    torch.save(dict(chunked.state_dict()), tmp_path / "chunked.pth")
    with pytest.raises(WrongInput, match=r"first blocks\.0\.ada_gss.* and has block_chunks\.0\.module\.0\.ada_gss"):
        load_transformer(TINY, tmp_path / "chunked.pth")


@pytest.mark.parametrize("chunks", [1, 2])
def test_only_whole_blocks_too_many_are_refused(tmp_path: Path, chunks: int) -> None:
    config = replace(TINY, depth=4, block_chunks=chunks)
    model = InfinityTransformer(config)
    block = "blocks.0." if chunks == 1 else "block_chunks.0.module.0."
    more = {"rope2d_freqs_grid.x": torch.zeros(3), block + "ca_gamma": torch.zeros(3), block + "sa.cached_k": torch.zeros(2)}
    torch.save({**model.state_dict(), **more}, tmp_path / "more.pth")
    assert_same(load_transformer(config, tmp_path / "more.pth"), model.state_dict())
    with pytest.raises(WrongInput, match=r"another model's: it lacks \d+ of \d+ weights"):
        load_transformer(replace(config, depth=6), tmp_path / "more.pth")
    with pytest.raises(WrongInput, match="of blocks that have no place in it"):
        load_transformer(replace(config, depth=2), tmp_path / "more.pth")


@pytest.mark.parametrize("name", ["flat.pth", "model.safetensors", "folder"])
@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.999])
def test_truncated_files_are_refused(tmp_path: Path, tiny: InfinityTransformer, name: str, kept: float) -> None:
    source = tmp_path / name
    if name == "folder":
        source.mkdir()
        names = list(tiny.state_dict())
        for shard, part in (("a", names[::2]), ("b", names[1::2])):
            save_file({key: tiny.state_dict()[key] for key in part}, source / f"{shard}.safetensors")
        placed = {key: "ab"[at % 2] + ".safetensors" for at, key in enumerate(names)}
        (source / "model.safetensors.index.json").write_text(json.dumps({"weight_map": placed}))
    elif name == "flat.pth":
        torch.save(dict(tiny.state_dict()), source)
    else:
        save_file(dict(tiny.state_dict()), source)
    assert_same(load_transformer(TINY, source), tiny.state_dict())
    cut = source / "b.safetensors" if name == "folder" else source
    whole = cut.read_bytes()
    cut.write_bytes(whole[:int(len(whole) * kept)])
    with pytest.raises(DamagedWeights, match=f"{cut.name}.*(fetch or copy it again|give another file)"):
        load_transformer(TINY, source)


def test_code_in_a_pickle_is_refused(tmp_path: Path) -> None:
    torch.save({"args": Path("anything")}, tmp_path / "evil.pth")
    with pytest.raises(WrongInput, match=r"needs code to load \(pathlib.*, which is refused"):
        load_transformer(TINY, tmp_path / "evil.pth")


def test_index_may_not_leave_its_folder(tmp_path: Path) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"head.bias": "../x.safetensors"}}))
    with pytest.raises(ValueError, match="outside its folder"):
        load_transformer(TINY, tmp_path)
    index.write_text(json.dumps({"weight_map": {"head.bias": "a.safetensors"}}))
    with pytest.raises(DamagedWeights, match=r"names a\.safetensors, which is missing"):
        load_transformer(TINY, tmp_path)


def test_own_folder_round_trip(tmp_path: Path, tiny: InfinityTransformer) -> None:
    parts = InfinityParts(tiny, InfinityVAE(TINY_VAE), ScaleSchedule.square((1, 2, 3)).prefix(2),
                          Sampling(guidance=(2.0, 1.0), temperature=0.5))
    save_pretrained(parts, tmp_path / "model")
    again = load_pretrained(tmp_path / "model")
    assert_same(again.transformer, tiny.state_dict())
    assert_same(again.vae, parts.vae.state_dict())
    assert (again.schedule, again.sampling) == (parts.schedule, parts.sampling)
    assert (again.transformer.config, again.vae.config) == (TINY, TINY_VAE)
    config: dict[str, Any] = json.loads((tmp_path / "model/config.json").read_text())
    config["transformer"]["dpeth"] = 3
    (tmp_path / "model/config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="dpeth"):
        load_pretrained(tmp_path / "model")


def test_blocks_alone_change_their_type(tmp_path: Path, tiny: InfinityTransformer) -> None:
    torch.save(dict(tiny.state_dict()), tmp_path / "flat.pth")
    model = load_transformer(TINY, tmp_path / "flat.pth", block_dtype=torch.bfloat16)
    assert {name for name, tensor in model.named_parameters() if tensor.dtype == torch.bfloat16} == {
        name for name, _ in model.named_parameters() if name.startswith("blocks.")}
