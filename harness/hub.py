"""Files of published weights: found in a local folder or the hub's cache, fetched only when asked, checked either way."""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from harness import webfile
from harness.errors import DamagedWeights, WrongInput
from models.files import check_whole, sha256_of

GIGA = 1_000_000_000


class MissingWeights(WrongInput):
    """Raised for weights that are not on this machine: one line with what, how large, under which terms, and the command."""


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
    url: str = ""
    """The address of the only file where it is not on the hub; its name ends in digits of its SHA-256 (harness/webfile.py)."""

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


@dataclass(frozen=True)
class Absent:
    """A repository that the hub's cache lacks, or lacks files of."""

    what: str
    """What is said of it."""
    repository: Repository = field(hash=False)
    name: str
    """What `vistas fetch` calls it."""
    role: str
    """Its place in what has that name, "" where it has only one."""

    @property
    def key(self) -> str:
        """What --weights calls it."""
        return f"{self.name}.{self.role}" if self.role else self.name

    @property
    def said(self) -> str:
        """What is said of it, how large it is, and under which terms it is had."""
        return f"{self.what} ({_terms(self.repository)})"


class AbsentWeights(MissingWeights):
    """Raised for weights that the hub's cache lacks: one line for all of them, and for `spare` ones that only grade."""

    def __init__(self, absent: Iterable[Absent], spare: Iterable[Absent] = ()) -> None:
        self.absent, spare = tuple(dict.fromkeys(absent)), tuple(dict.fromkeys(spare))
        every, first = (*self.absent, *spare), f"--weights {self.absent[0].key}=PATH"
        names = " ".join(dict.fromkeys(one.name for one in every))
        if len(every) == 1:
            super().__init__(f"{every[0].said}: get it with `vistas fetch {names}`, or give a local folder with {first}")
            return
        keys: dict[str, list[str]] = {}
        for one in every:  # of one repository in several places once
            keys.setdefault(one.said, []).append(one.key)
        said = "; ".join(f"{' and '.join(places)}: {what}" for what, places in keys.items())
        graders = ", ".join(dict.fromkeys(one.name for one in spare))
        without = f" ({graders}: for the suite's own grades alone)" if graders else ""
        super().__init__(
            f"{said}: get them with `vistas fetch {names}`{without}, or give local folders with {first} and so on, by these names"
        )


def gigabytes(count: int) -> str:
    """A number of bytes for people, such as 8.8 GB; small ones in MB."""
    return f"{count / GIGA:.1f} GB" if count >= GIGA / 10 else f"{count / 1e6:.1f} MB"


def locate(repository: Repository, *, local: Path | None = None, name: str = "", role: str = "") -> Path:
    """The local folder that mirrors the repository: `local` where given, else the hub's cache; nothing is downloaded.

    `name` is what `vistas fetch` calls it, `role` its place there where that has several. A file in place of a folder is
    taken for the only file of the repository.

    Raises:
        MissingWeights: files are not there, AbsentWeights where the cache lacks them.
        DamagedWeights: a file is cut short or is not the one published.
    """
    if local is None:
        folder = _cached(repository, name, role)
    else:
        folder = _folder(local, repository)
        lacking = missing(folder, repository.files)
        if lacking:
            how = f" with --weights {name}.{role}=PATH" if role else ""
            raise MissingWeights(
                f"{folder} is no copy of {repository.repo}: it lacks {_some(lacking)}; give a folder that mirrors the "
                f"repository{how}"
            )
    check(folder, repository)
    if local is not None:
        verify(folder, repository)  # what is in the cache was verified as it came
    return folder


def fetch(repository: Repository) -> Path:
    """Download what the cache lacks, with progress, and check sizes and hashes; returns the local folder.

    Raises:
        MissingWeights: the hub cannot be reached, asks for terms to be accepted, or has no such repository.
        DamagedWeights: what arrived is not what is published.
        WrongInput: the disk is too small.
    """
    from huggingface_hub import HfApi, constants, errors, snapshot_download

    if repository.url:
        with _translated(repository):
            if constants.HF_HUB_OFFLINE:
                raise errors.OfflineModeIsEnabled
            return webfile.download(repository.url)
    with _translated(repository):
        info = HfApi().model_info(repository.repo, revision=repository.revision, files_metadata=True)
        published = [file for file in info.siblings or () if _asked(file.rfilename, repository.wanted)]
        lacking = [wanted for wanted in repository.files if not any(_asked(one.rfilename, [wanted]) for one in published)]
        if lacking:
            raise MissingWeights(f"{repository.repo} at {repository.revision} has no {_some(lacking)}: its files have been "
                                 "renamed; correct the entry, or give a local folder with --weights NAME=PATH")
        _check_space(sum(file.size or 0 for file in published), repository)
        folder = Path(snapshot_download(
            repository.repo, revision=repository.revision, allow_patterns=repository.wanted
        ))  # fmt: skip
    for file in published:
        digest = file.lfs.sha256 if file.lfs is not None else None
        _check_fetched(folder / file.rfilename, file.size, repository.sha256.get(file.rfilename, digest))
    check(folder, repository)
    return folder


def _check_fetched(path: Path, size: int | None, sha256: str | None) -> None:
    try:
        _check_file(path, size, sha256)
    except DamagedWeights:
        for file in (path.resolve(), path):  # the cache would take it for what it is named after
            file.unlink(missing_ok=True)
        raise


def present(repository: Repository) -> bool:
    """Whether the cache holds every file; none is opened."""
    try:
        _cached(repository, "", "")
    except MissingWeights:
        return False
    return True


def missing(folder: Path, files: Sequence[str]) -> list[str]:
    """Names and patterns that no file of the folder answers."""
    found = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return [wanted for wanted in files if not any(fnmatch(name, wanted) for name in found)]


def check(folder: Path, repository: Repository) -> None:
    """Check what costs no full read: known sizes, and that no weight file is cut short. Raises DamagedWeights."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and _asked(name, repository.wanted):
            _check_file(path, repository.sizes.get(name), None)
            check_whole(path)


def verify(folder: Path, repository: Repository) -> None:
    """Check known hashes, which reads the files whole. Raises DamagedWeights."""
    for name, digest in repository.sha256.items():
        _check_file(folder / name, repository.sizes.get(name), digest)


def _check_file(path: Path, size: int | None, sha256: str | None) -> None:
    found = path.stat().st_size
    if size is not None and found != size:
        raise DamagedWeights(f"{path} has {found} bytes instead of {size}: fetch or copy it again")
    if sha256 is not None and sha256_of(path) != sha256:
        raise DamagedWeights(f"{path} does not hash to the published SHA-256 {sha256}: fetch or copy it again")


def _cached(repository: Repository, name: str, role: str) -> Path:
    def absent(what: str) -> AbsentWeights:
        return AbsentWeights([Absent(what, repository, name or repository.repo, role)])

    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    if repository.url:
        kept = webfile.cached(repository.url)
        if kept is None:
            raise absent(f"{webfile.name_of(repository.url)} of {repository.repo} is not on this machine")
        return kept
    try:
        folder = Path(snapshot_download(
            repository.repo, revision=repository.revision, allow_patterns=repository.wanted, local_files_only=True
        ))  # fmt: skip
    except LocalEntryNotFoundError as error:
        raise absent(f"{repository.repo} is not on this machine") from error
    lacking = missing(folder, repository.files)
    if lacking:
        raise absent(f"{repository.repo} lacks {_some(lacking)}")
    return folder


def _terms(repository: Repository) -> str:
    gate = f", gated: accept the terms at {repository.address} and log in" if repository.gated else ""
    return f"{repository.size}, licence {repository.licence}{gate}"


def _folder(local: Path, repository: Repository) -> Path:
    path = local.expanduser()
    if path.is_dir():
        return path
    if path.is_file() and len(repository.files) == 1 and fnmatch(path.name, Path(repository.files[0]).name):
        return path.parent
    rule = "the folder that mirrors the repository" if path.is_file() else "a folder that is there"
    raise MissingWeights(f"weights {local} of {repository.repo}: give {rule}")


def _asked(name: str, files: Sequence[str]) -> bool:
    return any(fnmatch(name, wanted) for wanted in files)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _check_space(size: int, repository: Repository) -> None:
    from huggingface_hub import constants

    cache = Path(constants.HF_HUB_CACHE)
    there = next(folder for folder in (cache, *cache.parents) if folder.exists())
    free, needed = shutil.disk_usage(there).free, size - present_bytes(cache, repository)
    if needed > free:
        raise WrongInput(f"{repository.repo} needs {gigabytes(needed)} more and {there} has {gigabytes(free)} free: "
                         "make room, or set HF_HOME to a larger disk")


def present_bytes(cache: Path, repository: Repository) -> int:
    """Bytes of this repository that the cache holds already, of any revision."""
    blobs = cache / f"models--{repository.repo.replace('/', '--')}" / "blobs"
    return sum(path.stat().st_size for path in blobs.glob("*") if path.is_file()) if blobs.is_dir() else 0


@contextmanager
def _translated(repository: Repository) -> Iterator[None]:
    """Turn what the hub's client raises into one line each."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise MissingWeights(f"{repository.repo} is gated (licence {repository.licence}): accept its terms at "
                             f"{repository.address}, then log in with `hf auth login` or HF_TOKEN") from error
    except errors.RevisionNotFoundError as error:
        raise MissingWeights(f"{repository.repo} has no revision {repository.revision}: correct the entry, or give a local "
                             "folder with --weights NAME=PATH") from error
    except errors.RepositoryNotFoundError as error:
        raise MissingWeights(f"{repository.repo} is not on the hub, or is private: log in with `hf auth login`, or give a "
                             "local folder with --weights NAME=PATH") from error
    except errors.OfflineModeIsEnabled as error:
        raise MissingWeights(f"{repository.repo} cannot be fetched while HF_HUB_OFFLINE is set: unset it") from error
    except errors.HfHubHTTPError as error:
        raise MissingWeights(f"{repository.repo} cannot be fetched ({_first_line(error)}): try again later") from error
    except DamagedWeights:
        raise
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise WrongInput(f"no space left on disk for {repository.repo} ({repository.size}): make room, or set HF_HOME to "
                             "a larger disk; the same command goes on where it stopped") from error
        raise _unreachable(repository, error) from error
    except Exception as error:
        if not type(error).__module__.startswith(("httpx", "httpcore")):
            raise
        raise _unreachable(repository, error) from error


def _unreachable(repository: Repository, error: BaseException) -> MissingWeights:
    return MissingWeights(
        f"{repository.repo} ({repository.size}) cannot be fetched, the hub is not reached ({_first_line(error)}): check the "
        "network, or give a local folder with --weights NAME=PATH"
    )


def _first_line(error: Any) -> str:
    lines = str(error).strip().splitlines()
    return re.sub(r"\[Errno -?\d+\] ?", "", lines[0]).rstrip(".") if lines else type(error).__name__
