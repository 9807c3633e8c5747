"""Any file of prompts as a suite: CSV, TSV, JSON, JSONL or TXT, judged by verifiers."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from harness.errors import WrongInput
from models.base import Domain
from suites.base import Prompt, ProtocolCard
from suites.prompt_files import read_lines
from suites.prompt_set import PromptSetSuite, cut_and_repeated, remarks
from suites.shapes.phrases import cut_off_note
from suites.sources import Source

CARD = ProtocolCard(
    name="file",
    version="1",
    source="a file of the user's",
    licence="the user's",
    images_per_prompt=0,
    tasks=("prompts",),
    overall_over="prompts",
    overall="mean of a verifier's score over all prompts",
)


class FileSuite(PromptSetSuite):
    """The prompts of one file, the same in every domain; tasks are those of its category column, where it has one."""

    def __init__(self) -> None:
        super().__init__(CARD, Source(folder="", files={}))

    def reading(self, path: Path) -> FileSuite:
        """The suite of this file, named after it; the name holds letters, digits and dashes only."""
        self._path = path.expanduser()
        slug = re.sub(r"[^a-z0-9]+", "-", self._path.stem.lower()).strip("-")[:40]
        self._lines = read_lines(self._path)
        tasks = dict.fromkeys(one.task or CARD.tasks[0] for one in self._lines if not one.fault)
        self._card = replace(CARD, name=f"file-{slug}" if slug else "file", tasks=tuple(tasks) or CARD.tasks)
        return self

    def at_hand(self, domain: Domain) -> bool:
        """Always: they are in its file."""
        return True

    def prompts(self, domain: Domain) -> tuple[Prompt, ...]:
        """All prompts that can be run, in order."""
        if self._lines is None:
            raise WrongInput("suite file has no file: write --suite-file PATH in place of its name")
        return tuple(self._prompts())

    def notes(self, domain: Domain) -> tuple[str, ...]:
        """Sentences about prompts that were left out, are unusual, or are longer than the embedded models read."""
        longer = cut_off_note(self.prompts(domain)) if domain == "shapes" else []
        return (*super().notes(domain), *remarks(self._read()), *cut_and_repeated(self._read()), *longer)
