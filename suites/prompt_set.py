"""A suite that is a list of prompts: read from its source for photographs, drawn offline in the shapes vocabulary where it has one."""

from __future__ import annotations

import hashlib
import reprlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from harness.errors import WrongInput
from models.base import Domain, Images
from suites.base import CannotGrade, Grade, Prompt, ProtocolCard
from suites.prompt_checks import remark
from suites.prompt_files import AFTER_TAB, Line
from suites.sources import Source

ShapesPrompts = Callable[[], tuple[Prompt, ...]]


class PromptSetSuite:
    """Prompts of a `Source` under a protocol card; photographs are judged by verifiers, shapes exactly."""

    def __init__(
        self, card: ProtocolCard, source: Source, known_sha256: str = "", shapes: ShapesPrompts | None = None
    ) -> None:
        """`known_sha256` is the digest of the published prompts; `shapes` draws the embedded version, where there is one."""
        self._card, self._source, self._known, self._shapes = card, source, known_sha256, shapes
        self._path: Path | None = None
        self._lines: list[Line] | None = None

    @property
    def card(self) -> ProtocolCard:
        """The published protocol; once prompts are read, with their digest."""
        if self._lines is None:
            return self._card
        return replace(self._card, settings={**self._card.settings, "prompts_sha256": digest(self._lines)})

    def reading(self, path: Path) -> PromptSetSuite:
        """The same suite with its prompts from a local file or folder."""
        self._path, self._lines = path, None
        return self

    def at_hand(self, domain: Domain) -> bool:
        """Whether its prompts are in a local file, drawn here, or none at all."""
        return domain == "shapes" or self._source.at_hand(self._path)

    def prompts(self, domain: Domain) -> tuple[Prompt, ...]:
        """All prompts that can be run, in order; the others are `faulty`.

        Raises:
            WrongInput: prompts that are not at hand, or a domain without prompts.
        """
        if domain == "shapes":
            if self._shapes is None:
                raise WrongInput(
                    f"{self._card.name} has no prompts in the shapes vocabulary: run it on models of photographs, or take geneval, "
                    "drawbench or t2i-compbench"
                )
            return self._shapes()
        return tuple(self._prompts())

    def faulty(self, domain: Domain) -> tuple[tuple[Prompt, str], ...]:
        """Prompts that cannot be run, without their text, each with the reason and its file and line."""
        if domain == "shapes" and self._shapes is not None:
            return ()
        return tuple(
            (Prompt(f"faulty-{number:05d}", "", one.task or self._card.tasks[0]), f"{one.where}: {one.fault}")
            for number, one in enumerate(self._read()) if one.fault
        )  # fmt: skip

    def notes(self, domain: Domain) -> tuple[str, ...]:
        """Sentences about prompts that cannot be run, are unusual, or are not the published ones."""
        if domain == "shapes" and self._shapes is not None:
            from suites.shapes.phrases import cut_off_note

            return tuple(cut_off_note(self._shapes()))
        lines = self._read()
        notes = [*(f"not scored: {reason}" for _, reason in self.faulty(domain)), *without_ids(lines),
                 *strangers(lines, self._card)]  # fmt: skip
        if self._known and digest(lines) != self._known:
            notes.append(f"prompts of {self._card.name} are not the published ones: their digest is {digest(lines)[:12]} instead "
                         f"of {self._known[:12]}; figures compare only with runs on the same prompts")
        return tuple(notes)

    def grade(self, images: Images, prompts: Sequence[Prompt], domain: Domain) -> list[Grade]:
        """The exact verdict on shapes; raises CannotGrade for photographs, which only verifiers judge."""
        if domain != "shapes" or self._shapes is None:
            raise CannotGrade(f"{self._card.name} has no evaluator of its own for {domain} images: see the verifiers' scores")
        from suites.shapes.exact_grader import grade

        return grade(images, prompts)

    def check(self, prompt: Prompt, domain: Domain) -> str:
        """Why no picture of this prompt can be graded exactly, "" where it can or where verifiers judge."""
        if domain != "shapes" or self._shapes is None:
            return ""
        from suites.shapes.exact_grader import check

        return check(prompt)

    def _prompts(self) -> list[Prompt]:
        sound = [(number, one) for number, one in enumerate(self._read()) if not one.fault]
        if not sound:
            raise WrongInput(f"none of the {len(self._read())} prompts of {self._card.name} can be run: {_first_fault(self._read())}")
        numbered = not all(one.id for _, one in sound) or without_ids(self._read())
        return [
            Prompt(f"{number:05d}" if numbered else one.id, one.text, one.task or self._card.tasks[0]) for number, one in sound
        ]

    def _read(self) -> list[Line]:
        if self._lines is None:
            self._lines = self._source.lines(self._card.name, self._path)
        return self._lines


def _first_fault(lines: Sequence[Line]) -> str:
    return f"{lines[0].where}: {lines[0].fault}"


def remarks(lines: Sequence[Line]) -> list[str]:
    """One sentence for every kind of unusual prompt that is run as it is."""
    found: dict[str, list[str]] = {}
    for one in lines:
        if not one.fault and (what := remark(one.text)):
            found.setdefault(what, []).append(one.where)
    return [f"{what} in {_places(wheres)}: run as it stands" for what, wheres in found.items()]


def cut_and_repeated(lines: Sequence[Line]) -> list[str]:
    """Sentences about lines of which a part is left out, and about prompts that stand there more than once."""
    cut = [one.where for one in lines if AFTER_TAB in one.fields]
    first: dict[str, Line] = {}
    again = [one.where for one in lines if not one.fault and first.setdefault(one.text, one) is not one]
    notes = [f"a tab in {_places(cut)}: what follows it is no part of the prompt"] if cut else []
    if again:
        notes.append(f"a prompt of an earlier line in {_places(again)}: run again, and intervals take it for another prompt")
    return notes


def strangers(lines: Sequence[Line], card: ProtocolCard) -> list[str]:
    """A sentence where prompts are of categories that the suite does not have."""
    first: dict[str, Line] = {}
    for one in lines:
        if one.task and not one.fault and one.task not in card.tasks:
            first.setdefault(one.task, one)
    if not first:
        return []
    named = ", ".join(f"{reprlib.repr(task)} ({one.where})" for task, one in [*first.items()][:3])
    more = f" and {len(first) - 3} more" if len(first) > 3 else ""
    return [f"not among the tasks of {card.name} ({', '.join(card.tasks)}), and each run as a task more: {named}{more}; correct the file, "
            "or the tasks of the card"]  # fmt: skip


def without_ids(lines: Sequence[Line]) -> list[str]:
    """A sentence where some prompts have an id and yet all are numbered, as ids name prompts only where every one has its own."""
    sound = [one for one in lines if not one.fault]
    if not any(one.id for one in sound):
        return []
    first: dict[str, Line] = {}
    for one in sound:
        if not one.id:
            reason = f"{one.where} has none"
        elif first.setdefault(one.id, one) is not one:
            reason = f"{one.where} has the id {reprlib.repr(one.id)} of {first[one.id].where}"
        else:
            continue
        return [f"ids are not used and prompts are numbered from 00000: {reason}; give every prompt an id of its own to keep them"]
    return []


def _places(wheres: Sequence[str]) -> str:
    return wheres[0] + (f" and {len(wheres) - 1} more" if len(wheres) > 1 else "")


def digest(lines: Sequence[Line]) -> str:
    """SHA-256 of all prompts in order, faulty ones as they stand."""
    texts = "\n".join(one.text.strip() for one in lines)
    return hashlib.sha256(texts.encode("utf-8", "backslashreplace")).hexdigest()
