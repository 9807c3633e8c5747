"""The card.json of a folder of weights that comes with the package: it lists every file with its hash."""

import json
from pathlib import Path
from typing import Any

from harness.errors import DamagedWeights
from models.hashes import sha256_of

CARD_FILE = "card.json"
RESTORE = "reinstall vistas, or restore"


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
