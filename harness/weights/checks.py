"""Whether files of published weights are whole, and those that were published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any

from harness.errors import DamagedWeights
from harness.weights import webfile
from harness.weights.repository import Repository
from models.configuration import check_size, read_config
from models.hashes import git_sha1_of, published_hash, sha256_of
from models.weight_files import check_whole


def check(folder: Path, repository: Repository) -> None:
    """Check what costs no full read: known sizes, and that no weight file is cut short. Raises DamagedWeights."""
    for path in files_below(folder, repository.wanted):
        name = path.relative_to(folder).as_posix()
        if asked(name, repository.wanted):
            check_file(path, repository.sizes.get(name), None)
            check_whole(path)


def check_telling(folder: Path, repository: Repository, name: str) -> None:
    """Compare what tells this network from another, as far as the folder says it. Raises WrongInput, DamagedWeights."""
    for file, told in repository.tells.items():
        config = read_config(folder, file)
        found = {key: value for key in told if (value := _at(config, key)) is not None}
        check_size(folder, name, file, found, told, tuple(told))


def _at(config: Any, key: str) -> Any:
    for part in key.split("."):
        config = config.get(part) if isinstance(config, Mapping) else None
    return config


def verify(folder: Path, repository: Repository) -> None:
    """Check known hashes, which reads the files whole. Raises DamagedWeights."""
    for name, digest in repository.sha256.items():
        check_file(folder / name, repository.sizes.get(name), digest)


def check_file(path: Path, size: int | None, sha256: str | None, git_sha1: str | None = None) -> None:
    """Compare a file with what is known of it. Raises DamagedWeights."""
    found = path.stat().st_size
    if size is not None and found != size:
        raise DamagedWeights(f"{path} has {found} bytes instead of {size}: fetch or copy it again")
    if sha256 is not None and sha256_of(path) != sha256:
        raise DamagedWeights(f"{path} does not hash to the published SHA-256 {sha256}: fetch or copy it again")
    if git_sha1 is not None and git_sha1_of(path) != git_sha1:
        raise DamagedWeights(f"{path} does not hash to the published git object {git_sha1}: fetch or copy it again")


def checked_whole(folder: Path, repository: Repository) -> tuple[int, int]:
    """Read every file and compare it with its published hash: the entry's, or the name that the hub's cache gives it.

    Returns how many were compared, and how many have no known hash. Raises DamagedWeights.
    """
    if repository.url:
        webfile.check(repository.url, folder)
        return 1, 0
    compared = unknown = 0
    for path in files_below(folder, repository.wanted):
        name = path.relative_to(folder).as_posix()
        if asked(name, repository.wanted):
            digest, small = repository.sha256.get(name) or published_hash(path, 64) or None, published_hash(path, 40) or None
            check_file(path, repository.sizes.get(name), digest, small)
            known = digest is not None or small is not None
            compared, unknown = compared + known, unknown + (not known)
    return compared, unknown


def places(folder: Path, wanted: Sequence[str]) -> list[Path]:
    """A copy of a repository, and which of its own folders are links there; links that may lead anywhere are not followed."""
    own = dict.fromkeys(str(place) for name in wanted for place in PurePosixPath(name).parents if place.name)
    return [folder, *(path for place in own for path in sorted(folder.glob(place)) if path.is_symlink() and path.is_dir())]


def files_below(folder: Path, wanted: Sequence[str]) -> list[Path]:
    """Every file of a copy of the repository that has these files."""
    return sorted({path for place in places(folder, wanted) for path in place.rglob("*") if path.is_file()})


def asked(name: str, files: Sequence[str]) -> bool:
    """Whether a file is one of these names, or fits one of these patterns."""
    return any(fnmatch(name, wanted) for wanted in files)
