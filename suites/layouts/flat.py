"""A flat folder: pictures of any names beside prompts.csv, .tsv or .jsonl, which has a row for each: file, prompt and, if known, task."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath

from harness.compute.amounts import counted
from harness.errors import WrongInput
from results.files import write_atomic
from suites.base import Prompt
from suites.layouts.base import Contents, Graded, Layout, Sample, finder, images_in, left_out, others_in, some
from suites.prompt_files import Line, read_lines

LISTS = ("prompts.csv", "prompts.tsv", "prompts.jsonl")
FILE_COLUMNS = ("file", "filename", "image")


def list_of(root: Path) -> Path | None:
    """The file that says which picture is of which prompt, None where there is none."""
    return next((root / name for name in LISTS if (root / name).is_file()), None)


def read(root: Path, prompts: Mapping[str, Sequence[Prompt]]) -> Contents:
    """A sample for every row, in order; prompts of the suite are its own, others are text alone.

    Raises:
        WrongInput: no list, or one without columns for files and prompts.
    """
    path = _list(root)
    suite = [prompt for of_task in prompts.values() for prompt in of_task]
    known = finder(suite)
    ids: dict[tuple[str, str], str] = {}
    times: dict[str, int] = {}
    taken: set[str] = set()
    samples = []
    lines = read_lines(path)
    if not any(_named(one) for one in lines):
        raise WrongInput(f"{path} names no picture: add a column {FILE_COLUMNS[0]} with the name of each")
    for line in lines:
        name = ids.setdefault((line.task, line.text), f"own-{len(ids):05d}")  # which no suite calls its prompts
        prompt = known(line.text) or Prompt(name, line.text, line.task)
        number = times[prompt.id] = times.get(prompt.id, -1) + 1
        samples.append(_sample(root, line, prompt, number, taken))
    strange = [one for one in (*(picture for _, picture in images_in(root)), *others_in(root)) if one.name not in taken]
    return Contents(samples, (*left_out(strange, f"in {path.name}"), *_compared(samples, suite)))


def check(root: Path, tasks: Collection[str]) -> None:
    """Raise WrongInput unless there is a list of pictures."""
    _list(root)


def _list(root: Path) -> Path:
    path = list_of(root)
    if path is None:
        raise WrongInput(f"{root} holds no {', '.join(LISTS)}: write one with columns file and prompt, a row for each picture")
    return path


def _compared(samples: Sequence[Sample], suite: Sequence[Prompt]) -> list[str]:
    """How many of the suite's prompts are there, where some are not."""
    texts = {one.prompt.text for one in samples}
    lacking = [prompt.id for prompt in suite if prompt.text not in texts]
    there = len(suite) - len(lacking)
    said = f"{there} of the suite's {counted(len(suite), 'prompt')} {'is' if there == 1 else 'are'} there, not {some(lacking)}"
    return [said] if lacking else []


def _named(line: Line) -> str:
    known = {str(key).strip().lower(): value for key, value in line.fields.items()}
    return next((str(known[name]).strip() for name in FILE_COLUMNS if known.get(name)), "")


def _sample(root: Path, line: Line, prompt: Prompt, number: int, taken: set[str]) -> Sample:
    """The sample of a row; `taken` are the files that rows before have named."""
    file = _named(line)
    inside = PurePosixPath(file)
    fault = line.fault
    if not file:
        fault = fault or f"no {FILE_COLUMNS[0]} is named"
    elif inside.is_absolute() or ".." in inside.parts:
        fault = f"{file} lies outside of {root}"
    elif file in taken:
        fault = f"{file} is listed twice"
    elif not (root / inside).is_file():
        fault = fault or f"{root / inside} is missing"
    taken.add(file)
    there = file and not (inside.is_absolute() or ".." in inside.parts) and (root / inside).is_file()
    return Sample(prompt, number, root / inside if there else None, fault=f"{line.where}: {fault}" if fault else "", where=line.where)


def write(root: Path, prompts: Sequence[tuple[Prompt, Sequence[Path]]], each: int) -> list[str]:
    """Copy images to files numbered by prompt and sample, and list them."""
    table = io.StringIO(newline="")
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(["file", "prompt", "task"])
    root.mkdir(parents=True, exist_ok=True)
    for index, (prompt, images) in enumerate(prompts):
        for sample, image in enumerate(images):
            name = f"{index:05d}-{sample:02d}.png"
            shutil.copyfile(image, root / name)
            rows.writerow([name, prompt.text, prompt.task])
    write_atomic(root / LISTS[0], table.getvalue().encode())
    return []


def results(graded: Sequence[Graded]) -> dict[str, str]:
    """Nothing: no benchmark has this form."""
    return {}


LAYOUT = Layout("flat", check, read, write, results)
