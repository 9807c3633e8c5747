"""Files that are either whole or absent, whenever the process or the machine stops."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import RunFailed, WrongInput

TEMPORARY = ".tmp"


def write_atomic(path: Path, content: bytes, sync: bool = True) -> None:
    """Write `content` beside `path` and rename it into place; raises RunFailed when the disk is full.

    Without `sync` the file may be empty after a power failure (not after the end of the process, however it comes).
    """
    temporary = path.with_name(path.name + TEMPORARY)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(content)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RunFailed(
                f"no space left on disk for {path}: free some and give the same command again; finished units are kept"
            ) from error
        raise


def remove_temporary(folder: Path) -> None:
    """Remove what interrupted writes have left anywhere below `folder`."""
    for path in folder.rglob(f"*{TEMPORARY}"):
        path.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder` for one writing process; the system lets go of it however the process ends.

    Raises:
        WrongInput: another process holds it.
    """
    with open(folder / ".lock", "w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            raise WrongInput(
                f"another process is writing to {folder}: wait for it, or give another folder with --out"
            ) from error
        yield
