"""Tiny random Infinity models saved in every published layout, with a whole T5 beside them."""

from __future__ import annotations

import json
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from transformers import T5Config, T5ForConditionalGeneration, T5Tokenizer

from harness.weights.repository import Repository
from models.infinity.config import TransformerConfig, VAEConfig
from models.infinity.published import PublishedSize
from models.infinity.transformer import InfinityTransformer
from models.infinity.vae import InfinityVAE
from models.published import PublishedModel, published_models

SHARED: dict[str, Any] = dict(text_channels=16, text_maxlen=12)
SMALL = PublishedSize(TransformerConfig(1, 64, 2, 2, **SHARED),
                      VAEConfig(2, base_ch=4, ch_mult=(1, 1, 1, 1, 1), num_res_blocks=1, norm_groups=2), ("0.06M",))
WIDE = PublishedSize(TransformerConfig(2, 64, 4, 3, block_chunks=2, **SHARED),
                     VAEConfig(3, base_ch=4, ch_mult=(1, 1, 2, 1, 1), num_res_blocks=1, norm_groups=2),
                     ("0.06M", "0.25M", "0.60M", "1M"))
PATCHED = PublishedSize(TransformerConfig(2, 64, 2, 2, block_chunks=2, patchify=True, **SHARED),
                        VAEConfig(2, base_ch=4, ch_mult=(1, 1, 2, 1), num_res_blocks=1, patch_size=8, norm_groups=2),
                        ("0.06M",))
TINY = {"infinity-125m": SMALL, "infinity-2b": WIDE, "infinity-8b": PATCHED, "infinity-8b-512": PATCHED}
"""By the name of the model whose layout it has."""
LAYOUT = {"infinity-125m": "flat", "infinity-2b": "flat", "infinity-8b": "shards", "infinity-8b-512": "shards"}


def made(size: PublishedSize, seed: int = 0) -> tuple[InfinityTransformer, InfinityVAE]:
    torch.manual_seed(seed)
    transformer, vae = InfinityTransformer(size.transformer).eval(), InfinityVAE(size.vae).eval()
    for parameter in transformer.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return transformer, vae


def write(transformer: InfinityTransformer, path: Path, layout: str) -> None:
    """`path` is the file, or for "shards" the folder."""
    state = OrderedDict(transformer.state_dict())
    if layout == "flat":
        torch.save(state, path)
    elif layout == "trainer":
        trainer = {"config": None, "gpt_fsdp": state, "gpt_fsdp_opt": {"state": {0: {"step": torch.ones(())}}}}
        torch.save({"args": {"depth": 1}, "arch": "x", "epoch": 3, "iter": 1, "trainer": trainer, "acc_str": ""}, path)
    elif layout == "slim":
        torch.save({f"module.{name}": tensor.bfloat16() for name, tensor in state.items()}, path)
    else:
        path.mkdir()
        names = list(state)
        shards = {f"model-0000{n + 1}-of-00003.safetensors": names[n::3] for n in range(3)}
        for shard, held in shards.items():
            save_file({name: state[name].contiguous() for name in held}, path / shard)
        weight_map = {name: shard for shard, held in shards.items() for name in held}
        (path / "model.safetensors.index.json").write_text(
            json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}))


def text_folder(folder: Path, seed: int = 1, shards: bool = False) -> None:
    """A whole T5, encoder and decoder, as flan-t5-xl is published; in shards and with every file that it has, if asked."""
    torch.manual_seed(seed)
    pieces = ["<pad>", "</s>", "<unk>", "▁red", "▁blue", "▁circle", "▁star", "▁two", "▁above", "▁and", "▁"]
    T5Tokenizer(vocab=[(piece, -float(n)) for n, piece in enumerate(pieces)], extra_ids=0).save_pretrained(folder)
    T5ForConditionalGeneration(T5Config(
        vocab_size=len(pieces), d_model=16, d_kv=8, d_ff=24, num_layers=2, num_heads=2, feed_forward_proj="gated-gelu",
        tie_word_embeddings=False, pad_token_id=0, eos_token_id=1, decoder_start_token_id=0)
    ).save_pretrained(folder, max_shard_size="8KB" if shards else "1GB")
    for name, content in (("special_tokens_map.json", "{}"), ("spiece.model", "")) if shards else ():
        (folder / name).write_text(content)


def publish(root: Path, name: str, layout: str | None = None) -> tuple[PublishedModel, dict[str, Path]]:
    """The published row of this name, and folders that mirror its repositories with a tiny model in them."""
    row = published_models()[name]
    transformer, vae = made(TINY[name])
    folder, text = root / "weights", root / "text"
    folder.mkdir(parents=True)
    target = row.repositories["weights"].files[0].removesuffix("/*")
    write(transformer, folder / target, layout or LAYOUT[name])
    torch.save({"vae": vae.state_dict(), "trainer": {"step": 3}}, folder / row.repositories["vae"].files[0])
    text_folder(text)
    return row, {"weights": folder, "vae": folder, "text_encoder": text}


def lacking(repository: Repository, folder: Path) -> list[str]:
    return [name for name in repository.files if not list(folder.glob(name))]
