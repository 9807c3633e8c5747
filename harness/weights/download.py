"""Getting published weights from the hub: only when asked, with progress, and what arrives is checked against what is published."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import DamagedWeights, WrongInput, first_line
from harness.weights import webfile
from harness.weights.absent import MissingWeights
from harness.weights.checks import asked, check, check_file
from harness.weights.hub import snapshot, some
from harness.weights.repository import Repository, gigabytes

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling


def fetch(repository: Repository) -> Path:
    """Download what the cache lacks or holds damaged, with progress, and check sizes and hashes; returns the local folder.

    Where the cache has all of it under the repository's former name, that is its folder.

    Raises:
        MissingWeights: the hub cannot be reached, asks for terms to be accepted, or has no such repository.
        DamagedWeights: what arrived is not what is published.
        WrongInput: the disk is too small.
    """
    from huggingface_hub import HfApi

    if repository.url:
        with _translated(repository):
            return webfile.download(repository.url, progress=True).parent
    with _translated(repository):
        info = HfApi().model_info(repository.repo, revision=repository.revision, files_metadata=True)
        published = [file for file in info.siblings or () if asked(file.rfilename, repository.wanted)]
        lacking = [wanted for wanted in repository.files if not any(asked(one.rfilename, [wanted]) for one in published)]
        if lacking:
            raise MissingWeights(f"{repository.repo} at {repository.revision} has no {some(lacking)}: its files have been "
                                 "renamed; correct the entry, or give a local folder to `vistas run` with --weights NAME=PATH")
        folder = _under_former_name(repository, published)
        if folder is None:
            _check_space(sum(file.size or 0 for file in published), repository)
            folder = _whole(repository, published)
    check(folder, repository)
    return folder


def _under_former_name(repository: Repository, published: Sequence[RepoSibling]) -> Path | None:
    """The folder in which the cache has every file as published under the name that the repository had before it moved."""
    folder = snapshot(repository.formerly, repository) if repository.formerly else None
    if folder is None or not all((folder / file.rfilename).is_file() for file in published):
        return None
    return None if [error for file in published for error in _damage(folder, file, repository)] else folder


def _whole(repository: Repository, published: Sequence[RepoSibling]) -> Path:
    """The folder with every file as published: those that are not, in the cache or as they came, are fetched once more.

    Raises:
        DamagedWeights: one is not what is published then either; it is not kept.
    """
    from huggingface_hub import snapshot_download

    damaged: list[DamagedWeights] = []
    for _ in range(2):
        folder = Path(snapshot_download(
            repository.repo, revision=repository.revision, allow_patterns=repository.wanted
        ))  # fmt: skip
        damaged = [error for file in published for error in _damage(folder, file, repository)]
        if not damaged:
            return folder
    raise damaged[0]


def _damage(folder: Path, file: RepoSibling, repository: Repository) -> Iterator[DamagedWeights]:
    """What is wrong with a file, which is deleted then: the cache would take it for what it is named after."""
    digest, small = (file.lfs.sha256, None) if file.lfs is not None else (None, file.blob_id)
    path = folder / file.rfilename
    try:
        check_file(path, file.size, repository.sha256.get(file.rfilename, digest), small)
    except DamagedWeights as error:
        for one in (path.resolve(), path):
            one.unlink(missing_ok=True)
        yield error
    except FileNotFoundError:
        path.unlink(missing_ok=True)  # a link to the same content as a file that has just been deleted


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
                             "folder to `vistas run` with --weights NAME=PATH") from error
    except errors.RepositoryNotFoundError as error:
        raise MissingWeights(f"{repository.repo} is not on the hub, or is private: log in with `hf auth login`, or give a "
                             "local folder to `vistas run` with --weights NAME=PATH") from error
    except errors.OfflineModeIsEnabled as error:
        raise MissingWeights(f"{repository.repo} cannot be fetched while HF_HUB_OFFLINE is set: unset it") from error
    except errors.HfHubHTTPError as error:
        raise MissingWeights(f"{repository.repo} cannot be fetched ({first_line(error)}): try again later") from error
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
    where = repository.url or "the hub"
    return MissingWeights(
        f"{repository.repo} ({repository.size}) cannot be fetched, {where} is not reached ({first_line(error)}): check the "
        "network, or give a local folder to `vistas run` with --weights NAME=PATH"
    )
