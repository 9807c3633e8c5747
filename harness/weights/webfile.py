"""Files that are published at an address of their own, outside the hub: kept in a folder of the hub's cache.

Names of weight files end in the first digits of their SHA-256, as PyTorch's and OpenMMLab's do, and are checked by them. What
has no such name is taken as it comes: its address has to name a commit.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from harness.errors import DamagedWeights
from models.hashes import sha256_of

SECONDS = 10.0
"""How long is waited for an answer, and for more of it."""
CHUNK_BYTES = 1 << 20


def digits_of(url: str) -> str:
    """The digits of its SHA-256 in the file's name, "" where it has none."""
    found = re.search(r"-([0-9a-f]{8,64})\.[a-z]+$", url)
    return found[1] if found else ""


def name_of(url: str) -> str:
    """The file's name."""
    return url.rsplit("/", 1)[-1]


def folder_of(url: str) -> Path:
    """Where a file is kept: a folder of its own."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / "files" / (digits_of(url) or hashlib.sha256(url.encode()).hexdigest()[:16])


def cached(url: str) -> Path | None:
    """The folder that holds the file, None where it has not been fetched."""
    folder = folder_of(url)
    return folder if (folder / name_of(url)).is_file() else None


def check(url: str, folder: Path) -> None:
    """Read the file and compare it with the digits in its name. Raises DamagedWeights."""
    path = folder / name_of(url)
    if not sha256_of(path).startswith(digits_of(url)):
        raise DamagedWeights(f"{path} does not hash to the digits in its name: fetch or copy it again")


def download(url: str, progress: bool = False) -> Path:
    """Fetch the file unless it is there and whole; returns its path.

    Raises:
        OSError: the address cannot be reached or breaks off, HF_HUB_OFFLINE is set, or the disk is full.
        DamagedWeights: what arrived does not hash to the digits in the name; it is not kept.
    """
    from huggingface_hub import constants, errors

    path = folder_of(url) / name_of(url)
    if path.is_file() and (not digits_of(url) or sha256_of(path).startswith(digits_of(url))):
        return path
    if constants.HF_HUB_OFFLINE:
        raise errors.OfflineModeIsEnabled("HF_HUB_OFFLINE is set")
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two containers that share a disk may fetch at once, under the same process id.
    partial = path.with_name(f"{path.name}.{secrets.token_hex(8)}.partial")
    try:
        if not _stream(url, partial, progress).startswith(digits_of(url)):
            raise DamagedWeights(f"{url} does not hash to the digits in its name: fetch it again")
        partial.replace(path)
    except URLError as error:
        raise OSError(str(error.reason)) from error
    finally:
        partial.unlink(missing_ok=True)
    return path


def _stream(url: str, path: Path, progress: bool) -> str:
    """Write what the address answers; returns its SHA-256."""
    from tqdm import tqdm

    digest = hashlib.sha256()
    with urlopen(Request(url, headers={"User-Agent": "vistas"}), timeout=SECONDS) as answer, open(path, "wb") as file:
        length = answer.headers["Content-Length"]
        total = int(length) if length else None
        with tqdm(total=total, disable=not progress, desc=name_of(url), unit="B", unit_scale=True, unit_divisor=1024) as bar:
            while data := answer.read(CHUNK_BYTES):
                file.write(data)
                digest.update(data)
                bar.update(len(data))
        if total is not None and file.tell() != total:
            raise OSError(f"{file.tell()} of {total} bytes arrived")
    return digest.hexdigest()
