"""Files of published weights: found in a local folder or the hub's cache, and checked; nothing is downloaded here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from harness.errors import DamagedWeights, WrongInput
from harness.weights import webfile
from models.weight_files import check_whole, git_sha1_of, published_hash, sha256_of

GIGA = 1_000_000_000
ABSENT = "is not on this machine"
"""What is said of every file that is not here, in errors and in the reasons of images that could not be graded."""


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
    taken for the only file of the repository, and the folder that all of its files lie in, under its name, for the repository.

    Raises:
        MissingWeights: files are not there, AbsentWeights where the cache lacks them.
        DamagedWeights: a file is cut short or is not the one published.
    """
    if local is None:
        folder = _cached(repository, name, role)
        for file, size in _exact_size(repository).items():  # a folder given by hand may hold other weights of the same kind
            check_file(folder / file, size, None)
    else:
        folder = given_folder(local, repository)
        _check_readable(folder)
        lacking = missing(folder, repository.files)
        if lacking and (inner := _inner(folder, repository)):
            if folder.absolute().name != inner:
                raise MissingWeights(f"{folder} holds what {repository.repo} has in its folder {inner}: name it so, and give the folder "
                                     f"above it, {folder.absolute().parent}")  # fmt: skip
            folder, lacking = folder.absolute().parent, []
        if lacking:
            how = f" with --weights {name}.{role}=PATH" if role else ""
            raise MissingWeights(
                f"{folder} is no copy of {repository.repo}: it lacks {some(lacking)}; give a folder that mirrors the "
                f"repository{how}"
            )
    check(folder, repository)
    if local is not None:
        verify(folder, repository)  # what is in the cache was verified as it came
    return folder


def _inner(folder: Path, repository: Repository) -> str:
    """The folder of the repository that all of its files lie in, where `folder` is a copy of that one; else ""."""
    first, *others = dict.fromkeys(name.rpartition("/")[0] for name in repository.files)
    lacking = missing(folder, [name.removeprefix(f"{first}/") for name in repository.files])
    if others or not first or "/" in first or lacking:
        return ""
    # A pattern such as X/* fits any file: a folder of another name has to say by an index that it holds weights in parts.
    return first if folder.absolute().name == first or any(folder.glob("*.index.json")) else ""


def present(repository: Repository) -> bool:
    """Whether the cache holds every file; none is opened."""
    try:
        _cached(repository, "", "")
    except MissingWeights:
        return False
    return True


def files_of(repository: Repository, local: Path | None) -> list[Path]:
    """The files of a repository that are on this machine, none where the cache lacks any; in `local` whatever is there."""
    try:
        folder = local.expanduser() if local is not None else _cached(repository, "", "")
    except MissingWeights:
        return []
    return [folder] if folder.is_file() else sorted(folder.rglob("*"))


def missing(folder: Path, files: Sequence[str]) -> list[str]:
    """Names and patterns that no file of the folder answers."""
    found = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return [wanted for wanted in files if not any(fnmatch(name, wanted) for name in found)]


def check(folder: Path, repository: Repository) -> None:
    """Check what costs no full read: known sizes, and that no weight file is cut short. Raises DamagedWeights."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and asked(name, repository.wanted):
            check_file(path, repository.sizes.get(name), None)
            check_whole(path)


def _exact_size(repository: Repository) -> dict[str, int]:
    """The size of a repository's only file, where the entry knows it to the byte."""
    single = len(repository.wanted) == 1 and not set("*?[") & set(repository.files[0]) and not repository.url
    return {repository.files[0]: repository.bytes} if single and not repository.approximate else {}


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
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        if asked(name, repository.wanted):
            digest, small = repository.sha256.get(name) or published_hash(path, 64) or None, published_hash(path, 40) or None
            check_file(path, repository.sizes.get(name), digest, small)
            known = digest is not None or small is not None
            compared, unknown = compared + known, unknown + (not known)
    return compared, unknown


def _cached(repository: Repository, name: str, role: str) -> Path:
    def absent(what: str) -> AbsentWeights:
        return AbsentWeights([Absent(what, repository, name or repository.repo, role)])

    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    if repository.url:
        kept = webfile.cached(repository.url)
        if kept is None:
            raise absent(f"{webfile.name_of(repository.url)} of {repository.repo} {ABSENT}")
        return kept
    try:
        folder = Path(snapshot_download(
            repository.repo, revision=repository.revision, allow_patterns=repository.wanted, local_files_only=True
        ))  # fmt: skip
    except LocalEntryNotFoundError as error:
        raise absent(f"{repository.repo} {ABSENT}{_elsewhere(repository)}") from error
    lacking = missing(folder, repository.files)
    if lacking:
        raise absent(f"{repository.repo} lacks {some(lacking)}{_elsewhere(repository)}")
    return folder


def _elsewhere(repository: Repository) -> str:
    """That the cache holds another revision whole, and where; "" where it does not."""
    from huggingface_hub import constants

    snapshots = Path(constants.HF_HUB_CACHE) / f"models--{repository.repo.replace('/', '--')}" / "snapshots"
    found = next((one for one in sorted(snapshots.glob("*")) if not missing(one, repository.files)), None)
    return f" at {repository.revision}, another revision is at {found}" if found is not None else ""


def _check_readable(folder: Path) -> None:
    """Refuse a folder of which nothing would be found. Raises MissingWeights."""

    def refuse(error: OSError) -> None:
        raise MissingWeights(f"{error.filename} cannot be read ({error.strerror}): allow reading it, or give another folder") from error

    for _ in os.walk(folder, onerror=refuse):
        pass


def _terms(repository: Repository) -> str:
    gate = f", gated: accept the terms at {repository.address} and log in" if repository.gated else ""
    return f"{repository.size}, licence {repository.licence}{gate}"


def given_folder(local: Path, repository: Repository) -> Path:
    """The folder that a path given by hand names: itself, or that of the only file. Raises MissingWeights where nothing is there."""
    path = local.expanduser()
    if path.is_dir():
        return path
    if path.is_file() and len(repository.files) == 1 and fnmatch(path.name, Path(repository.files[0]).name):
        return path.parent
    rule = "the folder that mirrors the repository" if path.is_file() else "a folder that is there"
    if path.is_file() and len(repository.files) == 1:
        rule = f"a file of its published name, {Path(repository.files[0]).name}, or {rule}"
    raise MissingWeights(f"weights {local} of {repository.repo}: give {rule}")


def asked(name: str, files: Sequence[str]) -> bool:
    """Whether a file is one of these names, or fits one of these patterns."""
    return any(fnmatch(name, wanted) for wanted in files)


def some(names: Sequence[str]) -> str:
    """The first of them for people."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
