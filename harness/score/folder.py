"""`vistas score`: any folder of images, whoever made it, graded by a suite and scored by verifiers."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from harness.config import FILE
from harness.devices import pick_device, use_half_the_cores
from harness.errors import WrongInput
from harness.registry import entry
from harness.run.evaluator import Evaluator, no_grade
from harness.run.suites import open_suite
from harness.score.folder_prompts import check_prompts, domain_of, prompts_by_task
from harness.score.scorer import Scored, Scorer
from harness.score.summary import summary
from harness.weights.absent import Absent
from harness.weights.local import LocalWeights, absent_graders, some_grader, together
from models.base import Domain
from results.files import check_writable, write_atomic
from results.folder_scores import check_kept, write_scores
from results.schema import GRADE
from suites.base import Equipped, Suite, display_name
from suites.layouts.base import Contents, Graded, Layout, layout
from suites.layouts.flat import list_of
from suites.prompt_checks import as_utf8, printable
from suites.shapes.unknown_words import check_known, unknown_note, unreadable
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
    form, suite_name, prompts_from = _said_or_seen(folder, layout_name, suite_name, prompts_from)
    suite: Suite = open_suite(suite_name, prompts_from)
    if domain is None:
        domain, hint = domain_of(None if suite_name == FILE else suite, form, folder, verifiers)
        for line in hint:
            say(line)
    local, place = LocalWeights.parse(weights), pick_device(device)
    chosen = {name: _chosen(name, domain) for name in verifiers}
    form.check(folder, suite.card.tasks)
    absent = _equip(suite, domain, chosen.values(), place, local)
    by_task, lacking = prompts_by_task(suite, domain)
    contents = form.read(folder, by_task)
    check_prompts(contents, by_task, folder, suite_name, domain)
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
        graded, unsaid = _official(form, _graded(scored), suite.card.scores.get(domain, {}))
        for file, content in form.results(graded).items():
            write_atomic(target / file, content.encode())
        lacking += unsaid
    said = (*summary(scored, scorer, contents, name, tuple(by_task)), *unread, *lacking, f"tables: {target}")
    lines = [printable(line) for line in said]
    if all(math.isnan(value) for one in scored for value, _ in one.metrics.values()):
        for line in lines:
            say(line)
        raise WrongInput(f"no picture of {folder} could be scored: mend what is said of each, and give the same command again")
    return lines


def _said_or_seen(
    folder: Path, layout_name: str | None, suite_name: str | None, prompts_from: str | None
) -> tuple[Layout, str, str | None]:
    """Layout, suite and file of prompts: as they were given or, where not, by what the folder holds."""
    listed = list_of(folder)
    form = layout(layout_name or (FLAT if listed else T2I if suite_name == T2I else "geneval"))
    suite_name = suite_name or (FILE if form.name == FLAT else "geneval")
    lists = suite_name == FILE and form.name == FLAT and listed is not None
    return form, suite_name, str(listed) if lists and prompts_from is None else prompts_from


def _counted(scored: Iterable[Scored], total: int, say: Callable[[str], None]) -> Iterator[Scored]:
    said = perf_counter()
    for number, one in enumerate(scored, 1):
        yield one
        if perf_counter() - said > SECONDS:
            say(f"{number} of {total} samples")
            said = perf_counter()


def _unread(contents: Contents, chosen: Iterable[VerifierSpec]) -> list[str]:
    """What has to be said of words that embedded verifiers do not know. Raises WrongInput where they know none."""
    if not any(entry("verifier", name).few_words for spec in chosen for name in spec.names):
        return []
    texts = list(dict.fromkeys(one.prompt.text for one in contents.samples if one.prompt.text))
    if len(unreadable(texts)) == len(texts):  # else some are scored for what they say, and the note tells which words are not read
        check_known(texts)
    return unknown_note(texts)


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


def _official(form: Layout, graded: Sequence[Graded], scores: Collection[str]) -> tuple[list[Graded], list[str]]:
    """What a layout's result files can say, of tasks with these scores, and a sentence where that is not all."""
    kept = [one for one in graded if form.scores or one.sample.prompt.task not in scores]
    if len(kept) == len(graded):
        return kept, []
    return kept, [f"{len(graded) - len(kept)} grades are in scores.parquet alone: they are scores, and results of the layout {form.name} "
                  "only say right or wrong"]  # fmt: skip


def _graded(scored: Sequence[Scored]) -> list[Graded]:
    """The samples that the suite has a verdict on."""
    found = [(one, *one.metrics[GRADE]) for one in scored]
    return [Graded(one.sample, value, reason, one.details) for one, value, reason in found if not math.isnan(value)]
