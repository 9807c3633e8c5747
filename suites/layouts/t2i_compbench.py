"""T2I-CompBench's folder: CATEGORY/samples/PROMPT_000000.png, where the number runs over all images of the category."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import WrongInput
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

SAMPLES = "samples"
LONGEST_NAME = 240
"""Bytes of a file name; most file systems take 255."""
_NAME = re.compile(r"(?P<prompt>.*)_(?P<id>\d+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Named:
    """An image with what its name says."""

    number: int
    """Running number within the category."""
    text: str
    """The prompt as it is written there."""
    prompt: Prompt
    """The suite's own where it is one."""
    path: Path


def read(root: Path, prompts: Mapping[str, Sequence[Prompt]]) -> Contents:
    """Every image of every category's folder; a folder of samples alone is of the category that has its prompts.

    Raises:
        WrongInput: no images in such folders.
    """
    found, single = _found(root, prompts)
    if single is not None:
        found = {_category(single, root.name, prompts): single}
    samples: list[Sample] = []
    notes: list[str] = []
    named = {task: _named(folder, task, finder(prompts.get(task, ()))) for task, folder in found.items()}
    most = max(count for each in named.values() for count in Counter(one.prompt.id for one in each).values())
    for task, folder in found.items():
        known = {prompt.text for prompt in prompts.get(task, ())}
        read_here = _category_samples(folder, named[task], most)
        strange = [path for stem, path in images_in(folder) if not _NAME.fullmatch(stem)] + others_in(folder)
        notes += left_out(strange, "PROMPT_000000.png")
        texts = {one.prompt.text for one in read_here}
        lacking = [repr(prompt.text) for prompt in prompts.get(task, ()) if prompt.text not in texts]
        if lacking:
            notes.append(f"{len(known) - len(lacking)} of the {len(known)} prompts of {task} are there, not {some(lacking)}")
        samples += read_here
    absent = [task for task in prompts if task not in found]
    return Contents(samples, (*notes, *([f"no images of {', '.join(absent)}"] if absent else ())))


def check(root: Path, tasks: Collection[str]) -> None:
    """Raise WrongInput unless there are images named after prompts, of a category or alone."""
    _found(root, tasks)


def _found(root: Path, tasks: Collection[str]) -> tuple[dict[str, Path], Path | None]:
    """Folders of samples by category, or the one that is of no known category."""
    found = _categories(root, tasks)
    single = _samples_folder(root) if not found else None
    if not found and single is None:
        refuse_methods(root, lambda folder: bool(_categories(folder, tasks)))
        raise WrongInput(f"{root} holds no images named PROMPT_000000.png: give a folder in T2I-CompBench's layout")
    return found, single


def _categories(root: Path, tasks: Collection[str]) -> dict[str, Path]:
    return {task: folder for task in tasks if (folder := _samples_folder(root / task)) is not None}


def _samples_folder(folder: Path) -> Path | None:
    for one in (folder / SAMPLES, folder):
        if one.is_dir() and any(_NAME.fullmatch(stem) for stem, _ in images_in(one)):
            return one
    return None


def _category(folder: Path, name: str, prompts: Mapping[str, Sequence[Prompt]]) -> str:
    if name in prompts:
        return name
    texts = {match["prompt"] for stem, _ in images_in(folder) if (match := _NAME.fullmatch(stem))}
    shared = {task: sum(map(bool, map(finder(known), texts))) for task, known in prompts.items()}
    if not any(shared.values()):
        raise WrongInput(f"{folder}: no category has these prompts; name the folder above samples after one of {', '.join(prompts)}")
    return max(shared, key=lambda task: shared[task])


def _named(folder: Path, task: str, known: Callable[[str], Prompt | None]) -> list[_Named]:
    """Every image, in the order of numbers."""
    matches = [(match, path) for stem, path in images_in(folder) if (match := _NAME.fullmatch(stem))]
    named = [
        _Named(int(match["id"]), text, known(text) or Prompt(f"{task}/{text}", text, task, {"prompt": text}), path)
        for match, path in matches for text in [match["prompt"]]
    ]  # fmt: skip
    return sorted(named, key=lambda one: (one.number, one.path.name))


def _together(ids: Sequence[int], most: int) -> bool:
    return len(set(ids)) == len(ids) and len({number // most for number in ids}) == 1


def _within(ids: Sequence[int], most: int) -> list[int]:
    """Which sample of its prompt each running number is: by the number where all are of one prompt, else in order."""
    if _together(ids, most):
        return [number % most for number in ids]
    return list(range(len(ids)))


def _category_samples(folder: Path, named: Sequence[_Named], most: int) -> list[Sample]:
    times = Counter(one.number for one in named)
    of_prompt: dict[str, list[_Named]] = {}
    for one in named:
        of_prompt.setdefault(one.prompt.id, []).append(one)
    ids = {key: [one.number for one in each] for key, each in of_prompt.items()}
    numbers = {key: _within(each, most) for key, each in ids.items()}
    left = {key: iter(each) for key, each in numbers.items()}
    samples: list[Sample] = []
    for one in named:
        reason = fault(one.text)
        if times[one.number] > 1:
            reason = f"number {one.number} is doubled"
        elif "_" in one.text:
            reason = "prompt holds an underscore, so that the name does not say where it ends"
        place = f"{one.path}: {reason}" if reason else ""
        samples.append(Sample(one.prompt, next(left[one.prompt.id]), one.path, one.number, place, str(one.path)))
    return samples + [
        shortage(first.prompt, _expected(folder, first.text, number, ids[key], most), number, most)
        for key, (first, *_) in of_prompt.items() for number in range(most) if number not in numbers[key]
    ]  # fmt: skip


def _expected(folder: Path, text: str, number: int, ids: Sequence[int], most: int) -> Path:
    """The file that a missing sample would be; the prompt's files alone where their numbers do not say."""
    place = f"_{ids[0] // most * most + number:06d}.png" if _together(ids, most) else "_*.png"
    return folder / f"{text}{place}"


def write(root: Path, prompts: Sequence[tuple[Prompt, Sequence[Path]]], each: int) -> list[str]:
    """Copy images to where T2I-CompBench's own evaluators look; prompts that no file can be named after are left out and said."""
    notes: list[str] = []
    done: dict[str, int] = {}
    for prompt, images in prompts:
        index = done.get(prompt.task, 0)
        done[prompt.task] = index + 1
        reason = _unnameable(prompt.text)
        if reason:
            notes.append(f"left out prompt {prompt.id}: {reason}, so no file of this layout can be named after it")
            continue
        folder = root / _plain(prompt.task) / SAMPLES
        folder.mkdir(parents=True, exist_ok=True)
        for sample, image in enumerate(images):
            shutil.copyfile(image, folder / f"{prompt.text}_{index * each + sample:06d}.png")
    return notes


def _plain(task: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "-", task).strip("-") or "prompts"


def _unnameable(text: str) -> str:
    if reason := fault(text):
        return reason
    if "/" in text or "\\" in text or text.startswith("."):
        return "it looks like a path"
    if "_" in text:
        return "it holds an underscore"
    return "it is too long" if len(text.encode()) > LONGEST_NAME else ""


def results(graded: Sequence[Graded]) -> dict[str, str]:
    """vqa_result.json of every category, as T2I-CompBench's own evaluators write it."""
    by_task: dict[str, list[dict[str, object]]] = {}
    for one in graded:
        by_task.setdefault(one.sample.prompt.task, []).append({"question_id": one.sample.id, "answer": str(one.value)})
    return {f"{_plain(task)}/vqa_result.json": json.dumps(answers) + "\n" for task, answers in by_task.items()}


LAYOUT = Layout("t2i-compbench", check, read, write, results)
