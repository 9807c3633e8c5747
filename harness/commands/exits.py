"""What a command says while it works, and how it ends: errors in one line and an exit code."""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from harness.errors import RunFailed, WrongInput
from results.files import FULL

if TYPE_CHECKING:
    from results.store import Store

WRONG_INPUT, FAILED, INTERRUPTED, TERMINATED = 2, 1, 130, 143
_AGAIN = "give the same command again to go on"
_BEFORE = "no unit was begun, nothing is lost"


class Terminated(KeyboardInterrupt):
    """Raised at SIGTERM, with which schedulers end a job."""


def end_at_sigterm() -> None:
    """Let SIGTERM end this process as Ctrl-C does: with a word on what is kept; once, as some schedulers send it again meanwhile."""

    def terminate(*_: object) -> NoReturn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Terminated

    signal.signal(signal.SIGTERM, terminate)


def say(line: str) -> None:
    """Print a line beside the result, on standard error."""
    typer.echo(line, err=True)


@contextmanager
def reported(debug: bool, store: Store | None = None, before: bool = False) -> Iterator[None]:
    """Turn errors into one line and an exit code: 2 for WrongInput, 1 for anything else, 130 for Ctrl-C, 143 for SIGTERM.

    before: whether this is what a command does before its first unit, so that nothing is lost where it is stopped.
    """
    try:
        yield
    except KeyboardInterrupt as stop:
        word, code = ("terminated", TERMINATED) if isinstance(stop, Terminated) else ("interrupted", INTERRUPTED)
        _leave(f"{word}: {_kept(store)}" if store else f"{word}: {_BEFORE}" if before else word, code)
    except (typer.Exit, typer.Abort, BrokenPipeError):  # the last: a reader such as `head` had enough; typer ends quietly
        raise
    except Exception as error:
        if debug:
            traceback.print_exc()
        if isinstance(error, WrongInput):
            _leave(_line(error), WRONG_INPUT)
        if isinstance(error, OSError) and error.errno in FULL:
            folder = store.folder if store else Path(error.filename).parent if error.filename else None
            where = f" in {folder}" if folder else ""
            kept = f"; {_kept(store)}" if store and store.finished() else ": free space and give the same command again"
            _leave(f"failed: no space left on disk{where}{kept}", FAILED)
        if isinstance(error, OSError) and error.filename and error.strerror:
            advice = f"see to that; {_kept(store)}" if store else "see to that and give the same command again"
            _leave(f"failed: {error.filename}: {error.strerror}: {advice}", FAILED)
        kept = f"; {_kept(store)}" if store and not isinstance(error, RunFailed) else ""
        _leave(f"failed: {_line(error)}{kept}" + ("" if debug else " (--debug shows where)"), FAILED)


def _kept(store: Store) -> str:
    finished = store.finished()
    if not finished:
        return f"no unit was finished, nothing is kept; {_AGAIN}"
    return f"{finished} finished {'unit is' if finished == 1 else 'units are'} kept in {store.folder}; {_AGAIN}"


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    known = type(error).__module__.startswith(("harness", "results", "reports", "models", "verifiers", "suites"))
    return text if text and known else ": ".join(filter(None, (type(error).__name__, text)))


def _leave(line: str, code: int) -> NoReturn:
    typer.echo(f"vistas: {line}", err=True)
    sys.exit(code)
