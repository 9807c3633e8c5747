"""What is known of some published weights: where they are on the hub, their files, sizes, hashes and licence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.weights import webfile

GIGA = 1_000_000_000


@dataclass(frozen=True)
class Repository:
    """Some files of one repository on the hub."""

    repo: str
    """owner/name."""
    revision: str
    """A commit, tag or branch; a branch moves."""
    files: tuple[str, ...]
    """Names or patterns; every one has at least one file."""
    bytes: int
    """Size of all of them."""
    licence: str
    gated: bool = False
    """Whether the hub asks for terms to be accepted first."""
    sha256: Mapping[str, str] = field(default_factory=dict)
    """Hashes of files where known."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Bytes of single files where known."""
    approximate: bool = False
    """Whether `bytes` is not exact."""
    optional: tuple[str, ...] = ()
    """Names or patterns that are taken where there are any."""
    tells: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """JSON file to what of it tells this from another network of its kind: key, with dots between levels, to value."""
    formerly: str = ""
    """Its name on the hub before it moved: the hub's client keeps files under the name that they were asked for by."""
    url: str = ""
    """The address of the only file where it is not on the hub; its name ends in digits of its SHA-256 (harness/weights/webfile.py)."""

    def __post_init__(self) -> None:
        """Raise ValueError for an address whose file could not be checked by its name."""
        if self.url and not webfile.digits_of(self.url):
            raise ValueError(f"{self.url} does not end in digits of its SHA-256: give a file that does")

    @property
    def wanted(self) -> list[str]:
        """Everything to take: `files` and what is optional."""
        return [*self.files, *self.optional]

    @property
    def address(self) -> str:
        """Where a person reads about it and accepts its terms."""
        from huggingface_hub import constants

        return self.url or f"{constants.ENDPOINT}/{self.repo}"

    @property
    def size(self) -> str:
        """`bytes` for people."""
        return f"{'about ' if self.approximate else ''}{gigabytes(self.bytes)}"


def gigabytes(count: int) -> str:
    """A number of bytes for people, such as 8.8 GB; small ones in MB."""
    return f"{count / GIGA:.1f} GB" if count >= GIGA / 10 else f"{count / 1e6:.1f} MB"
