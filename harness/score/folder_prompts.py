"""Whose prompts a folder's pictures are of: which domain, and that they are the suite's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness.compute.amounts import counted
from harness.errors import WrongInput
from harness.registry import entries
from harness.run.suites import open_suite
from models.base import Domain
from suites.base import Located, Prompt, Suite, display_name
from suites.layouts.base import Contents, Layout
from suites.prompt_checks import plain
from suites.shapes.unknown_words import names_shapes
from verifiers.spec import parse_verifier


def prompts_by_task(suite: Suite, domain: Domain) -> tuple[dict[str, list[Prompt]], list[str]]:
    """Prompts by task; where they are not at hand, the tasks alone, and why."""
    try:
        prompts = suite.prompts(domain)
    except ValueError as error:
        return {task: [] for task in suite.card.tasks}, [f"not compared with the suite's prompts: {error}"]
    by_task: dict[str, list[Prompt]] = {}
    for prompt in prompts:
        by_task.setdefault(prompt.task, []).append(prompt)
    return by_task, []


def domain_of(suite: Suite | None, form: Layout, folder: Path, verifiers: Sequence[str]) -> tuple[Domain, list[str]]:
    """What most prompts are the suite's own of; where they do not tell, shapes if all verifiers judge its pictures, else photo.

    With it a sentence where this is photo and most prompts name shapes alone.
    """
    judged: Domain = "shapes" if {parse_verifier(name).domain for name in verifiers} == {"shapes"} else "photo"
    by_task = {} if suite is None else prompts_by_task(suite, "shapes")[0]
    known = _texts(by_task)
    if not known:
        return judged, []
    try:
        texts = {plain(one.prompt.text) for one in form.read(folder, by_task).samples}
    except WrongInput:
        return judged, []  # the folder has not this form with these tasks; what it lacks is said when it is read
    if 2 * len(texts & known) > len(texts):
        return "shapes", []
    named = 2 * sum(map(names_shapes, texts)) > len(texts)
    return "photo", ["most prompts name shapes alone: if these are pictures of the shapes world, give --domain shapes"] if named else []


def check_prompts(contents: Contents, by_task: Mapping[str, Sequence[Prompt]], folder: Path, suite_name: str, domain: Domain) -> None:
    """Raise WrongInput where no prompt is the suite's, whose figures would then be of something else; names the suite that has most."""
    known = _texts(by_task)
    texts = {plain(one.prompt.text): one.prompt.text for one in contents.samples if one.prompt.text}
    if not known or not texts or known & texts.keys():
        return
    fitting = {
        f"--suite {name}" + (f" --domain {place}" if place != domain else ""): len(own & texts.keys()) for name, place, own in _offline()
    }
    best = max(fitting, key=lambda options: fitting[options])
    advice = f"{fitting[best]} of them {'is' if fitting[best] == 1 else 'are'} of another: give {best}" if fitting[best] else (
        "give the --suite they are of or, for prompts of your own, --suite file --prompts-from FILE --verifier NAME"
    )  # fmt: skip
    raise WrongInput(f"none of the {counted(len(texts), 'prompt')} of {folder}, such as {next(iter(texts.values()))!r}, is of "
                     f"{display_name(suite_name, domain)}; {advice}")  # fmt: skip


def _offline() -> Iterator[tuple[str, Domain, set[str]]]:
    """Suites, domains and prompts (as compared) that need neither a file nor the hub."""
    domains: tuple[Domain, ...] = ("shapes", "photo")
    for name in entries("suite"):
        suite: Suite = open_suite(name, None)
        for domain in domains[:1] if isinstance(suite, Located) else domains:
            by_task, _ = prompts_by_task(suite, domain)
            yield name, domain, _texts(by_task)


def _texts(by_task: Mapping[str, Sequence[Prompt]]) -> set[str]:
    """All prompts as they are compared."""
    return {plain(prompt.text) for of_task in by_task.values() for prompt in of_task}
