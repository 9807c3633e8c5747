"""Files of published weights: found in a local folder or the hub's cache; nothing is downloaded here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from harness.errors import DamagedWeights
from harness.weights import webfile
from harness.weights.absent import Absent, AbsentWeights, MissingWeights
from harness.weights.checks import asked, check, check_file, files_below, places, verify
from harness.weights.repository import Repository
from models.weight_files import shard_of_each

_ABSENT = "is not on this machine"


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
        how = f" with --weights {name}.{role}=PATH" if role else ""
        folder = given_folder(local, repository, how)
        _check_readable(folder, repository)
        lacking = missing(folder, repository.files)
        if lacking and (inner := _inner(folder, repository)):
            if folder.absolute().name != inner:
                raise MissingWeights(f"{folder} holds what {repository.repo} has in its folder {inner}: name it so, and give the folder "
                                     f"above it, {folder.absolute().parent}")  # fmt: skip
            folder, lacking = folder.absolute().parent, []
        if lacking:
            raise MissingWeights(
                f"{folder} is no copy of {repository.repo}: it lacks {some(lacking)}{_other_variant(folder, lacking)}; give a folder "
                f"that mirrors the repository{how}"
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


def _other_variant(folder: Path, lacking: Sequence[str]) -> str:
    """That weights are there under another variant's name, such as model.safetensors for model.fp16.safetensors; "" where none are."""
    for name in lacking:
        path = PurePosixPath(name)
        first, _, variant = path.stem.partition(".")
        if path.suffix == ".safetensors" and variant and (found := sorted((folder / path.parent).glob(f"{first}.*safetensors"))):
            return f" and has {path.with_name(found[0].name)} instead, of another variant"
    return ""


def holds(folder: Path, repository: Repository) -> bool:
    """Whether a folder given by hand has every file of the repository; none is opened."""
    path = folder.expanduser()
    return path.is_dir() and (not missing(path, repository.files) or bool(_inner(path, repository)))


def present(repository: Repository) -> bool:
    """Whether the cache holds every file; none is opened but indices of shards."""
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
    return [folder] if folder.is_file() else files_below(folder, repository.wanted)


def missing(folder: Path, files: Sequence[str]) -> list[str]:
    """Names and patterns that no file of the folder answers."""
    found = [path.relative_to(folder).as_posix() for path in files_below(folder, files)]
    return [wanted for wanted in files if not any(fnmatch(name, wanted) for name in found)]


def _exact_size(repository: Repository) -> dict[str, int]:
    """The size of a repository's only file, where the entry knows it to the byte."""
    single = len(repository.wanted) == 1 and not set("*?[") & set(repository.files[0]) and not repository.url
    return {repository.files[0]: repository.bytes} if single and not repository.approximate else {}


def _cached(repository: Repository, name: str, role: str) -> Path:
    def absent(what: str) -> AbsentWeights:
        return AbsentWeights([Absent(what, repository, name or repository.repo, role)])

    if repository.url:
        kept = webfile.cached(repository.url)
        if kept is None:
            raise absent(f"{webfile.name_of(repository.url)} of {repository.repo} {_ABSENT}")
        return kept
    lacking: list[str] = []
    for repo in filter(None, (repository.formerly, repository.repo)):
        if folder := snapshot(repo, repository):
            lacking = _lacking(folder, repository)
            if not lacking:
                return folder
    said = f"lacks {some(lacking)}" if lacking else _ABSENT
    raise absent(f"{repository.repo} {said}{_elsewhere(repository)}")


def snapshot(repo: str, repository: Repository) -> Path | None:
    """The folder in which the cache holds any of a repository under this name, its own or its former one; None where it has none."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repo, revision=repository.revision, allow_patterns=repository.wanted, local_files_only=True))
    except LocalEntryNotFoundError:
        return None


def _lacking(folder: Path, repository: Repository) -> list[str]:
    """What is `missing`, and shards that an index names and that are not there: a download that was broken off fits every pattern."""
    lacking = missing(folder, repository.files)
    for index in files_below(folder, repository.wanted):
        if ".safetensors.index." in index.name and asked(index.relative_to(folder).as_posix(), repository.wanted):
            with suppress(DamagedWeights, OSError):  # whoever loads it says what is wrong with it
                shards = sorted(set(shard_of_each(index).values()))
                lacking += [(index.parent / one).relative_to(folder).as_posix() for one in shards if not (index.parent / one).is_file()]
    return lacking


def _elsewhere(repository: Repository) -> str:
    """That the cache holds another revision whole, and where; "" where it does not."""
    from huggingface_hub import constants

    snapshots = Path(constants.HF_HUB_CACHE) / f"models--{repository.repo.replace('/', '--')}" / "snapshots"
    found = next((one for one in sorted(snapshots.glob("*")) if not _lacking(one, repository)), None)
    return f" at {repository.revision}, another revision is at {found}" if found is not None else ""


def _check_readable(folder: Path, repository: Repository) -> None:
    """Refuse a folder of which nothing would be found. Raises MissingWeights."""

    def refuse(error: OSError) -> None:
        raise MissingWeights(f"{error.filename} cannot be read ({error.strerror}): allow reading it, or give another folder") from error

    for place in places(folder, repository.wanted):
        for _ in os.walk(place, onerror=refuse):
            pass


def given_folder(local: Path, repository: Repository, how: str = "") -> Path:
    """The folder that a path given by hand names: itself, or that of the only file.

    how: the option that is to be given instead, for a person. Raises MissingWeights where nothing is there.
    """
    path = local.expanduser()
    if path.is_dir():
        return path
    if path.is_file() and len(repository.files) == 1 and fnmatch(path.name, Path(repository.files[0]).name):
        return path.parent
    said, rule = f"weights {local} of {repository.repo}: give", f"the folder that mirrors the repository{how}"
    if not path.is_file():
        raise MissingWeights(f"{said} a folder that is there")
    if len(repository.files) == 1:
        raise MissingWeights(f"{said} a file of its published name, {Path(repository.files[0]).name}, or {rule}")
    raise MissingWeights(f"{said} {rule}; a file alone, as other programs have it, is not read")


def some(names: Sequence[str]) -> str:
    """The first of them for people."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
