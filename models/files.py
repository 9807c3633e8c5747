"""Weight folders: a card.json beside the weights says what they are and what they must hash to."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness.errors import DamagedWeights

CARD_FILE = "card.json"
RESTORE = "reinstall vistas, or restore"


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def joint_sha256(hashes: Iterable[str]) -> str:
    """Return one hash over several, in the order given."""
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()


def checked_card(folder: Path) -> dict[str, Any]:
    """Read a folder's card and check every file it lists.

    Raises:
        DamagedWeights: the card or a file is missing, the card cannot be read or leaves weights out, or a file does not
            hash to what the card says.
    """
    path = folder / CARD_FILE
    if not path.is_file():
        raise DamagedWeights(f"{path} is missing: {RESTORE} the folder from the repository")
    try:
        card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        listed = dict(card["files"])
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedWeights(f"{path} is damaged: {RESTORE} the file from the repository") from error
    if not listed:
        raise DamagedWeights(
            f"{path} lists no files, so nothing can be checked: {RESTORE} the file from the repository"
        )
    unlisted = {found.relative_to(folder).as_posix() for found in folder.rglob("*.safetensors")} - set(listed)
    if unlisted:
        raise DamagedWeights(f"{path} does not list {min(unlisted)}: {RESTORE} the folder from the repository")
    for name, expected in listed.items():
        _check(folder / name, expected)
    return card


def _check(path: Path, expected: str) -> None:
    if not path.is_file():
        raise DamagedWeights(f"{path} is missing: {RESTORE} the file from the repository")
    found = sha256_of(path)
    if found != expected:
        raise DamagedWeights(
            f"{path} is damaged: expected SHA-256 {expected}, found {found}; {RESTORE} the file from the repository"
        )
