"""Weights are found where they are, refused by name where they are not whole, and never fetched unasked."""

from __future__ import annotations

import errno
import json
import os
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from toy_repository import TOY, fill, fill_cache

from harness.errors import DamagedWeights, WrongInput
from harness.registry import entry
from harness.weights.absent import AbsentWeights, MissingWeights
from harness.weights.hub import files_of, locate, present
from harness.weights.local import LocalWeights, find, found, together
from harness.weights.repository import Repository
from models.hashes import sha256_of


def test_another_revision_in_the_cache_is_named_and_not_taken(cache: Path) -> None:
    fill_cache(cache)
    pinned = replace(TOY, revision="2" * 40)
    here = cache / "models--someone--toy" / "snapshots" / ("1" * 40)
    with pytest.raises(MissingWeights) as error:
        locate(pinned, name="toy")
    assert f"someone/toy is not on this machine at {'2' * 40}, another revision is at {here} (about 4.2 GB" in str(error.value)
    assert str(error.value).endswith("get it with `vistas fetch toy`, or give a local folder with --weights toy=PATH")
    assert locate(pinned, local=here) == here
    (here / "config.json").unlink()
    with pytest.raises(MissingWeights, match=r"^someone/toy is not on this machine \("):
        locate(pinned, name="toy")


def test_a_download_that_was_broken_off_is_not_here(cache: Path) -> None:
    part = fill_cache(cache) / "part"
    index = part / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"weight": "model.safetensors", "bias": "model-2.safetensors"}}))
    indexed = replace(TOY, files=("config.json", "part/*"))
    assert not present(indexed)
    with pytest.raises(AbsentWeights, match=r"^someone/toy lacks part/model-2.safetensors \(.*get it with `vistas fetch toy`"):
        locate(indexed, name="toy")
    shutil.copy(part / "model.safetensors", part / "model-2.safetensors")
    assert present(indexed)
    index.write_text("{}")
    with pytest.raises(DamagedWeights, match="is no index of shards"):
        locate(indexed, name="toy")


def test_what_the_cache_has_under_the_name_before_is_taken(cache: Path) -> None:
    """The hub redirects a repository that has moved, and its client keeps the files under the name that it was asked for by."""
    here = fill_cache(cache)
    moved = replace(TOY, repo="some-one/toy", revision="1" * 40)
    with pytest.raises(MissingWeights, match=r"^some-one/toy is not on this machine \("):
        locate(moved, name="toy")
    moved = replace(moved, formerly="someone/toy")
    assert present(moved)
    assert locate(moved, name="toy") == here
    assert not present(replace(moved, revision="2" * 40)), "another commit is other weights"
    (here / "config.json").unlink()
    with pytest.raises(MissingWeights, match=r"^some-one/toy lacks config.json \("):
        locate(moved, name="toy")


def test_the_cache_is_used_and_nothing_else(cache: Path) -> None:
    assert not present(TOY)
    with pytest.raises(MissingWeights) as error:
        locate(TOY, name="toy")
    assert str(error.value) == (
        "someone/toy is not on this machine (about 4.2 GB, licence MIT, gated: accept the terms at "
        f"{TOY.address} and log in): get it with `vistas fetch toy`, or give a local folder with --weights toy=PATH"
    )
    folder = fill_cache(cache)
    assert present(TOY)
    assert locate(TOY, name="toy") == folder
    (folder / "config.json").unlink()
    assert not present(TOY)
    with pytest.raises(MissingWeights, match=r"someone/toy lacks config.json .* `vistas fetch toy`"):
        locate(TOY, name="toy")


def test_all_that_is_lacking_is_said_at_once(cache: Path, tmp_path: Path) -> None:
    other = Repository("someone/other", "main", ("a.pt",), 2_000_000_000, "MIT")
    head = partial(locate, other, name="pair", role="head")
    looked = [partial(locate, TOY, name="toy"), head, partial(locate, TOY, name="toy"), partial(locate, other, name="same")]
    with pytest.raises(AbsentWeights) as error:
        together(looked)
    assert str(error.value) == (
        "toy: someone/toy is not on this machine (about 4.2 GB, licence MIT, gated: accept the terms at "
        f"{TOY.address} and log in); pair.head and same: someone/other is not on this machine (2.0 GB, licence MIT): get them "
        "with `vistas fetch toy pair same`, or give local folders with --weights toy=PATH and so on, by these names"
    )
    folder = fill_cache(cache)
    (folder / "config.json").rename(tmp_path / "config.json")
    with pytest.raises(AbsentWeights, match=r"^toy: someone/toy lacks config\.json \(about 4\.2 GB.*; pair\.head and same: "):
        together(looked)
    (tmp_path / "config.json").rename(folder / "config.json")
    looked = [looked[0], partial(locate, other, name="pair")]
    with pytest.raises(AbsentWeights, match=r"^someone/other is not on this machine .* `vistas fetch pair`, or give a local folder"):
        together(looked)
    with pytest.raises(AbsentWeights, match=r"`vistas fetch pair`, or give a local folder with --weights pair\.head=PATH$"):
        head()
    with pytest.raises(MissingWeights, match=r"mirrors the repository with --weights pair\.head=PATH$"):
        locate(other, local=tmp_path, name="pair", role="head")


def test_a_local_folder_is_taken_as_it_is(cache: Path, tmp_path: Path) -> None:
    folder = fill(tmp_path / "mine")
    assert locate(TOY, local=folder) == folder
    (folder / "config.json").unlink()
    with pytest.raises(MissingWeights, match=r"mine is no copy of someone/toy: it lacks config.json; give a folder"):
        locate(TOY, local=folder)
    with pytest.raises(MissingWeights, match="nowhere of someone/toy: give a folder that is there"):
        locate(TOY, local=tmp_path / "nowhere")


@pytest.mark.parametrize(("kind", "name", "files", "other", "repo"), [
    ("model", "infinity-2b", ["infinity_2b_reg.pth", "infinity_vae_d32reg.pth"], "text_encoder", "google/flan-t5-xl"),
    ("verifier", "image-reward", ["ImageReward.pt", "med_config.json"], "tokenizer", "google-bert/bert-base-uncased"),
    ("grader", "geneval-grader-hf", ["open_clip_config.json", "open_clip_model.safetensors"], "detector",
     "facebook/mask2former-swin-small-coco-instance"),
])  # fmt: skip
def test_a_copy_of_one_repository_leaves_the_others_to_the_cache(
    cache: Path, tmp_path: Path, kind: str, name: str, files: list[str], other: str, repo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for looks in ("harness.weights.local.check_telling", "models.infinity.published.check_folders"):
        monkeypatch.setattr(looks, lambda *_: None)  # these files have next to nothing in them
    known, folder, elsewhere = entry(kind, name), tmp_path / "mine", tmp_path / "elsewhere"
    every, local = known.row.repositories, LocalWeights.parse([f"{name}={folder}"])
    folder.mkdir()
    with pytest.raises(MissingWeights, match=f"mine is no copy of {next(iter(every.values())).repo}: it lacks "):
        find(name, known, local)
    write(folder, files)
    assert not found(name, known, local)
    with pytest.raises(AbsentWeights, match=rf"^{repo} is not on this machine .*`vistas fetch {name}`.*--weights {name}\.{other}=PATH$"):
        find(name, known, local)
    snapshot = cache / f"models--{repo.replace('/', '--')}" / "snapshots" / every[other].revision
    write(snapshot, [file.replace("*", "1") for file in every[other].files])
    if len(every[other].revision) < 40:
        (snapshot.parent.parent / "refs").mkdir()
        (snapshot.parent.parent / "refs" / every[other].revision).write_text("1" * 40)
        snapshot = snapshot.rename(snapshot.with_name("1" * 40))
    assert found(name, known, local)
    assert find(name, known, local) == {role: snapshot if role == other else folder for role in every}
    write(folder, [file.replace("*", "1") for file in every[other].files])
    assert find(name, known, local) == dict.fromkeys(every, folder), "what the folder holds is taken from there"
    shutil.copytree(snapshot, elsewhere)
    local = LocalWeights.parse([f"{name}={folder}", f"{name}.{other}={elsewhere}"])
    assert find(name, known, local) == {role: elsewhere if role == other else folder for role in every}
    part = tmp_path / "part"
    write(part, files[:1])
    with pytest.raises(MissingWeights, match="part is no copy of "):
        find(name, known, LocalWeights.parse([f"{name}={part}"]))


@pytest.mark.parametrize(("kind", "name", "role", "config", "told"), [
    ("verifier", "clip-score", "weights", {"model_cfg": {"embed_dim": 512, "vision_cfg": {"width": 768}}},
     "clip-score: in open_clip_config.json model_cfg.embed_dim is 512 instead of 768; model_cfg.vision_cfg.width is 768 instead "),
    ("verifier", "image-reward", "weights", {"hidden_size": 1024}, "image-reward: in med_config.json hidden_size is 1024 instead of 768"),
    ("verifier", "pick-score", "weights", {"model_type": "siglip"}, "pick-score: in config.json model_type is siglip "),
    ("grader", "geneval-grader", "clip", {"model_cfg": {"embed_dim": 512}}, "geneval-grader: in open_clip_config.json "),
    ("grader", "geneval-grader-hf", "detector", {"model_type": "maskformer"}, "geneval-grader-hf: in config.json model_type is mask"),
    ("features", "dinov2", "weights", {"hidden_size": 768}, "dinov2: in config.json hidden_size is 768 instead of 1024"),
])  # fmt: skip
def test_another_networks_folder_is_named_before_what_is_absent(
    cache: Path, tmp_path: Path, kind: str, name: str, role: str, config: dict[str, Any], told: str
) -> None:
    known = entry(kind, name)
    (repository,) = [known.row.repositories[role]]
    write(tmp_path, list(repository.files))
    local = LocalWeights.parse([f"{name}.{role}={tmp_path}"])
    (file,) = repository.tells
    wrong = {"no JSON": f"{tmp_path / file} is no JSON", json.dumps(config): f"{tmp_path} is another model's than {told}"}
    for values, message in wrong.items():
        (tmp_path / file).write_text(values)
        with pytest.raises(WrongInput, match=message):
            find(name, known, local)
    (tmp_path / file).write_text("{}")  # what a configuration does not say is no difference
    assert set(known.row.repositories) == {role} or isinstance(caught(find, name, known, local), AbsentWeights)


def caught(call: Any, *given: Any) -> BaseException | None:
    try:
        call(*given)
    except WrongInput as error:
        return error
    return None


def write(folder: Path, files: list[str]) -> None:
    """Files of these names that are whole, with next to nothing in them."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        if file.endswith(".safetensors"):
            save_file({"weight": torch.zeros(1)}, folder / file)
        elif file.endswith((".pt", ".pth")):
            torch.save({}, folder / file)
        else:
            (folder / file).write_text('{"weight_map": {"weight": "model-1.safetensors"}}')


def test_folders_that_are_links_are_looked_into_and_other_links_are_not_followed(tmp_path: Path) -> None:
    """Who keeps weights elsewhere links folders; a link that leads up, or anywhere else, would never end."""
    folder, elsewhere = fill(tmp_path / "mine"), tmp_path / "elsewhere"
    (folder / "part").rename(elsewhere)
    (folder / "part").symlink_to(elsewhere)
    for name in ("up", "away"):
        (elsewhere / name).symlink_to(folder if name == "up" else "/")
    assert locate(TOY, local=folder) == folder
    assert files_of(TOY, folder) == [folder / "config.json", folder / "part" / "model.safetensors"]
    shard = elsewhere / "model.safetensors"
    shard.write_bytes(shard.read_bytes()[:-5])
    with pytest.raises(DamagedWeights, match=r"mine/part/model.safetensors has \d+ bytes, its header says \d+: fetch or copy"):
        locate(TOY, local=folder)


def test_a_folder_that_may_not_be_read_is_not_called_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, own = fill(tmp_path / "mine"), os.scandir

    def forbidden(path: Any) -> Any:
        if Path(path) == folder / "part":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return own(path)

    monkeypatch.setattr(os, "scandir", forbidden)
    with pytest.raises(MissingWeights, match=r"mine/part cannot be read \(Permission denied\): allow reading it, or give another folder"):
        locate(TOY, local=folder)


def test_one_file_stands_for_a_repository_of_one_file(tmp_path: Path) -> None:
    folder = fill(tmp_path / "mine")
    single = Repository("someone/toy", "main", ("model.safetensors",), 1, "MIT")
    assert locate(single, local=folder / "part" / "model.safetensors") == folder / "part"
    with pytest.raises(MissingWeights, match=r"config.json of someone/toy: give a file of its published name, model.safetensors, or the"):
        locate(single, local=folder / "config.json")
    with pytest.raises(MissingWeights, match=r"or the folder that mirrors the repository with --weights toy.vae=PATH$"):
        locate(single, local=folder / "config.json", name="toy", role="vae")
    with pytest.raises(MissingWeights, match=r"give the folder that mirrors the repository; a file alone, as other programs have it, is n"):
        locate(TOY, local=folder / "part" / "model.safetensors")


def test_weights_of_another_variant_are_told_from_none(tmp_path: Path) -> None:
    folder = fill(tmp_path / "mine")
    varied = replace(TOY, files=("config.json", "part/model.fp16.safetensors"))
    with pytest.raises(MissingWeights, match=r"lacks part/model.fp16.safetensors and has part/model.safetensors instead, of another varia"):
        locate(varied, local=folder)
    (folder / "part" / "model.safetensors").unlink()
    with pytest.raises(MissingWeights, match=r"lacks part/model.fp16.safetensors; give a folder"):
        locate(varied, local=folder)


def test_the_folder_of_the_shards_themselves_stands_for_the_repository_under_its_name_only(tmp_path: Path) -> None:
    repository = Repository("owner/model", "main", ("parts/*",), 1, "MIT")
    inner = tmp_path / "copy/parts"
    inner.mkdir(parents=True)
    (inner / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "one.safetensors"}}))
    save_file({"a": torch.zeros(2)}, inner / "one.safetensors")
    assert locate(repository, local=inner) == locate(repository, local=inner.parent) == inner.parent
    other = inner.rename(tmp_path / "copy/mine")
    with pytest.raises(MissingWeights, match=rf"{other} holds what owner/model has in its folder parts: name it so, .* {other.parent}$"):
        locate(repository, local=other)
    (other / "model.safetensors.index.json").unlink()
    with pytest.raises(MissingWeights, match="is no copy of owner/model: it lacks parts"):
        locate(repository, local=other)
    (tmp_path / "parts").mkdir()
    with pytest.raises(MissingWeights, match="is no copy of owner/model: it lacks parts"):
        locate(repository, local=tmp_path / "parts")


def test_a_truncated_shard_is_named(tmp_path: Path) -> None:
    folder = fill(tmp_path / "mine")
    shard = folder / "part" / "model.safetensors"
    shard.write_bytes(shard.read_bytes()[:-5])
    with pytest.raises(DamagedWeights, match=r"part/model.safetensors has \d+ bytes, its header says \d+: fetch or copy"):
        locate(TOY, local=folder)


@pytest.mark.parametrize("name", ["junk.pt", "junk.pth", "junk.ckpt"])
def test_what_is_no_pickle_is_named_before_it_is_loaded(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("<html>")
    with pytest.raises(DamagedWeights, match=rf"{name} is no weight file or is cut short: fetch or copy it again"):
        locate(Repository("someone/toy", "main", (name,), 1, "MIT"), local=tmp_path)


def test_known_sizes_and_hashes_are_checked(tmp_path: Path) -> None:
    folder = fill(tmp_path / "mine")
    name = "part/model.safetensors"
    known = Repository("someone/toy", "main", (name,), 1, "MIT", sha256={name: sha256_of(folder / name)}, sizes={name: 7})
    with pytest.raises(DamagedWeights, match=r"has \d+ bytes instead of 7: fetch or copy"):
        locate(known, local=folder)
    sized = Repository("someone/toy", "main", (name,), 1, "MIT", sha256=known.sha256)
    assert locate(sized, local=folder) == folder
    save_file({"weight": torch.zeros(3, 4)}, folder / name)
    with pytest.raises(DamagedWeights, match="does not hash to the published SHA-256"):
        locate(sized, local=folder)
