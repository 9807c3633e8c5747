"""A weight folder is what its card says, or it is refused by name."""

import json
from pathlib import Path

import pytest

from harness.errors import DamagedWeights
from models.files import CARD_FILE, checked_card, joint_sha256, sha256_of


def folder_with(path: Path, files: object, weights: bytes = b"weights") -> Path:
    (path / "part").mkdir()
    (path / "part" / "model.safetensors").write_bytes(weights)
    (path / CARD_FILE).write_text(json.dumps({"name": "x", "files": files}))
    return path


def known(path: Path) -> dict[str, str]:
    return {"part/model.safetensors": sha256_of(path / "part/model.safetensors")}


def test_a_sound_folder_gives_its_card(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, {})
    (folder / CARD_FILE).write_text(json.dumps({"name": "x", "files": known(folder)}))
    assert checked_card(folder) == {"name": "x", "files": known(folder)}
    (folder / "part/model.safetensors").write_bytes(b"other")
    with pytest.raises(DamagedWeights, match=r"model.safetensors is damaged: expected SHA-256 .*; reinstall vistas"):
        checked_card(folder)
    (folder / "part/model.safetensors").unlink()
    with pytest.raises(DamagedWeights, match=r"model.safetensors is missing: reinstall vistas, or restore the file"):
        checked_card(folder)


def test_a_card_that_checks_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DamagedWeights, match=r"card.json lists no files, .*reinstall vistas"):
        checked_card(folder_with(tmp_path, {}))


def test_weights_that_the_card_leaves_out_are_refused(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, {"settings.json": "0" * 64})
    with pytest.raises(DamagedWeights, match=r"does not list part/model.safetensors"):
        checked_card(folder)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"files": 3}'])
def test_a_card_that_cannot_be_read_is_damaged(tmp_path: Path, text: str) -> None:
    (tmp_path / CARD_FILE).write_text(text)
    with pytest.raises(DamagedWeights, match=r"card.json is damaged: reinstall"):
        checked_card(tmp_path)


def test_a_folder_without_a_card_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DamagedWeights, match=r"card.json is missing"):
        checked_card(tmp_path)


def test_a_joint_hash_depends_on_the_order() -> None:
    assert joint_sha256(["a", "b"]) != joint_sha256(["b", "a"])
