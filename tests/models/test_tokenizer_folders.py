"""Tokenizers from folders as published, and from copies that lack a file."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path

import pytest
import sentencepiece
from transformers import AutoTokenizer, CLIPTokenizer, T5Tokenizer

from harness.errors import WrongInput
from models.transformers_folder import reader_from_folder

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """T5's tokenizer as PixArt-Sigma's repository has it: spiece.model and no tokenizer.json."""
    folder = tmp_path_factory.mktemp("pieces")
    text = iter(["a red circle above a blue square", "two green dogs and a cat", "an old red car"] * 20)
    with (folder / "spiece.model").open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=text, model_writer=file, vocab_size=40, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, pad_piece="<pad>",
            hard_vocab_limit=False, minloglevel=2)  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "T5Tokenizer", "extra_ids": 0, "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}))
    return folder


@pytest.mark.parametrize("kind", [T5Tokenizer, AutoTokenizer])
def test_a_vocabulary_of_pieces_alone_is_read(pieces: Path, kind: type) -> None:
    text = "a red dog above two cars"
    wanted = sentencepiece.SentencePieceProcessor(str(pieces / "spiece.model")).encode(text)
    assert reader_from_folder(kind, pieces)(text).input_ids == [*wanted, 1]


def test_what_reads_pieces_is_installed_with_the_package_and_named_where_it_is_not(pieces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "protobuf" in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    monkeypatch.setattr("models.transformers_folder.is_protobuf_available", lambda: False)
    with pytest.raises(WrongInput, match=r"has its vocabulary in spiece.model alone, which is read with protobuf: `pip install protobuf`"):
        reader_from_folder(T5Tokenizer, pieces)


SAME = "reads red and circle as the same: its vocabulary .* is missing"


@pytest.mark.parametrize(("kind", "said"), [
    (T5Tokenizer, SAME), (AutoTokenizer, SAME), (CLIPTokenizer, "holds no CLIPTokenizer that can be read .*not found in the vocabulary"),
])  # fmt: skip
def test_a_tokenizer_without_its_vocabulary_is_refused(pieces: Path, tmp_path: Path, kind: type, said: str) -> None:
    """transformers makes one that knows no word of a folder that has the configuration alone."""
    shutil.copy(pieces / "tokenizer_config.json", tmp_path)
    with pytest.raises(WrongInput, match=said):
        reader_from_folder(kind, tmp_path)
