"""Files outside the hub are fetched once, checked by the digits in their name, and found again."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch

from harness.errors import DamagedWeights
from harness.weights import webfile
from harness.weights.absent import MissingWeights
from harness.weights.checks import checked_whole
from harness.weights.download import fetch
from harness.weights.hub import locate, present
from harness.weights.repository import Repository
from harness.weights.webfile import cached, download, folder_of
from models.hashes import sha256_of


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a network that may be used."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    return tmp_path / "cache"


def published(folder: Path, digits: str = "") -> Repository:
    """A file at an address of its own."""
    made = folder / "made.pth"
    torch.save({"state_dict": {"weight": torch.arange(3.0)}}, made)
    path = made.rename(folder / f"net-{digits or sha256_of(made)[:8]}.pth")
    return Repository("someone/net", "", (path.name,), path.stat().st_size, "MIT", url=path.as_uri())


def test_a_file_is_fetched_once_and_found_again(tmp_path: Path) -> None:
    repository = published(tmp_path)
    assert not present(repository)
    with pytest.raises(MissingWeights, match=r"net-\w+.pth of someone/net is not on this machine .*`vistas fetch net`"):
        locate(repository, name="net")
    folder = fetch(repository)
    assert folder == folder_of(repository.url)
    assert present(repository)
    assert locate(repository) == folder
    (tmp_path / repository.files[0]).unlink()
    assert fetch(repository) == folder
    assert locate(repository, local=folder / repository.files[0]) == folder
    assert checked_whole(folder, repository) == (1, 0)
    (folder / repository.files[0]).write_bytes(b"another")
    with pytest.raises(DamagedWeights, match="does not hash to the digits in its name"):
        checked_whole(folder, repository)


def test_another_file_under_the_name_is_refused_and_not_kept(tmp_path: Path) -> None:
    repository = published(tmp_path, "01234567")
    with pytest.raises(DamagedWeights, match="does not hash to the digits in its name"):
        fetch(repository)
    assert not present(repository)


def test_an_address_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = published(tmp_path)
    (tmp_path / repository.files[0]).unlink()
    with pytest.raises(MissingWeights, match=r"someone/net .* cannot be fetched, file:///.*\.pth is not reached \(.*No such file"):
        fetch(repository)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(MissingWeights, match="HF_HUB_OFFLINE is set: unset it"):
        fetch(repository)


def test_an_address_without_digits_is_no_address_of_weights() -> None:
    with pytest.raises(ValueError, match=r"net.pth does not end in digits of its SHA-256: give a file that does"):
        Repository("someone/net", "", ("net.pth",), 1, "MIT", url="https://someone/net.pth")


def test_what_is_damaged_in_the_cache_is_fetched_again(tmp_path: Path) -> None:
    repository = published(tmp_path)
    path = fetch(repository) / repository.files[0]
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert (fetch(repository) / repository.files[0]).read_bytes() == whole
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_two_that_fetch_at_once_do_not_disturb_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where they have one process id, as in two containers that share a disk."""
    repository, stream, begun = published(tmp_path), webfile._stream, []

    def first(*asked: Any) -> str:
        digest = stream(*asked)
        if not begun:
            begun.append(1)
            fetch(repository)  # the second begins before the first has ended, and ends
        return digest

    monkeypatch.setattr(webfile, "_stream", first)
    folder = fetch(repository)
    assert checked_whole(folder, repository) == (1, 0)
    assert [one.name for one in folder.iterdir()] == [*repository.files]


def test_an_answer_that_breaks_off_is_not_kept() -> None:
    class Short(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "10")
            self.end_headers()
            self.wfile.write(b"short")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Short)
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}/prompts.json"
    try:
        with pytest.raises(OSError, match="5 of 10 bytes arrived"):
            download(address)
    finally:
        server.shutdown()
        server.server_close()
    assert cached(address) is None
    assert not list(folder_of(address).iterdir())
