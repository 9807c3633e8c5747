"""Whether a run has been finished as it is asked for now, told from files alone: no library, model, verifier or grader is loaded."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from harness.config import RunConfig, Settings
from harness.plugins import plugin_packages
from harness.registry import KINDS, entries
from harness.weights.hub import files_of
from harness.weights.local import LocalWeights, published
from results.environment import PACKAGES, installed_version, python_version, source_sha256, unit_source, written_here
from results.files import InUse, locked, write_atomic
from results.manifest import canonical
from results.store import FINISHED, DamagedUnits, Incomplete, Store
from suites.sources import VARIABLE


def fingerprint(settings: Settings) -> str:
    """The hash of everything that determines which units a run has and what is in them, "" where it cannot be told.

    That is what was asked for, this source and that of packages which bring something, the versions of libraries, and of every
    file of weights and prompts on this machine its size and time of change: also of those that this run does without, as
    `metrics` takes what is there.
    """
    if not all(one.package or written_here(one.target) for kind in KINDS for one in entries(kind).values()):
        return ""  # what is registered from nowhere has no source that is known here
    local = LocalWeights.parse(settings.weights)
    prompts = filter(None, (settings.prompts_from, os.environ.get(VARIABLE)))
    determines = {
        "asked": settings.run().identity(),
        "given": sorted(settings.model_fields_set & set(RunConfig.model_fields)),
        "source": [source_sha256(), unit_source()],
        "versions": [python_version(), *map(installed_version, PACKAGES), plugin_packages()],
        "weights": [
            (name, role, [*_dated(*files_of(one, local.folder(name, role)))])
            for name, roles in published().items() for role, one in roles.items()
        ],
        "prompts": [[*_dated(path, *(sorted(path.rglob("*"))))] for path in (Path(one).expanduser() for one in prompts)],
    }  # fmt: skip
    return hashlib.sha256(canonical(determines).encode()).hexdigest()


def _dated(*paths: Path) -> Iterator[tuple[str, int, int]]:
    for path in paths:
        if path.is_file():
            found = path.stat()
            yield str(path.absolute()), found.st_size, found.st_mtime_ns


def mark_finished(folder: Path, fingerprint: str) -> None:
    """Remember the fingerprint of a run that has just been finished, where it could be told."""
    if fingerprint:
        write_atomic(folder / FINISHED, f"{fingerprint}\n".encode())


def finished_units(folder: Path, fingerprint: str) -> int:
    """How many units the run in `folder` has, where it was finished under this fingerprint and is whole and in nobody's work, else 0.

    Tables are made again where they are not what the units say.

    Raises:
        WrongInput: what the folder holds is damaged.
    """
    path = folder / FINISHED
    if not fingerprint or not path.is_file() or path.read_text(errors="replace").strip() != fingerprint:
        return 0
    store = Store(folder)
    store.manifest()
    try:
        with locked(folder):
            keys = store.units()
            if not keys:
                return 0
            store.compact(keys)
    except (DamagedUnits, Incomplete):
        return 0
    except InUse:
        return 0  # by another shard, or by who looks as we do: as a run that goes on it is told which
    return len(keys)
