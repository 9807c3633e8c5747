"""What a folder of images holds, whoever made it: samples with their prompts, faulty ones with the reason."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import WrongInput, unknown
from suites.base import Prompt
from suites.prompt_checks import plain

SOME = 5
"""Files that are named before the others are only counted."""
IMAGE = re.compile(r"(?P<stem>.+)\.(png|jpg|jpeg)", re.IGNORECASE | re.DOTALL)
OTHER = re.compile(r".+\.(webp|gif|bmp|tiff?|avif|heic|jfif|jp2|ppm)", re.IGNORECASE | re.DOTALL)
"""Pictures in forms that the benchmarks' own evaluators do not read either."""


@dataclass(frozen=True)
class Sample:
    """One image that is there or should be."""

    prompt: Prompt
    number: int
    """Within its prompt."""
    path: Path | None
    """None where it is missing."""
    id: int = -1
    """The layout's own running number."""
    fault: str = ""
    """File and reason why it cannot be scored, "" where nothing is known against it."""
    where: str = ""
    """File and line that its prompt is from."""


@dataclass(frozen=True)
class Contents:
    """All samples of a folder in order, and what else has to be said."""

    samples: Sequence[Sample]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Graded:
    """A sample with its suite's grade."""

    sample: Sample
    value: float
    reason: str
    details: str
    """What the evaluator saw, as JSON."""


@dataclass(frozen=True)
class Layout:
    """A folder form: how it is read and which images of a run are written where."""

    name: str
    check: Callable[[Path, Collection[str]], None]
    """(folder, the suite's tasks): raises WrongInput where it has not this form; prompts are not needed to tell."""
    read: Callable[[Path, Mapping[str, Sequence[Prompt]]], Contents]
    """(folder, prompts by task) to what it holds; raises WrongInput where it has not this form."""
    write: Callable[[Path, Sequence[tuple[Prompt, Sequence[Path]]], int], list[str]]
    """(folder, prompts with their images in order, images a prompt) to sentences about what could not be written."""
    results: Callable[[Sequence[Graded]], dict[str, str]]
    """The files that the benchmark's own evaluator would have written, by name; what has no grade is in none of them."""
    scores: bool = True
    """Whether these files can hold a score, and not only right or wrong."""


def layout(name: str) -> Layout:
    """The layout of this name; raises WrongInput with near names."""
    from suites.layouts import flat, geneval, t2i_compbench

    known = {one.name: one for one in (geneval.LAYOUT, t2i_compbench.LAYOUT, flat.LAYOUT)}
    if name not in known:
        raise WrongInput(unknown("layout", name, list(known)))
    return known[name]


def finder(prompts: Iterable[Prompt]) -> Callable[[str], Prompt | None]:
    """What tells the suite's prompt of a text, None where it has none: the very same text first, then one that is `plain` the same."""
    exact = {prompt.text: prompt for prompt in prompts}
    loosely = {plain(text): prompt for text, prompt in exact.items()}
    return lambda text: exact.get(text) or loosely.get(plain(text))


def refuse_methods(root: Path, fits: Callable[[Path], bool]) -> None:
    """Raise WrongInput where a folder is not in a layout, and folders in it are: `vistas export` writes one for each method."""
    inside = [path for path in sorted(root.iterdir()) if path.is_dir() and fits(path)]
    if inside:
        raise WrongInput(f"{root} holds folders of methods, as `vistas export` writes them: give one of them, such as {inside[0]} "
                         f"(there are {some([path.name for path in inside])})")  # fmt: skip


def images_in(folder: Path) -> list[tuple[str, Path]]:
    """(stem, path) of every image file of a folder, by name."""
    found = [(IMAGE.fullmatch(path.name), path) for path in sorted(folder.iterdir())]
    return [(match["stem"], path) for match, path in found if match]


def others_in(folder: Path) -> list[Path]:
    """Image files of a folder that are neither PNG nor JPEG by their names."""
    return [path for path in sorted(folder.iterdir()) if OTHER.fullmatch(path.name)]


def left_out(paths: Sequence[Path], form: str) -> tuple[str, ...]:
    """Sentences about image files that are no sample, the first few by name."""
    named = [f"{path}: not named {form}, left out" for path in paths[:SOME]]
    return (*named, *([f"{len(paths) - SOME} more files are not named {form}, left out"] if len(paths) > SOME else ()))


def some(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    return ", ".join(names[:SOME]) + (f" and {len(names) - SOME} more" if len(names) > SOME else "")


def shortage(prompt: Prompt, where: Path, number: int, most: int) -> Sample:
    """The sample that should be there."""
    return Sample(prompt, number, None, fault=f"{where}: sample {number} is missing (other prompts have {most})")
