"""What a person reads of a scored folder: every metric per task and over all, what could not be scored, and the protocol."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from harness.compute.amounts import counted
from harness.score.scorer import NAN, Scored, Scorer
from suites.layouts.base import Contents, Sample


def summary(
    scored: Sequence[Scored], scorer: Scorer, contents: Contents, name: str, tasks: Sequence[str]
) -> list[str]:
    """What a person reads: every metric per task and over all, what could not be scored, and the protocol."""
    card = scorer.evaluator.suite.card
    asked = card.images_per_prompt
    there = {(one.sample.prompt.id, one.sample.number) for one in scored if one.sample.path is not None}
    counts = Counter(name for name, _ in there)
    each = [counts[name] for name in dict.fromkeys(one.sample.prompt.id for one in scored)]
    images = sum(one.sample.path is not None for one in scored)
    lines = [f"{name}: {counted(images, 'image')} of {counted(len(each), 'prompt')}", *contents.notes]
    if asked and set(each) != {asked}:
        here = f"{min(each)} to {max(each)}" if len(set(each)) > 1 else str(each[0])
        lines.append(f"protocol: {asked} images a prompt are published, {here} a prompt are here")
    for metric in scorer.metrics:
        lines += _of_metric(metric, scored, tasks, over_prompts=card.overall_over == "prompts")
    return [*lines, *(f"not scored: {fault}" for fault in _faults(scored))]


def _faults(scored: Sequence[Scored]) -> list[str]:
    """Every reason once, with the first of its pictures; those of a prompt's missing samples in one."""
    faults: dict[str, list[Sample]] = {}
    missing: dict[str, list[str]] = {}
    for one in scored:
        reasons = [reason for value, reason in one.metrics.values() if math.isnan(value)]
        if one.sample.path is None:
            missing.setdefault(one.sample.prompt.id, []).extend(dict.fromkeys(reasons))
        else:
            for reason in dict.fromkeys(reasons):
                faults.setdefault(reason, []).append(one.sample)
    several = (f"{first}, as are {len(more)} more of its samples" if more else first for first, *more in missing.values())
    return [*(_located(reason, samples) for reason, samples in faults.items()), *several]


def _located(reason: str, samples: Sequence[Sample]) -> str:
    """A reason with its first picture, where it names no file itself."""
    first = samples[0]
    if str(first.path) in reason or reason == first.fault or (first.where and reason.startswith(first.where)):
        return reason
    return f"{first.path}{f' and {len(samples) - 1} more' if len(samples) > 1 else ''}: {reason}"


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
        lines.append(f"{metric} {task}: {means[task]:.4f} over {counted(len(known), 'image')}{left_out}")
    every = [value for values in by_task.values() for value in values]
    scored_images = [value for value in every if not math.isnan(value)]
    images = counted(len(every), "image") if len(scored_images) == len(every) else f"{len(scored_images)} of {counted(len(every), 'image')}"
    if over_prompts:
        mean = sum(scored_images) / len(scored_images) if scored_images else NAN
        return [*lines, f"{metric} overall: {mean:.4f}, the mean of {images}"]
    known = [means[task] for task in tasks if not math.isnan(means.get(task, NAN))]
    overall = f"{sum(known) / len(known) if known else NAN:.4f}, the mean of {len(known)} of {len(tasks)} tasks, over {images}"
    lacking = [task for task in tasks if math.isnan(means.get(task, NAN))]
    if lacking:
        return [*lines, f"{metric} over a part, not the suite's overall: {overall}; nothing is scored of {', '.join(lacking)}"]
    return [*lines, f"{metric} overall: {overall}"]
