"""A weight folder is what its card says, or it is refused by name."""

import json
import pickle
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

from harness.errors import DamagedWeights, WrongInput
from models.card_file import CARD_FILE, checked_card
from models.configuration import read_config
from models.hashes import joint_sha256, sha256_of
from models.weight_files import check_keys, check_whole, load_pickle


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


def test_a_pickle_holds_tensors_or_is_refused(tmp_path: Path) -> None:
    sound, code, cut = tmp_path / "sound.pth", tmp_path / "code.pth", tmp_path / "cut.pth"
    torch.save({"weight": torch.arange(3)}, sound)
    assert load_pickle(sound)["weight"].tolist() == [0, 1, 2]
    torch.save(nn.Linear(2, 2), code)
    with pytest.raises(WrongInput, match=r"code.pth is a pickle that needs code to load \(torch.nn.*Linear\), which is refused"):
        load_pickle(code)
    cut.write_bytes(sound.read_bytes()[:-30])
    with pytest.raises(DamagedWeights, match=r"cut.pth is cut short \(the end of the archive is missing\)"):
        load_pickle(cut)
    code.write_bytes(pickle.dumps(print, protocol=2))
    with pytest.raises(WrongInput, match=r"needs code to load \(.*print\)"):
        load_pickle(code)
    code.write_bytes(pickle.dumps(print, protocol=4))
    with warnings.catch_warnings(action="error"), pytest.raises(WrongInput, match=r"code.pth is a pickle of protocol 4, which is not read"):
        load_pickle(code)
    cut.write_bytes(b"no weights at all")
    with pytest.raises(DamagedWeights, match=r"cut.pth is no weight file or is cut short"):
        load_pickle(cut)


def test_an_index_names_shards_that_are_there(tmp_path: Path) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}))
    (tmp_path / "model-1.safetensors").write_bytes(b"x")
    with pytest.raises(DamagedWeights, match=r"index.json names model-2.safetensors, which is missing"):
        check_whole(index)
    with pytest.raises(DamagedWeights, match=r"model-1.safetensors is cut short or is no safetensors file"):
        check_whole(tmp_path / "model-1.safetensors")
    for content in ("{}", '{"weight_map": 3}', '{"weight_map": {"a": 3}}'):
        index.write_text(content)
        with pytest.raises(DamagedWeights, match="is no index of shards"):
            check_whole(index)
    index.write_text(json.dumps({"weight_map": {"a": "../model-1.safetensors"}}))
    with pytest.raises(DamagedWeights, match=r"names ../model-1.safetensors, outside its folder"):
        check_whole(index)


def test_what_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "link.safetensors").symlink_to("nowhere")
    with pytest.raises(DamagedWeights, match=r"link.safetensors cannot be read \(No such file or directory\): fetch or copy it again"):
        check_whole(tmp_path / "link.safetensors")
    with pytest.raises(DamagedWeights, match=r"cannot be read \(Is a directory\)"):
        check_whole(tmp_path)
    for content, said in (("[]", "holds a list and not names with values"), ("", "is no JSON file"), ("\xff", "is no JSON file")):
        (tmp_path / "config.json").write_text(content, encoding="latin-1")
        with pytest.raises(DamagedWeights, match=f"config.json {said}: fetch or copy it again"):
            read_config(tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(DamagedWeights, match=r"config.json is missing: fetch or copy it again, or give a whole folder"):
        read_config(tmp_path)


def test_another_models_file_is_named_by_its_first_keys(tmp_path: Path) -> None:
    wanted = {"a.weight": (2, 3), "b.weight": (4,)}
    check_keys(tmp_path, wanted, {**wanted, "more": (1,)})
    with pytest.raises(WrongInput, match=r"lacks 1 of 2 weights, first b.weight and has c.weight instead; give the file"):
        check_keys(tmp_path, wanted, {"a.weight": (2, 3), "c.weight": (4,)})
    with pytest.raises(WrongInput, match=r"in 1 weights, first b.weight is \(5,\) instead of \(4,\): the configured size"):
        check_keys(tmp_path, wanted, {"a.weight": (2, 3), "b.weight": (5,)})


@pytest.mark.parametrize("name", ["model.safetensors", "weights.pth", "model.safetensors.index.json"])
def test_a_pointer_is_told_from_a_damaged_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(DamagedWeights, match=f"{name} is a pointer of git-lfs and not the file itself: run `git lfs pull`"):
        check_whole(path)
