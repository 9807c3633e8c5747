"""`vistas score`: any folder of images, whoever made it, graded by a suite and scored by verifiers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from harness.batches import batches
from harness.errors import WrongInput
from harness.judge import GRADE, Metrics, measured
from harness.session import pick_device, use_half_the_cores
from harness.suites import open_suite
from harness.weights import LocalWeights
from models.base import Domain
from results.files import check_writable, write_atomic
from results.folder_scores import write_scores
from suites.base import Checked, Equipped, Grade, Prompt, Suite, display_name
from suites.layouts.base import Contents, Graded, Layout, Sample, layout
from suites.pictures import read_picture
from verifiers.base import Verifier
from verifiers.spec import parse_verifier

BATCH = 32
"""Pictures in memory at once."""
NAN = float("nan")


@dataclass(frozen=True)
class Scored:
    """One sample with everything that was found about it."""

    sample: Sample
    metrics: Mapping[str, tuple[float, str]]
    """Metric to value and reason."""
    details: str = ""


@dataclass
class Scorer:
    """What scores: the suite where it can grade in this domain, and verifiers."""

    suite: Suite
    domain: Domain
    verifiers: Mapping[str, Verifier] = field(default_factory=dict)
    cannot_grade: str = ""

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of everything that is measured of an image."""
        parts = [part for verifier in self.verifiers.values() for part in verifier.card.parts]
        return (*dict.fromkeys(parts), *(() if self.cannot_grade else (GRADE,)))

    def score(self, samples: Sequence[Sample]) -> Iterator[Scored]:
        """Every sample in order; one that cannot be scored is NaN under every metric, with the reason."""
        for batch in batches(samples, BATCH):
            yield from self._batch(batch)

    def _batch(self, samples: Sequence[Sample]) -> list[Scored]:
        found: dict[int, Scored] = {}
        by_size: dict[tuple[int, ...], list[tuple[int, torch.Tensor]]] = {}
        for n, sample in enumerate(samples):
            image, fault = _image(sample)
            if image is None:
                found[n] = Scored(sample, dict.fromkeys(self.metrics, (NAN, fault)))
            else:
                by_size.setdefault(tuple(image.shape), []).append((n, image))
        for group in by_size.values():
            some = [samples[n] for n, _ in group]
            results = self._images(torch.stack([image for _, image in group]), some)
            found |= {n: Scored(one, *result) for (n, _), one, result in zip(group, some, results, strict=True)}
        return [found[n] for n in range(len(samples))]

    def _images(self, images: torch.Tensor, samples: Sequence[Sample]) -> list[tuple[Metrics, str]]:
        metrics: list[Metrics] = [{} for _ in samples]
        for verifier in self.verifiers.values():
            scores = verifier.score(images, [one.prompt.text for one in samples])
            for one, more in zip(metrics, measured(scores, verifier.card.parts), strict=True):
                one |= more
        details = [""] * len(samples)
        if not self.cannot_grade:
            for n, grade in enumerate(self._grades(images, samples)):
                metrics[n][GRADE] = (grade.value, grade.reason)
                details[n] = grade.details
        return list(zip(metrics, details, strict=True))

    def _grades(self, images: torch.Tensor, samples: Sequence[Sample]) -> list[Grade]:
        prompts = [one.prompt for one in samples]
        reasons = [self._reason(one) for one in samples]
        sound = [n for n, reason in enumerate(reasons) if not reason]
        graded = self.suite.grade(images[sound], [prompts[n] for n in sound], self.domain) if sound else []
        grades = [Grade(NAN, reason) for reason in reasons]
        for n, grade in zip(sound, graded, strict=True):
            grades[n] = grade
        return grades

    def _reason(self, sample: Sample) -> str:
        """File and reason why no picture of the sample's prompt can be graded."""
        reason = self.suite.check(sample.prompt, self.domain) if isinstance(self.suite, Checked) else ""
        return f"{sample.where}: {reason}" if reason and sample.where else reason


def _image(sample: Sample) -> tuple[torch.Tensor | None, str]:
    if sample.fault or sample.path is None:
        return None, sample.fault
    picture = read_picture(sample.path)
    return picture.image, f"{sample.path}: {picture.fault}" if picture.fault else ""


def score_folder(
    folder: Path,
    suite_name: str,
    domain: Domain,
    out: Path | None = None,
    layout_name: str | None = None,
    verifiers: Sequence[str] = (),
    prompts_from: str | None = None,
    device: str = "auto",
    weights: Sequence[str] = (),
) -> list[str]:
    """Score a folder and write official results and scores.parquet into `out`, by default FOLDER-scores beside it; returns the summary.

    Raises:
        WrongInput: a folder that is not in the layout, or nothing that could score it.
    """
    if not folder.is_dir():
        raise WrongInput(f"{folder} is no folder: give one with images")
    target = out if out is not None else folder.with_name(f"{folder.resolve().name}-scores")
    check_writable(target)
    suite: Suite = open_suite(suite_name, prompts_from)
    form = layout(layout_name or ("t2i-compbench" if suite_name == "t2i-compbench" else "geneval"))
    if domain == "photo" and not verifiers:
        _check_domain(suite, form, folder)
    by_task = _by_task(suite, domain)
    contents = form.read(folder, by_task)
    scorer = _scorer(suite, domain, verifiers, device, weights)
    if not scorer.metrics:
        raise WrongInput(f"{scorer.cannot_grade}; name a verifier with --verifier to score the pictures by it")
    scored = list(scorer.score(contents.samples))
    name = display_name(suite.card.name, domain)
    write_scores(target, [row for one in scored for row in _rows(one, name, folder)])
    if not scorer.cannot_grade:
        for file, content in form.results(_graded(scored)).items():
            write_atomic(target / file, content.encode())
    return [*_summary(scored, scorer, contents, name, tuple(by_task)), f"tables: {target}"]


def _by_task(suite: Suite, domain: Domain) -> dict[str, list[Prompt]]:
    """Prompts by task; where they are not at hand, the tasks alone."""
    try:
        prompts = suite.prompts(domain)
    except ValueError:
        return {task: [] for task in suite.card.tasks}
    by_task: dict[str, list[Prompt]] = {}
    for prompt in prompts:
        by_task.setdefault(prompt.task, []).append(prompt)
    return by_task


def _check_domain(suite: Suite, form: Layout, folder: Path) -> None:
    """Raise WrongInput where most prompts are the suite's own of the shapes world, before weights for photographs are asked for."""
    by_task = _by_task(suite, "shapes")
    known = {prompt.text for of_task in by_task.values() for prompt in of_task}
    if not known:
        return
    try:
        texts = {one.prompt.text for one in form.read(folder, by_task).samples}
    except WrongInput:
        return  # the folder has not this form with these tasks; what it lacks is said when it is read
    if 2 * len(texts & known) > len(texts):
        raise WrongInput(f"most prompts of {folder} are those of {display_name(suite.card.name, 'shapes')}: give --domain shapes")


def _scorer(suite: Suite, domain: Domain, verifiers: Sequence[str], device: str, weights: Sequence[str]) -> Scorer:
    local, place = LocalWeights.parse(weights), pick_device(device)
    use_half_the_cores()
    chosen = {name: parse_verifier(name) for name in verifiers}
    for spec in chosen.values():
        if spec.domain != domain:
            raise WrongInput(f"verifier {spec.text} judges {spec.domain} images, not {domain}: give another --verifier or --domain")
        spec.find(local)
    if isinstance(suite, Equipped):
        suite.equip(place, local)
    reason = ""
    try:
        suite.grade(torch.zeros(0, 3, 1, 1, dtype=torch.uint8), [], domain)
    except ValueError as error:
        reason = str(error)
    loaded = {name: spec.load(place, local) for name, spec in chosen.items()}
    return Scorer(suite, domain, loaded, reason)


def _rows(one: Scored, suite: str, folder: Path) -> Iterator[dict[str, Any]]:
    sample = one.sample
    for metric, (value, reason) in one.metrics.items():
        yield {
            "suite": suite, "prompt_id": sample.prompt.id, "task": sample.prompt.task, "prompt": sample.prompt.text,
            "sample": sample.number, "image": "" if sample.path is None else sample.path.relative_to(folder).as_posix(),
            "metric": metric, "value": value, "reason": reason,
        }  # fmt: skip


def _graded(scored: Sequence[Scored]) -> list[Graded]:
    """The samples that the suite has a verdict on."""
    found = [(one, *one.metrics[GRADE]) for one in scored]
    return [Graded(one.sample, value, reason, one.details) for one, value, reason in found if not math.isnan(value)]


def _summary(
    scored: Sequence[Scored], scorer: Scorer, contents: Contents, name: str, tasks: Sequence[str]
) -> list[str]:
    """What a person reads: every metric per task and over all, what could not be scored, and the protocol."""
    asked = scorer.suite.card.images_per_prompt
    there = {(one.sample.prompt.id, one.sample.number) for one in scored if one.sample.path is not None}
    counts = Counter(name for name, _ in there)
    each = [counts[name] for name in dict.fromkeys(one.sample.prompt.id for one in scored)]
    images = sum(one.sample.path is not None for one in scored)
    lines = [f"{name}: {images} images of {len(each)} prompts", *contents.notes]
    if asked and set(each) != {asked}:
        here = f"{min(each)} to {max(each)}" if len(set(each)) > 1 else str(each[0])
        lines.append(f"protocol: {asked} images a prompt are published, {here} a prompt are here")
    if scorer.cannot_grade:
        lines.append(f"not graded: {scorer.cannot_grade}")
    for metric in scorer.metrics:
        lines += _of_metric(metric, scored, tasks, over_prompts=scorer.suite.card.overall_over == "prompts")
    faults = dict.fromkeys(reason for one in scored for value, reason in one.metrics.values() if math.isnan(value))
    return [*lines, *(f"not scored: {reason}" for reason in faults)]


def _of_metric(metric: str, scored: Sequence[Scored], tasks: Sequence[str], over_prompts: bool) -> list[str]:
    by_task: dict[str, list[float]] = {}
    for one in scored:
        by_task.setdefault(one.sample.prompt.task or "of no known task", []).append(one.metrics[metric][0])
    means = {}
    lines = []
    for task, values in by_task.items():
        known = [value for value in values if not math.isnan(value)]
        means[task] = sum(known) / len(known) if known else NAN
        left_out = f" ({len(values) - len(known)} not scored)" if len(known) < len(values) else ""
        lines.append(f"{metric} {task}: {means[task]:.4f} over {len(known)} images{left_out}")
    if over_prompts:
        known = [value for values in by_task.values() for value in values if not math.isnan(value)]
        mean = sum(known) / len(known) if known else NAN
        return [*lines, f"{metric} overall: {mean:.4f}, the mean of {len(known)} images"]
    known = [means[task] for task in tasks if not math.isnan(means.get(task, NAN))]
    overall = f"{sum(known) / len(known) if known else NAN:.4f}, the mean of {len(known)} of {len(tasks)} tasks"
    lacking = [task for task in tasks if math.isnan(means.get(task, NAN))]
    if lacking:
        return [*lines, f"{metric} over a part, not the suite's overall: {overall}; nothing is scored of {', '.join(lacking)}"]
    return [*lines, f"{metric} overall: {overall}"]
