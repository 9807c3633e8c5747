"""Folders of Janus with one thing wrong in what reads text: each is refused in one line that names it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_janus
import torch

from harness.errors import WrongInput
from models.janus.load import load


def edit(path: Path, change: Callable[[dict], object]) -> None:
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))


Damage = Callable[[Path], object]
CASES: dict[str, tuple[Damage, str]] = {
    "no sizes": (lambda f: edit(f / "config.json", lambda it: it.update(text_config=None)), "config.json has no text_config"),
    "another kind": (lambda f: edit(f / "config.json", lambda it: it.update(model_type="bert")), "of a 'bert' model and not of a 'janus'"),
    "no processor": (lambda f: [path.unlink() for path in f.glob("*processor*")], "holds no JanusProcessor that can be read"),
    "no tokenizer": (lambda f: (f / "tokenizer.json").unlink(), "holds no JanusProcessor that can be read"),
    "an empty tokenizer": (lambda f: (f / "tokenizer.json").write_text("{}"), "holds no JanusProcessor that can be read"),
    "other tokens": (lambda f: edit(f / "tokenizer.json", lambda it: it["model"]["vocab"].update(red=900)),
                     "numbers tokens up to 900, its text encoder has 19"),
    "no template": (lambda f: [path.unlink() for path in f.glob("*.jinja")], "has no template or tokenizer of Janus's"),
    "a broken template": (lambda f: [path.write_text("{% for %}") for path in f.glob("*.jinja")], "has no template or tokenizer of"),
}  # fmt: skip


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("original")
    tiny_janus.save(folder)
    return folder


@pytest.mark.parametrize("what", CASES)
def test_a_damaged_folder_is_refused_by_name(what: str, original: Path, tmp_path: Path) -> None:
    damage, message = CASES[what]
    folder = Path(shutil.copytree(original, tmp_path / "janus"))
    damage(folder)
    with pytest.raises(WrongInput, match=message) as caught:
        load(tiny_janus.row(), {"weights": folder}, torch.device("cpu"), tiny_janus.SETTINGS)
    assert str(caught.value).startswith(str(folder))
    assert "\n" not in str(caught.value)
