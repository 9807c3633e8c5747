"""Files that are either whole or absent, whenever the process or the machine stops."""

from __future__ import annotations

import errno
import fcntl
import filecmp
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from harness.errors import RunFailed, WrongInput

TEMPORARY = ".tmp"
MANIFEST = "manifest.json"
"""What makes a folder a run's."""
LOCK, OPENING = ".lock", ".lock-opening"
PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
"""The last chunk of every PNG."""
FULL = (errno.ENOSPC, errno.EDQUOT)
"""What the system says when a disk, or a user's share of it, is full."""
PATIENCE_SECONDS = 5.0
"""How long a shard waits for a process that may only be looking whether all shards are done."""
LOOKED_AT_SECONDS = 0.5
"""How long a shard waits for a process that looks which shards are at work, which holds its lock for a moment."""
_OTHER_SHARDS = " as this very shard: wait for it; other shards may run beside it"


class InUse(WrongInput):
    """Another process holds the folder."""


class Unwritten(RunFailed):
    """The disk is full, or the system does not let a file be written."""


def check_run_folder(folder: Path) -> None:
    """Raise WrongInput for a folder that holds something and no run, but for what a run stopped before its manifest leaves."""
    if folder.is_dir() and not (folder / MANIFEST).exists() and any(not _leftover(entry.name) for entry in folder.iterdir()):
        raise WrongInput(f"{folder} is not empty and holds no run: give an empty or a new folder with --out")


def _leftover(name: str) -> bool:
    return name.startswith(".") or (name.startswith(MANIFEST) and name.endswith(TEMPORARY))


def write_atomic(path: Path, content: bytes, sync: bool = True) -> None:
    """Write `content` beside `path` and rename it into place; raises as `atomic`.

    Without `sync` the file may be empty after a power failure (not after the end of the process, however it comes).
    """
    with atomic(path, sync) as file:
        file.write(content)


@contextmanager
def atomic(path: Path, sync: bool = True, if_changed: bool = False) -> Iterator[IO[bytes]]:
    """A file beside `path` to write to, renamed into place at the end, with `if_changed` only where its content is another.

    Raises:
        Unwritten: the disk is full, or the system does not let the file be written.
    """
    # Two shards may write one image at once, on machines where they have the same process id.
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(8)}{TEMPORARY}")
    try:
        with _created(temporary) as file:
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
        if if_changed and path.exists() and filecmp.cmp(temporary, path, shallow=False):
            temporary.unlink()
        else:
            os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise _unwritten(path.parent, error) from error
        raise


def _unwritten(folder: Path, error: OSError) -> Unwritten:
    if error.errno in FULL:
        return Unwritten(f"no space left on disk in {folder}: free space and give the same command again; finished units are kept")
    return Unwritten(f"writing to {folder} failed ({error}): see to that and give the same command again; finished units are kept")


def is_whole_png(path: Path | str) -> bool:
    """Whether there is a file that ends as a PNG does; of thousands of images nothing else can be read in passing.

    Raises OSError where it is there and cannot be read: that is no reason to make it anew.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        return os.pread(descriptor, len(PNG_END), max(0, os.fstat(descriptor).st_size - len(PNG_END))) == PNG_END
    finally:
        os.close(descriptor)


def _created(path: Path) -> IO[bytes]:
    """A new file, its folder made only where it is missing: thousands of images lie in few folders."""
    try:
        return open(path, "wb")
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return open(path, "wb")


def check_writable(folder: Path, option: str = "--out") -> None:
    """See that `folder`, which may be missing, can be written to, before anything else is done; leaves nothing behind.

    Raises:
        WrongInput: it is, or lies in, a file, or the system lets nobody write there.
        RunFailed: the disk is full.
    """
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        where = "is" if there == folder else f"lies in {there}, which is"
        raise WrongInput(f"{folder} {where} a file, not a folder: give a folder with {option}")
    try:
        with tempfile.NamedTemporaryFile(dir=there, prefix=".", suffix=TEMPORARY) as file:
            file.write(b"0" * 4096)
            file.flush()
    except OSError as error:
        if error.errno in FULL:
            raise RunFailed(f"no space left on disk in {folder}: free space and give the same command again") from error
        raise WrongInput(f"{folder} cannot be written to ({error.strerror}): give another folder with {option}") from error


def remove_temporary(folder: Path) -> None:
    """Remove what interrupted writes have left anywhere below `folder`."""
    for path in folder.rglob(f"*{TEMPORARY}"):
        path.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder` for one writing process; the system lets go of it however the process ends.

    Raises:
        InUse: another process holds it.
    """
    with _held(folder / LOCK, fcntl.LOCK_EX):
        yield


@contextmanager
def locked_part(folder: Path, lock: str) -> Iterator[None]:
    """Hold the part of `folder` that the file `lock` stands for; processes with other parts may write beside this one.

    Raises:
        InUse: another process holds this part, or all of the folder.
    """
    with _held(folder / LOCK, fcntl.LOCK_SH, PATIENCE_SECONDS), _held(folder / lock, fcntl.LOCK_EX, LOOKED_AT_SECONDS, _OTHER_SHARDS):
        yield


@contextmanager
def alone(folder: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """One process at a time, each waiting for its turn: to begin the run. `waiting` is called where another one is at it."""
    with open(folder / OPENING, "wb") as file:
        if not try_lock(file):
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _held(path: Path, kind: int, patience: float = 0.0, advice: str = ": wait for it, or give another folder with --out") -> Iterator[None]:
    deadline = time.monotonic() + patience
    with open(path, "w+b") as file:  # NFS shares no lock on a file that is not open for reading
        while not try_lock(file, kind):
            if time.monotonic() >= deadline:
                raise InUse(f"another process is writing to {path.parent}{advice}")
            time.sleep(0.05)
        yield


def try_lock(file: IO[bytes], kind: int = fcntl.LOCK_EX) -> bool:
    """Whether the file is this process's now, until it is closed; nobody is waited for."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            folder = Path(file.name).parent
            said = f"{folder} is on a file system that locks no files ({error.strerror}): give a folder elsewhere with --out"
            raise WrongInput(said) from error
        return False
    return True
