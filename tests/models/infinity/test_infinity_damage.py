"""Files of Infinity with one thing wrong: each is refused in one line that names it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_published
import torch
from transformers import T5Config, T5ForConditionalGeneration

from harness.errors import WrongInput
from models.infinity import published
from models.infinity.published import load
from models.published import published_models

NAME, FILE, VAE = "infinity-125m", "infinity_125M_256x256.pth", "infinity_vae_d16.pth"


def narrower(text: Path) -> None:
    """A whole and sound T5 of another width."""
    config = T5Config.from_pretrained(text)
    config.d_model = 24
    (text / "model.safetensors").unlink()
    T5ForConditionalGeneration(config).save_pretrained(text)


def more_tokens(path: Path) -> None:
    content = json.loads(path.read_text())
    content["model"]["vocab"] += [[f"▁word{place}", -50.0] for place in range(40)]
    path.write_text(json.dumps(content))


def as_integers(path: Path) -> None:
    torch.save({name: tensor.to(torch.int8) for name, tensor in torch.load(path, weights_only=True).items()}, path)


Damage = Callable[[Path], object]
CASES: dict[str, tuple[Damage, str]] = {
    "the VAE's file": (lambda f: shutil.copy(f / "weights" / VAE, f / "weights" / FILE),
                       "is no training checkpoint of a transformer: its trainer holds only step; give the file of this model"),
    "the transformer as VAE": (lambda f: shutil.copy(f / "weights" / FILE, f / "weights" / VAE),
                               r"lacks \d+ of \d+ weights, first encoder.conv_in.conv.weight.* and has cfg_uncond, pos_start"),
    "integers": (lambda f: as_integers(f / "weights" / FILE), "as torch.int8: quantised weights are not read"),
    "a config of another kind": (lambda f: (f / "text" / "config.json").write_text('{"model_type": "bert", "d_model": 16}'),
                                 "config.json is of a 'bert' model and not of a 't5' one"),
    "no config": (lambda f: (f / "text" / "config.json").write_text("{"), "config.json is no JSON file"),
    "a text encoder of another width": (lambda f: narrower(f / "text"),
                                        "the text encoder of infinity-125m: in config.json d_model is 24 instead of 16"),
    "a tokenizer of nothing": (lambda f: (f / "text" / "tokenizer.json").write_text("{}"), "holds no AutoTokenizer that can be read"),
    "a tokenizer with other tokens": (lambda f: more_tokens(f / "text" / "tokenizer.json"), r"tokens up to \d+, its text encoder has 11"),
}  # fmt: skip


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("original") / NAME
    tiny_published.publish(root, NAME)
    return root


@pytest.mark.parametrize("what", CASES)
def test_a_damaged_file_is_refused_by_name(what: str, original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(published.SIZES, NAME, tiny_published.TINY[NAME])
    damage, message = CASES[what]
    folder = Path(shutil.copytree(original, tmp_path / "infinity"))
    damage(folder)
    row = published_models()[NAME]
    folders = {"weights": folder / "weights", "vae": folder / "weights", "text_encoder": folder / "text"}
    with pytest.raises(WrongInput, match=message) as caught:
        load(row, folders, torch.device("cpu"), row.merged({"dtype": "float32", "text_dtype": "float32"}))
    assert str(caught.value).startswith(str(folder))
    assert "\n" not in str(caught.value)
