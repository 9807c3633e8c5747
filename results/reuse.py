"""Units of other runs: those that are this run's very own, and those with its pictures that were measured otherwise."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from results.files import is_whole_png, write_atomic
from results.manifest import DamagedManifest
from results.parts import images_of
from results.store import Store


def pictures_hash(key: str) -> str:
    """The part of a unit's key that is the hash of all that determines its pictures; the rest is of its metrics."""
    return key.partition("-")[0]


@dataclass(frozen=True, slots=True)
class Source:
    """A unit of another run, with the pictures of one of this run."""

    folder: Path
    key: str
    ungraded: int
    """How many of its selected pictures have no grade because weights of the suite's graders were not there."""


@dataclass(frozen=True)
class Reuse:
    """What other runs have of a run's units; only names of files are looked at."""

    keys: Sequence[str]
    """This run's units."""
    folders: Sequence[Path]
    graded: bool = False
    """Whether the suite has graders here, so that what was made without them can be graded now."""

    @cached_property
    def whole(self) -> Mapping[Path, list[str]]:
        """By folder, the units that are there as they are here."""
        return {folder: self._whole(Store(folder)) for folder in self.folders}

    @cached_property
    def sources(self) -> Mapping[str, Sequence[Source]]:
        """Where the pictures of each unit are; first the folders where all of them have grades."""
        found: dict[str, list[Source]] = {key: [] for key in self.keys}
        for folder in self.folders:
            there = {pictures_hash(path.stem): path.stem for path in (folder / "parts").glob("*.part")}
            for key in self.keys:
                if (other := there.get(pictures_hash(key))) is not None:
                    found[key].append(Source(folder, other, Store(folder).ungraded([other])))
        return {key: sorted(sources, key=lambda one: one.ungraded > 0) for key, sources in found.items() if sources}

    @cached_property
    def pictures(self) -> Mapping[str, Source]:
        """Of units that no folder has as they are here: where their pictures are to be taken from."""
        whole = {key for keys in self.whole.values() for key in keys}
        return {key: sources[0] for key, sources in self.sources.items() if key not in whole}

    def drawn(self, folder: Path) -> list[str]:
        """The units whose pictures alone are to be taken from a folder."""
        return [key for key, one in self.pictures.items() if one.folder == folder]

    def _whole(self, other: Store) -> list[str]:
        there = [key for key in self.keys if other.part_path(key).exists()]
        return [key for key in there if not other.ungraded([key])] if self.graded else there


def take_over(store: Store, reuse: Reuse) -> None:
    """Bring the units that are missing here and whole in another folder, images included.

    A unit's key is the hash of all that determines its rows, so that it is the same work wherever it was done; only whether
    a suite's grader was there is not in it. The other folders are only read. Where units come from, also those whose pictures
    alone are wanted, is noted by adding their run's environments to this manifest before the first is here.

    Raises:
        WrongInput: a folder holds no run.
    """
    for folder in reuse.folders:
        other = Store(folder)
        try:
            environments = other.manifest()["environments"]
        except DamagedManifest:  # units tell for themselves what they are
            environments = []
        noted = False
        if any(one.folder == folder and store.whole_part(key) is None for key, one in reuse.pictures.items()):
            store.add_environments(environments)
            noted = True
        for key in reuse.whole[folder]:
            if store.whole_part(key) is not None or (tables := other.whole_part(key)) is None:
                continue
            if not noted:
                store.add_environments(environments)
                noted = True
            bring_images(store, other, tables)
            # To sync thousands one by one takes minutes; one that a power failure empties is taken over again.
            write_atomic(store.part_path(key), other.part_path(key).read_bytes(), sync=False)


def bring_images(store: Store, other: Store, tables: Mapping[str, pa.Table]) -> None:
    """Have all images that a unit of another run names in this folder too."""
    for image in images_of(tables):
        _bring(other.folder / image, store.folder / image)


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
