"""Weight files that are published at an address of their own, outside the hub: kept beside the hub's cache, checked by their name.

Their names end in the first digits of their SHA-256, as PyTorch's and OpenMMLab's do.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.error import HTTPError, URLError

from harness.errors import DamagedWeights
from models.files import sha256_of


def folder_of(url: str) -> Path:
    """Where a file is kept: a folder of its own."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / "files" / _digits(url)


def name_of(url: str) -> str:
    """The file's name."""
    return url.rsplit("/", 1)[-1]


def cached(url: str) -> Path | None:
    """The folder that holds the file, None where it has not been fetched."""
    folder = folder_of(url)
    return folder if (folder / name_of(url)).is_file() else None


def check(url: str, folder: Path) -> None:
    """Read the file and compare it with the digits in its name. Raises DamagedWeights."""
    path = folder / name_of(url)
    if not sha256_of(path).startswith(_digits(url)):
        raise DamagedWeights(f"{path} does not hash to the digits in its name: fetch or copy it again")


def download(url: str) -> Path:
    """Fetch the file unless it is there, with progress; returns its folder.

    Raises:
        OSError: the address cannot be reached, or the disk is full.
        DamagedWeights: what arrived does not hash to the digits in the name.
    """
    from torch.hub import download_url_to_file

    folder = folder_of(url)
    path = folder / name_of(url)
    if path.is_file() and sha256_of(path).startswith(_digits(url)):
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    try:
        download_url_to_file(url, str(path), hash_prefix=_digits(url))
    except (HTTPError, URLError) as error:
        raise OSError(f"{url}: {getattr(error, 'reason', error)}") from error
    except RuntimeError as error:
        raise DamagedWeights(f"{url} does not hash to the digits in its name: fetch it again") from error
    return folder


def _digits(url: str) -> str:
    found = re.search(r"-([0-9a-f]{8,64})\.[a-z]+$", url)
    if found is None:
        raise ValueError(f"{url} does not end in digits of its SHA-256: give a file that does")
    return found[1]
