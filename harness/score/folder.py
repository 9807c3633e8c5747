"""`vistas score`: any folder of images, whoever made it, graded by a suite and scored by verifiers."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from harness.compute.amounts import counted
from harness.config import FILE, READERS
from harness.errors import WrongInput
from harness.registry import entries
from harness.run.evaluator import Evaluator, no_grade
from harness.run.session import pick_device, use_half_the_cores
from harness.run.suites import open_suite
from harness.score.scorer import Scored, Scorer
from harness.score.summary import summary
from harness.weights.absent import Absent
from harness.weights.local import LocalWeights, absent_graders, some_grader, together
from models.base import Domain
from results.files import check_writable, write_atomic
from results.folder_scores import check_kept, write_scores
from results.schema import GRADE
from suites.base import Equipped, Located, Prompt, Suite, display_name
from suites.layouts.base import Contents, Graded, Layout, layout
from suites.layouts.flat import list_of
from suites.prompt_checks import as_utf8, plain, printable
from suites.shapes.unknown_words import check_known, names_shapes, unknown_note, unreadable
from verifiers.spec import VerifierSpec, parse_verifier

FLAT, T2I = "flat", "t2i-compbench"
SECONDS = 30.0
"""Between two sentences about how far it is."""


def score_folder(
    folder: Path,
    suite_name: str | None,
    domain: Domain | None,
    out: Path | None = None,
    layout_name: str | None = None,
    verifiers: Sequence[str] = (),
    prompts_from: str | None = None,
    device: str = "auto",
    weights: Sequence[str] = (),
    say: Callable[[str], None] = lambda line: None,
) -> list[str]:
    """Score a folder and write official results and scores.parquet into `out`, by default FOLDER-scores beside it; returns the summary.

    Without a layout it is flat where the folder lists its pictures, else the suite's own; without a suite a flat folder's prompts
    are of no benchmark; without a domain it is that of most of the folder's prompts. `say` hears what has to be known before the
    first picture is looked at.

    Raises:
        WrongInput: a folder that is not in the layout or has none of the suite's prompts, nothing that could score it, scores
            in `out` that others asked for, or, when the tables are written, no picture that could be scored.
    """
    target = out if out is not None else folder.with_name(f"{folder.resolve().name}-scores")
    check_writable(target)
    form = layout(layout_name or (FLAT if list_of(folder) else T2I if suite_name == T2I else "geneval"))
    suite_name = suite_name or (FILE if form.name == FLAT else "geneval")
    if suite_name == FILE and form.name == FLAT and prompts_from is None:
        prompts_from = str(list_of(folder) or "") or None
    suite: Suite = open_suite(suite_name, prompts_from)
    if domain is None:
        domain, hint = _domain(None if suite_name == FILE else suite, form, folder, verifiers)
        for line in hint:
            say(line)
    local, place = LocalWeights.parse(weights), pick_device(device)
    chosen = {name: _chosen(name, domain) for name in verifiers}
    form.check(folder, suite.card.tasks)
    absent = _equip(suite, domain, chosen.values(), place, local)
    by_task, lacking = _by_task(suite, domain)
    contents = form.read(folder, by_task)
    _check_prompts(contents, by_task, folder, suite_name, domain)
    asked = {"folder": str(folder.resolve()), "suite": suite_name, "domain": domain, "layout": form.name,
             "prompts_from": prompts_from, "verifiers": list(verifiers)}  # fmt: skip
    check_kept(target, asked)
    use_half_the_cores()
    scorer = _scorer(suite, domain, chosen, place, local, absent)
    unread = _unread(contents, chosen.values())
    for line in scorer.evaluator.notes:
        say(line)
    scored = list(_counted(scorer.score(contents.samples), len(contents.samples), say))
    name = display_name(suite.card.name, domain)
    write_scores(target, [row for one in scored for row in _rows(one, name, folder)], asked)
    if not scorer.evaluator.cannot_grade:
        for file, content in form.results(_graded(scored)).items():
            write_atomic(target / file, content.encode())
    lines = [*summary(scored, scorer, contents, name, tuple(by_task)), *unread, *lacking, f"tables: {target}"]
    printed = [printable(line) for line in lines]
    if all(math.isnan(value) for one in scored for value, _ in one.metrics.values()):
        for line in printed:
            say(line)
        raise WrongInput(f"no picture of {folder} could be scored: mend what is said of each, and give the same command again")
    return printed


def _counted(scored: Iterable[Scored], total: int, say: Callable[[str], None]) -> Iterator[Scored]:
    said = perf_counter()
    for number, one in enumerate(scored, 1):
        yield one
        if perf_counter() - said > SECONDS:
            say(f"{number} of {total} samples")
            said = perf_counter()


def _by_task(suite: Suite, domain: Domain) -> tuple[dict[str, list[Prompt]], list[str]]:
    """Prompts by task; where they are not at hand, the tasks alone, and why."""
    try:
        prompts = suite.prompts(domain)
    except ValueError as error:
        return {task: [] for task in suite.card.tasks}, [f"not compared with the suite's prompts: {error}"]
    by_task: dict[str, list[Prompt]] = {}
    for prompt in prompts:
        by_task.setdefault(prompt.task, []).append(prompt)
    return by_task, []


def _domain(suite: Suite | None, form: Layout, folder: Path, verifiers: Sequence[str]) -> tuple[Domain, list[str]]:
    """What most prompts are the suite's own of; where they do not tell, shapes if all verifiers judge its pictures, else photo.

    With it a sentence where this is photo and most prompts name shapes alone.
    """
    judged: Domain = "shapes" if {parse_verifier(name).domain for name in verifiers} == {"shapes"} else "photo"
    by_task = {} if suite is None else _by_task(suite, "shapes")[0]
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


def _unread(contents: Contents, chosen: Iterable[VerifierSpec]) -> list[str]:
    """What has to be said of words that embedded verifiers do not know. Raises WrongInput where they know none."""
    if not any(name in READERS for spec in chosen for name in spec.names):
        return []
    texts = list(dict.fromkeys(one.prompt.text for one in contents.samples if one.prompt.text))
    if len(unreadable(texts)) == len(texts):  # else some are scored for what they say, and the note tells which words are not read
        check_known(texts)
    return unknown_note(texts)


def _check_prompts(contents: Contents, by_task: Mapping[str, Sequence[Prompt]], folder: Path, suite_name: str, domain: Domain) -> None:
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
            by_task, _ = _by_task(suite, domain)
            yield name, domain, _texts(by_task)


def _texts(by_task: Mapping[str, Sequence[Prompt]]) -> set[str]:
    """All prompts as they are compared."""
    return {plain(prompt.text) for of_task in by_task.values() for prompt in of_task}


def _chosen(name: str, domain: Domain) -> VerifierSpec:
    spec = parse_verifier(name)
    if spec.needs:
        raise WrongInput(f"verifier {name} cannot be read off a picture, it only guides a search: leave out --verifier {name}")
    if spec.domain and spec.domain != domain:
        raise WrongInput(f"verifier {spec.text} judges {spec.domain} images, not {domain}: give another --verifier or --domain")
    return spec


def _equip(
    suite: Suite, domain: Domain, chosen: Collection[VerifierSpec], place: torch.device, local: LocalWeights
) -> list[Absent]:
    """Look for all weights before anything is loaded or asked of the hub; returns what is absent of the suite's graders.

    Raises:
        WrongInput: weights of a verifier are absent, or nothing could score the pictures.
    """
    groups: Sequence[Sequence[str]] = ()
    if isinstance(suite, Equipped):
        suite.equip(place, local)
        groups = suite.graders(domain)
    absent = absent_graders(groups, local)
    together([partial(spec.find, local) for spec in chosen], absent)
    if not chosen and not some_grader(groups, local) and (verdict := no_grade(suite, domain)):
        raise WrongInput(f"{verdict.reason}; name a verifier with --verifier to score the pictures by it")
    return absent


def _scorer(
    suite: Suite, domain: Domain, chosen: Mapping[str, VerifierSpec], place: torch.device, local: LocalWeights,
    absent: Sequence[Absent],
) -> Scorer:  # fmt: skip
    evaluator = Evaluator({name: spec.load(place, local) for name, spec in chosen.items()}, suite, domain, absent)
    if evaluator.cannot_grade and not chosen:
        raise WrongInput(f"{evaluator.cannot_grade}; name a verifier with --verifier to score the pictures by it")
    return Scorer(evaluator)


def _rows(one: Scored, suite: str, folder: Path) -> Iterator[dict[str, Any]]:
    sample = one.sample
    prompt_id, task, text = map(as_utf8, (sample.prompt.id, sample.prompt.task, sample.prompt.text))
    image = "" if sample.path is None else as_utf8(sample.path.relative_to(folder).as_posix())
    for metric, (value, reason) in one.metrics.items():
        yield {
            "suite": suite, "prompt_id": prompt_id, "task": task, "prompt": text, "sample": sample.number, "image": image,
            "metric": metric, "value": value, "reason": as_utf8(reason), "text_truncated": metric in one.cut,
        }  # fmt: skip


def _graded(scored: Sequence[Scored]) -> list[Graded]:
    """The samples that the suite has a verdict on."""
    found = [(one, *one.metrics[GRADE]) for one in scored]
    return [Graded(one.sample, value, reason, one.details) for one, value, reason in found if not math.isnan(value)]
