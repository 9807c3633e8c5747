"""What weight files hash to, one by one and together."""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def git_sha1_of(path: Path) -> str:
    """Return the hash by which git names a file's content, as the hub names small files."""
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def weights_sha256(paths: Iterable[Path]) -> str:
    """Return one hash over weight files in the order given.

    The hub's cache names a large file by its published SHA-256, which `vistas fetch` checks: such a file is not read again.
    """
    return joint_sha256(published_hash(path, 64) or sha256_of(path) for path in paths)


def published_hash(path: Path, digits: int) -> str:
    """The hash by which the hub's cache names a file: SHA-256 has 64 digits, git's 40; "" where it has no such name."""
    target = path.resolve()
    return target.name if target.parent.name == "blobs" and re.fullmatch(f"[0-9a-f]{{{digits}}}", target.name) else ""


def joint_sha256(hashes: Iterable[str]) -> str:
    """Return one hash over several, in the order given."""
    return hashlib.sha256("\n".join(hashes).encode()).hexdigest()
