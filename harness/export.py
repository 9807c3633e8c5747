"""`vistas export`: the images a run has selected, in the folder form of a benchmark's own evaluator."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from harness.compute.amounts import counted
from harness.config import FILE
from harness.errors import RunFailed, WrongInput
from harness.run.suites import open_suite
from reports.load import Runs, read_runs
from results.files import check_writable
from suites.base import Prompt, display_name
from suites.layouts.base import SOME, layout
from suites.pictures import is_undamaged

METHOD = ["model", "search", "verifier", "budget_unit", "budget"]


def export_run(
    run: Path, layout_name: str, out: Path | None = None, only: Mapping[str, Sequence[str | float]] | None = None
) -> list[str]:
    """Write every method of a run, or those that `only` keeps, each into its own folder; one image a prompt for each seed.

    Raises:
        WrongInput: a folder that is no run, a filter that keeps nothing, or a target that holds something already.
        RunFailed: an image of the run is missing or damaged; nothing is written.
    """
    runs = read_runs([run])
    prompts = _prompts(runs)
    selections = _kept(runs.selections, only or {})
    target = out if out is not None else run / f"export-{layout_name}"
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise WrongInput(f"{target} is not an empty folder: give another with --out")
    check_writable(target)
    form, lines = layout(layout_name), []
    methods = {_slug(key): _images(runs, rows, prompts) for key, rows in selections.groupby(METHOD, sort=False)}
    _check_whole(run, [path for images, _ in methods.values() for _, paths in images for path in paths])
    for name, (images, notes) in methods.items():
        folder = target / name
        each = max(len(paths) for _, paths in images)
        lines += [f"{folder}: {counted(sum(len(paths) for _, paths in images), 'image')} of {counted(len(images), 'prompt')}", *notes]
        lines += form.write(folder, images, each)
    lines.append(_graded_by(runs.manifests[0], layout_name))
    asked = int(runs.manifests[0]["suite"]["images_per_prompt"])
    seeds = selections["seed"].nunique()
    if asked and seeds != asked:
        lines.append(f"protocol: {asked} images a prompt are published, this run has {seeds}, one for each seed")
    return lines


def _graded_by(manifest: Mapping[str, Any], layout_name: str) -> str:
    """Who can grade what was written: a benchmark's own evaluator knows its own prompts alone."""
    suite, domain = manifest["configuration"]["suite"], manifest["suite"]["domain"]
    if layout_name == "flat":
        return "of no benchmark's form: `vistas score FOLDER" + (" --verifier NAME" if suite == FILE else f" --suite {suite}") + (
            "" if domain == "photo" else f" --domain {domain}") + "` scores it"  # fmt: skip
    if suite == FILE:
        return f"{layout_name}'s own evaluator cannot grade prompts of your own: score them by a verifier, `vistas score`"
    form = "" if suite == layout_name else f" --layout {layout_name}"
    command = f"`vistas score FOLDER --suite {suite}{form}{'' if domain == 'photo' else f' --domain {domain}'}`"
    if suite == layout_name and domain == "photo":
        return f"graded by {layout_name}'s own evaluator, or by {command}"
    return f"{layout_name}'s own evaluator cannot grade prompts of {display_name(suite, domain)}: {command} does"


def _prompts(runs: Runs) -> dict[str, Prompt]:
    """The suite's prompts by id, checked against the texts that were run; what the suite does not have is text alone."""
    configuration = runs.manifests[0]["configuration"]
    suite = open_suite(configuration["suite"], configuration.get("prompts_from"))
    try:
        known = {prompt.id: prompt for prompt in suite.prompts(runs.manifests[0]["suite"]["domain"])}
    except WrongInput:  # a prompt file may be gone; the tables have the texts
        known = {}
    found = {}
    for row in runs.selections.drop_duplicates("prompt_id").itertuples():
        name, text, task = str(row.prompt_id), str(row.prompt), str(row.task)
        prompt = known.get(name)
        found[name] = prompt if prompt is not None and prompt.text == text else Prompt(name, text, task)
    order = {name: n for n, name in enumerate(known)}
    return dict(sorted(found.items(), key=lambda one: order.get(one[0], len(order))))


def _kept(selections: pd.DataFrame, only: Mapping[str, Sequence[str | float]]) -> pd.DataFrame:
    for column, wanted in only.items():
        if not wanted:
            continue
        there = selections[column].unique()
        lacking = [value for value in wanted if value not in there]
        if lacking:
            raise WrongInput(f"the run has no {column} {lacking[0]}: it has {', '.join(map(str, there))}")
        selections = selections[selections[column].isin(wanted)]
    if selections.empty:
        raise WrongInput("the filters together keep nothing of the run: leave one out")
    return selections


def _images(
    runs: Runs, rows: pd.DataFrame, prompts: Mapping[str, Prompt]
) -> tuple[list[tuple[Prompt, list[Path]]], list[str]]:
    found, notes = [], []
    images_of = rows.sort_values("seed").groupby("prompt_id")["image"].agg(list).to_dict()
    for name, prompt in prompts.items():
        images = images_of.get(name, [])
        paths = [runs.image_path(0, image) for image in images if image]
        lacking = len(images) - len(paths)
        if lacking:
            notes.append(f"prompt {name}: {lacking} of {counted(len(images), 'seed')} returned no image")
        if paths:
            found.append((prompt, paths))
    if not found:
        raise WrongInput("no image was selected by this method: nothing to export")
    return found, notes


def _check_whole(run: Path, paths: Sequence[Path]) -> None:
    """Raise RunFailed where images are not as they were saved: they are named by their content, but nobody else would see it."""
    damaged = [path for path in dict.fromkeys(paths) if not is_undamaged(path)]
    if damaged:
        names = [str(path.relative_to(run.resolve())) for path in damaged]
        more = f" and {counted(len(names) - SOME, 'more image')}" if len(names) > SOME else ""
        them = "it" if len(names) == 1 else "them"
        raise RunFailed(
            f"{run}: {', '.join(names[:SOME])}{more} {'is' if len(names) == 1 else 'are'} missing or damaged, nothing is exported: "
            f"delete {them} and give the run's `vistas run` command again, which makes what is missing anew"
        )


def _slug(key: Sequence[object]) -> str:
    model, search, verifier, unit, budget = key
    amount = f"{float(str(budget)):g}"
    # Two budgets that are one in six digits are two folders.
    exact = amount if float(amount) == float(str(budget)) else str(budget)
    return re.sub(r"[^A-Za-z0-9.=-]+", "_", f"{model}-{search}-{verifier}-{exact}{unit}").strip("._") or "method"
