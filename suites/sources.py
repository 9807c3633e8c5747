"""Where a suite's prompts come from: a path given by hand, a folder named by VISTAS_PROMPTS, or the hub through `datasets`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.errors import WrongInput, first_line
from harness.weights import webfile
from suites.hub_sets import rows
from suites.prompt_files import SUFFIXES, Line, from_rows, line, read_lines

VARIABLE = "VISTAS_PROMPTS"
"""A folder with one folder of prompt files per suite."""


class MissingPrompts(WrongInput):
    """Raised where a suite's prompts are not at hand: one line with what is missing and how to get it."""


@dataclass(frozen=True)
class Source:
    """The files of one prompt set, on disk and on the hub."""

    folder: str
    """Name of its folder below VISTAS_PROMPTS."""
    files: Mapping[str, str]
    """File name to task; "" takes the task from the rows. Of several names without a task, the first that is there."""
    hub: str = ""
    """owner/name of the data set on the hub, "" where it is not there."""
    revision: str = ""
    """Commit on the hub."""
    subsets: Mapping[str, str] = field(default_factory=dict)
    """Name of a subset on the hub to task, where there are several."""
    url: str = ""
    """Address of the only file, of one commit, where it is not on the hub."""
    obtain: str = ""
    """Where else a person gets the files."""

    def at_hand(self, path: Path | None) -> bool:
        """Whether `lines` reads them from this machine, or says here that they are not there."""
        root = os.environ.get(VARIABLE)
        return path is not None or bool(root and (Path(root).expanduser() / self.folder).is_dir())

    def lines(self, name: str, path: Path | None) -> list[Line]:
        """All lines of the set, from `path`, else from VISTAS_PROMPTS, else from the hub.

        Raises:
            WrongInput: a path that holds no such files.
            MissingPrompts: nowhere at hand.
        """
        if not self.at_hand(path):
            return list(self._from_hub(name))
        return self._local((path or Path(os.environ[VARIABLE]) / self.folder).expanduser())

    def _local(self, path: Path) -> list[Line]:
        if path.is_file():
            tasks = {name: task for name, task in self.files.items() if name == path.name}
            return _with_task(read_lines(path), tasks.get(path.name, ""))
        if not path.is_dir():
            raise WrongInput(f"prompts {path} are not there: give {' or '.join(self.files)}, or the folder that holds them")
        there = {name: task for name, task in self.files.items() if (path / name).is_file()}
        whole = [name for name, task in there.items() if not task]
        if whole:
            return read_lines(path / whole[0])
        lacking = [name for name, task in self.files.items() if task and name not in there]
        if there and not lacking:
            return [each for name, task in there.items() for each in _with_task(read_lines(path / name), task)]
        if not there and "*.txt" in self.files:
            return list(_one_prompt_a_file(path))
        raise WrongInput(f"prompts {path}: {', '.join(lacking or self.files)} not found there; {self.obtain}")

    def _from_hub(self, name: str) -> Iterator[Line]:
        how = f"get {' and '.join(self.files)} from {self.obtain} and give the folder with --prompts-from PATH or {VARIABLE}"
        if not self.hub and not self.url:
            raise MissingPrompts(f"prompts of {name} are not at hand: {how}")
        try:
            if self.url:
                yield from self._from_address()
                return
            for subset, task in (self.subsets or {"": ""}).items():
                what, columns, found = rows(self.hub, subset, self.revision)
                pairs = ((f"{what} row {number}", row) for number, row in enumerate(found, 1))
                yield from _with_task(list(from_rows(pairs, columns, what)), task)
        except WrongInput:
            raise
        except Exception as error:  # the hub's client, its transport and its builders each raise their own
            at = self.url or f"{self.hub} at {self.revision[:12]}"
            raise MissingPrompts(f"prompts of {name} are not at hand: {at} cannot be loaded ({first_line(error)}); {how}") from error

    def _from_address(self) -> list[Line]:
        path = webfile.download(self.url)
        try:
            return read_lines(path)
        except WrongInput:
            path.unlink()  # what answered was not the file: it must not be taken for it another time
            raise


def _with_task(lines: list[Line], task: str) -> list[Line]:
    return [replace(one, task=task) for one in lines] if task else lines


def _one_prompt_a_file(folder: Path) -> Iterator[Line]:
    """DPG-Bench's own form: ID.txt holds one prompt."""
    paths = sorted(folder.glob("*.txt"), key=lambda path: (len(path.stem), path.stem))
    if not paths:
        raise WrongInput(f"{folder} holds no prompts: give a folder with files of {', '.join(SUFFIXES)}")
    for path in paths:
        text = path.read_bytes().decode("utf-8-sig", errors="surrogateescape").strip()
        yield line(" ".join(text.split("\n")), f"{path}", {"id": path.stem})
