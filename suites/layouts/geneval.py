"""GenEval's folder: 00000/metadata.jsonl with one record, and 00000/samples/00000.png …; grid.png is ignored.

Its generator writes five digits, its README shows four: any number of digits is read.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.compute.amounts import counted
from harness.errors import WrongInput
from results.files import write_atomic
from suites.base import Prompt
from suites.layouts.base import (
    Contents,
    Graded,
    Layout,
    Sample,
    finder,
    images_in,
    left_out,
    others_in,
    refuse_methods,
    shortage,
    some,
)
from suites.prompt_checks import fault

MOST_DIGITS = 18
"""Of a sample's number: more do not fit the table's whole numbers."""
METADATA, SAMPLES, TASK, GRID = "metadata.jsonl", "samples", "task", "grid"


def read(root: Path, prompts: Mapping[str, Sequence[Prompt]]) -> Contents:
    """Every sample of every folder whose name is a number, with the prompt of its own metadata.

    Raises:
        WrongInput: there is no such folder.
    """
    folders = _folders(root)
    seen: dict[int, Path] = {}
    groups: list[tuple[Prompt, Path, list[Sample]]] = []
    sound: list[Prompt] = []
    strange: list[Path] = []
    for folder in folders:
        prompt, reason = _prompt(folder)
        first = seen.setdefault(int(folder.name), folder)
        if first is not folder:
            reason = f"{folder}: the same prompt number as {first}"
        samples = [replace(one, fault=reason) if reason else one for one in _samples(folder, prompt)]
        groups.append((prompt, folder, samples))
        strange += [path for stem, path in images_in(_inner(folder)) if not _numbered(stem) and stem != GRID]
        strange += others_in(_inner(folder))
        sound += [] if reason else [prompt]
    most = max(len({one.number for one in samples}) for _, _, samples in groups)
    if not most:
        raise WrongInput(f"{root} holds no images: they belong into NUMBER/{SAMPLES}/00000.png and so on")
    notes = (*left_out(strange, "00000.png"), *_compared(sound, prompts))
    return Contents([one for group in groups for one in _filled(*group, most)], notes)


def check(root: Path, tasks: Collection[str]) -> None:
    """Raise WrongInput unless there is a folder whose name is a number."""
    _folders(root)


def _folders(root: Path) -> list[Path]:
    folders = _numbers(root)
    if not folders:
        refuse_methods(root, lambda folder: bool(_numbers(folder)))
        raise WrongInput(f"{root} holds no folder with a number for a name (00000, 00001 …): give a folder in GenEval's layout, or "
                         "list its pictures in a prompts.csv there, with columns file and prompt, and name a --verifier")
    return folders


def _numbers(root: Path) -> list[Path]:
    return [path for path in sorted(root.iterdir()) if path.is_dir() and path.name.isascii() and path.name.isdigit()]


def _compared(found: Sequence[Prompt], prompts: Mapping[str, Sequence[Prompt]]) -> list[str]:
    """How many of the suite's prompts a folder has, and which it has besides; metadata is the folder's own word for itself."""
    suite = [prompt for of_task in prompts.values() for prompt in of_task]
    if not suite:
        return []
    known = finder(suite)
    own = {one.id: prompt for one in found if (prompt := known(one.text)) and _same(one, prompt)}
    others = [one for one in found if one.id not in own]
    total, there = len(suite), len({prompt.text for prompt in own.values()})
    texts = {prompt.text for one in found if (prompt := known(one.text))}
    lacking = [prompt.id for prompt in suite if prompt.text not in texts]
    which = f", not {some(lacking)}" if lacking else ""
    notes = [] if there == total else [f"{there} of the suite's {counted(total, 'prompt')} {'is' if there == 1 else 'are'} there{which}"]
    doubled = [text for text, times in Counter(one.text for one in found).items() if times > 1]
    if doubled:
        where = some([f"{text!r} in {' and '.join(one.id for one in found if one.text == text)}" for text in doubled])
        notes.append(f"{counted(len(doubled), 'prompt')} there more than once, and so weighing more: {where}")
    if others:
        names = some([f"{one.id} {one.text!r}" for one in others])
        notes.append(f"{counted(len(others), 'prompt')} not of the suite, by their text or what {METADATA} asks for: {names}")
    return notes


def _same(found: Prompt, known: Prompt) -> bool:
    """Whether a folder's record has all that the suite's own has; the prompts of both are compared elsewhere."""
    record = json.loads(json.dumps({key: value for key, value in known.metadata.items() if key != "prompt"}))
    return found.task == known.task and all(found.metadata.get(key) == value for key, value in record.items())


def _filled(prompt: Prompt, folder: Path, samples: list[Sample], most: int) -> list[Sample]:
    """With what is missing: as many as the fullest prompt has."""
    numbers = {one.number for one in samples}
    free = (number for number in range(most + len(numbers)) if number not in numbers)
    return [*samples, *(shortage(prompt, folder, next(free), most) for _ in range(most - len(numbers)))]


def _samples(folder: Path, prompt: Prompt) -> list[Sample]:
    numbered = [(int(stem), path) for stem, path in images_in(_inner(folder)) if _numbered(stem)]
    by_number: dict[int, list[Path]] = {}
    for number, path in numbered:
        by_number.setdefault(number, []).append(path)
    where = f"{folder / METADATA} line 1"
    return [
        Sample(prompt, number, path, fault=_doubled(number, path, paths), where=where)
        for number, paths in sorted(by_number.items()) for path in paths
    ]  # fmt: skip


def _inner(folder: Path) -> Path:
    inner = folder / SAMPLES
    return inner if inner.is_dir() else folder


def _numbered(stem: str) -> bool:
    return stem.isascii() and stem.isdigit() and len(stem) <= MOST_DIGITS


def _doubled(number: int, path: Path, paths: Sequence[Path]) -> str:
    names = ", ".join(one.name for one in paths)
    return f"{path}: sample {number} is doubled ({names})" if len(paths) > 1 else ""


def _prompt(folder: Path) -> tuple[Prompt, str]:
    """The folder's prompt, and why its samples cannot be scored."""
    path, name = folder / METADATA, f"{int(folder.name):05d}"
    try:
        lines = [(number, line) for number, line in enumerate(path.read_text(encoding="utf-8-sig").split("\n"), 1) if line.strip()]
    except FileNotFoundError:
        return Prompt(name, "", ""), f"{path}: is missing"
    except (OSError, UnicodeDecodeError) as error:
        return Prompt(name, "", ""), f"{path}: cannot be read ({type(error).__name__})"
    if len({line for _, line in lines}) != 1:
        return Prompt(name, "", ""), f"{path}: {len(lines)} different records instead of one" if lines else f"{path}: no record"
    number, text = lines[0]
    try:
        record: Any = json.loads(text)
    except (ValueError, RecursionError):
        return Prompt(name, "", ""), f"{path} line {number}: no JSON"
    if not isinstance(record, dict):
        return Prompt(name, "", ""), f"{path} line {number}: no object with tag, include and prompt"
    words = record.get("prompt")
    task = record.get(TASK, record.get("tag", ""))
    found = Prompt(name, words if isinstance(words, str) else "", str(task), record)
    reason = fault(words)
    return found, f"{path} line {number}: {reason}" if reason else ""


def write(root: Path, prompts: Sequence[tuple[Prompt, Sequence[Path]]], each: int) -> list[str]:
    """Copy images to where GenEval's own evaluator looks, each prompt with its record; folders are numbered in order."""
    for index, (prompt, images) in enumerate(prompts):
        number = int(prompt.id) if prompt.id.isascii() and prompt.id.isdigit() and len(prompt.id) == 5 else index
        folder = root / f"{number:05d}"
        (folder / SAMPLES).mkdir(parents=True, exist_ok=True)
        record = dict(prompt.metadata) or {"tag": prompt.task, "prompt": prompt.text}
        if record.get("tag") != prompt.task:
            record[TASK] = prompt.task
        write_atomic(folder / METADATA, (json.dumps(record) + "\n").encode(), sync=False)
        for sample, image in enumerate(images):
            shutil.copyfile(image, folder / SAMPLES / f"{sample:05d}.png")
    return []


def results(graded: Sequence[Graded]) -> dict[str, str]:
    """results.jsonl as GenEval's own summary reads it; of grades that say right or wrong, and none where there are none."""
    lines = [
        json.dumps({
            "filename": str(one.sample.path), "tag": one.sample.prompt.task, "prompt": one.sample.prompt.text,
            "correct": one.value == 1, "reason": one.reason.replace("; ", "\n"),
            "metadata": json.dumps(dict(one.sample.prompt.metadata)), "details": one.details or "{}",
        })
        for one in graded
    ]  # fmt: skip
    return {"results.jsonl": "".join(f"{line}\n" for line in lines)} if lines else {}


LAYOUT = Layout("geneval", check, read, write, results, scores=False)
