"""What is fetched is what is asked for, checked as it comes, and never fetched unasked."""

from __future__ import annotations

import hashlib
import shutil
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hub_server import TORN, serve
from toy_repository import TOY, fill_cache

from harness.errors import DamagedWeights, WrongInput
from harness.registry import entry
from harness.weights.absent import AbsentWeights, MissingWeights
from harness.weights.download import fetch
from harness.weights.fetching import check_all, described, fetch_all
from harness.weights.hub import locate, present
from harness.weights.local import LocalWeights
from harness.weights.repository import Repository
from models.hashes import weights_sha256


def test_offline_fetches_nothing(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(MissingWeights, match="someone/toy cannot be fetched while HF_HUB_OFFLINE is set: unset it"):
        fetch(TOY)


PUBLISHED = {
    "someone/toy": {"config.json": b"{}", "part/a.bin": b"abc", "part/b.bin": b"not asked for"},
    "some-one/moved": {"config.json": b"{}", "part/a.bin": b"abc", "part/b.bin": b"not asked for"},
    "someone/twins": {"config.json": b"{}", "a.bin": b"abc", "same.bin": b"abc"},
    "someone/torn": {"a.bin": TORN},
    "someone/torn-text": {"a.json": TORN},
}


@pytest.fixture
def hub(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A hub that can be reached."""
    with serve(PUBLISHED, gated=("someone/gated",)) as address:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        template = address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield


def asked(repo: str, *files: str) -> Repository:
    return Repository(repo, "main", files, 5, "MIT", gated=True)


@pytest.mark.usefixtures("hub")
def test_what_is_fetched_is_what_is_asked_for_and_can_be_located() -> None:
    wanted = asked("someone/toy", "config.json", "part/a*")
    folder = fetch(wanted)
    assert (folder / "part" / "a.bin").read_bytes() == b"abc"
    assert not (folder / "part" / "b.bin").exists()
    assert locate(wanted) == folder
    read = hashlib.sha256(hashlib.sha256(b"abc").hexdigest().encode()).hexdigest()
    assert weights_sha256([folder / "part" / "a.bin"]) == read


@pytest.mark.usefixtures("hub")
def test_a_wrong_hash_is_refused_and_not_kept(cache: Path) -> None:
    with pytest.raises(DamagedWeights, match=r"a.bin does not hash to the published SHA-256"):
        fetch(asked("someone/torn", "*"))
    assert not present(asked("someone/torn", "*"))
    assert not [path for path in (cache / "models--someone--torn" / "blobs").iterdir() if path.is_file()]


@pytest.mark.usefixtures("hub")
def test_a_file_that_is_damaged_in_the_cache_is_fetched_again() -> None:
    wanted = asked("someone/twins", "*")
    folder = fetch(wanted)
    for name, data in (("config.json", b"{]"), ("a.bin", b"a")):
        good = (folder / name).read_bytes()
        (folder / name).resolve().write_bytes(data)
        assert fetch(wanted) == folder
        assert (folder / name).read_bytes() == good
    assert (folder / "same.bin").read_bytes() == good


def test_what_the_cache_has_under_a_former_name_is_not_fetched_again(hub: None, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fetch(asked("someone/toy", "config.json", "part/a*"))
    moved = replace(asked("some-one/moved", "config.json", "part/a*"), formerly="someone/toy")
    monkeypatch.setattr("harness.weights.fetching.published", lambda: {"toy": {"weights": moved}})
    said = "toy weights: here already under its former name someone/toy, checked, in"
    assert list(fetch_all(["toy"]))[-1] == f"{said} {before}"
    assert not (cache / "models--some-one--moved" / "snapshots").exists(), "nothing is downloaded"
    assert locate(moved) == before
    (before / "part" / "a.bin").resolve().write_bytes(b"ab")
    *_, last = fetch_all(["toy"])
    assert last == f"toy weights: checked, in {locate(moved)}", "damaged there, it is fetched"
    assert "models--some-one--moved" in last
    assert fetch(moved) == locate(moved)


@pytest.mark.usefixtures("hub")
def test_small_files_are_checked_by_the_hash_that_git_has_for_them() -> None:
    with pytest.raises(DamagedWeights, match=r"a.json does not hash to the published git object [0-9a-f]{40}: fetch"):
        fetch(asked("someone/torn-text", "*"))
    assert not present(asked("someone/torn-text", "*"))


@pytest.mark.usefixtures("hub")
def test_what_is_here_can_be_compared_again_without_the_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wanted = asked("someone/toy", "config.json", "part/a*")
    monkeypatch.setattr("harness.weights.fetching.published", lambda: {"toy": {"weights": wanted}})
    with pytest.raises(AbsentWeights, match="`vistas fetch toy`"):
        list(check_all(["toy"], LocalWeights()))
    folder = fetch(wanted)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert list(check_all(["toy"], LocalWeights())) == [f"toy weights: 2 files as published, in {folder}"]
    shutil.copytree(folder, tmp_path / "copy")
    local = LocalWeights({("toy", ""): tmp_path / "copy"})
    said = "none of 2 files could be compared: no hash is known"
    assert list(check_all(["toy"], local)) == [f"toy weights: {said}, in {tmp_path / 'copy'}"]
    for name, what in (("config.json", "published git object"), ("part/a.bin", "published SHA-256")):
        blob = (folder / name).resolve()
        good = blob.read_bytes()
        blob.write_bytes(good[::-1])
        with pytest.raises(DamagedWeights, match=f"{name} does not hash to the {what}"):
            list(check_all(["toy"], LocalWeights()))
        blob.write_bytes(good)
    with pytest.raises(WrongInput, match="unknown published model, verifier or grader 'toi'; did you mean toy"):
        list(check_all(["toi"], LocalWeights()))


@pytest.mark.usefixtures("hub")
def test_a_check_reads_what_is_here_and_then_names_all_that_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {name: {"weights": asked(f"someone/{name}", "config.json", "part/a*")} for name in ("first", "toy", "last")}
    monkeypatch.setattr("harness.weights.fetching.published", lambda: known)
    folder = fetch(known["toy"]["weights"])
    lines = check_all(list(known), LocalWeights())
    assert next(lines) == f"toy weights: 2 files as published, in {folder}"
    with pytest.raises(AbsentWeights, match=r"someone/first .*someone/last .*`vistas fetch first last`"):
        next(lines)


def test_a_cached_file_of_another_size_than_the_entrys_is_named(cache: Path, tmp_path: Path) -> None:
    one = Repository("someone/toy", "main", ("config.json",), 2, "MIT")
    folder = fill_cache(cache)
    assert locate(one) == folder
    (folder / "config.json").write_text("{ }")
    with pytest.raises(DamagedWeights, match=r"config.json has 3 bytes instead of 2: fetch or copy it again"):
        locate(one)
    assert locate(one, local=folder) == folder  # somebody's own weights
    assert locate(replace(one, approximate=True)) == folder
    assert locate(replace(one, files=("*.json",))) == folder


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(
    ("repository", "message"),
    [
        (asked("someone/gated", "*"), "someone/gated is gated (licence MIT): accept its terms at "),
        (asked("someone/none", "*"), "someone/none is not on the hub, or is private: log in with `hf auth login`"),
        (asked("someone/toy", "x.bin"), "someone/toy at main has no x.bin: its files have been renamed; correct the entry"),
    ],
)
def test_what_the_hub_refuses_is_one_line(repository: Repository, message: str) -> None:
    with pytest.raises(MissingWeights) as error:
        fetch(repository)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.usefixtures("hub")
def test_no_network_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(MissingWeights, match=r"someone/toy \(0.0 MB\) cannot be fetched, the hub is not reached \(.*check the"):
        fetch(asked("someone/toy", "*"))


@pytest.mark.usefixtures("hub")
def test_a_small_disk_is_refused_before_anything_is_fetched(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(2, 1, 1))
    with pytest.raises(WrongInput, match=r"someone/toy needs 0.0 MB more and .* has 0.0 MB free: make room, or set HF_HOME"):
        fetch(asked("someone/toy", "config.json"))
    assert not cache.exists()


def test_what_the_network_says_is_said_without_its_numbers(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: object, **__: object) -> None:
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", lost)
    with pytest.raises(MissingWeights, match=r"is not reached \(Name or service not known\): check the .* to `vistas run` with"):
        fetch(TOY)


def test_a_fetch_says_first_how_much_all_of_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.weights.fetching.fetch", lambda repository: Path("there"))
    lines = list(fetch_all(["infinity-2b"]))
    assert lines[0] == "infinity-2b: 21.8 GB in all: weights, vae, text_encoder"
    assert lines[1].startswith("infinity-2b weights: FoundationVision/Infinity, 8.8 GB")
    assert "; download 21.8 GB, weights not here" in described(entry("model", "infinity-2b"))
