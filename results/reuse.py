"""Finished units of other runs, taken over where this run has the very same ones."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from results.files import is_whole_png, write_atomic
from results.manifest import DamagedManifest
from results.parts import images_of
from results.store import Store


def take_over(store: Store, keys: Sequence[str], folders: Sequence[Path]) -> dict[Path, int]:
    """Bring the units of `keys` that are missing here and whole in another folder, images included; how many each folder has of them.

    A unit's key is the hash of all that determines its rows, so that it is the same work wherever it was done; only whether
    a suite's grader was there is not in it. The other folders are only read. Where units come from is noted by adding their
    run's environments to this manifest.

    Raises:
        WrongInput: a folder holds no run.
    """
    shared = {folder: held(Store(folder), keys) for folder in folders}
    for folder in folders:
        other = Store(folder)
        try:
            environments = other.manifest()["environments"]
        except DamagedManifest:  # units tell for themselves what they are
            environments = []
        noted = False
        for key in shared[folder]:
            if store.whole_part(key) is not None or (tables := other.whole_part(key)) is None:
                continue
            if not noted:  # before the first is here, or an interruption would leave units of nowhere
                store.add_environments(environments)
                noted = True
            for image in images_of(tables):
                _bring(folder / image, store.folder / image)
            # To sync thousands one by one takes minutes; one that a power failure empties is taken over again.
            write_atomic(store.part_path(key), other.part_path(key).read_bytes(), sync=False)
    return {folder: len(theirs) for folder, theirs in shared.items()}


def held(other: Store, keys: Sequence[str]) -> list[str]:
    """Those of `keys` whose units another run has; nothing is read."""
    return [key for key in keys if other.part_path(key).exists()]


def _bring(source: Path, target: Path) -> None:
    """Images are named by their content and never changed: one file serves both folders where the file system can."""
    if is_whole_png(target):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        write_atomic(target, source.read_bytes(), sync=False)
