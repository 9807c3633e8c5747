"""What can be told at once: names, numbers, folders and files of prompts, looked at before the libraries that take seconds to import.

Whatever needs a model's class or a device is checked later, by those who know it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.assignments import members_of, name_of
from harness.compute.ledger import Unit
from harness.config import Settings
from harness.device_names import check_device_names
from harness.errors import WrongInput, near
from harness.registry import BESIDE, EMBEDDED, entries, entry, kind_beside, published_row
from harness.run.shard import Shard
from harness.run.suites import chosen_prompts, open_suite, shared_domain
from harness.values import ALL
from harness.weights.hub import given_folder
from harness.weights.local import LocalWeights, published
from models.base import Domain
from results.files import MANIFEST
from suites.base import Equipped, Located
from verifiers.spec import parse_verifier

if TYPE_CHECKING:
    from harness.search.base import Search

MOST = 1e9
"""Passes, images or seconds of a prompt: more than any model needs for the most images that a run plans."""


def check_settings(settings: Settings, out: Path | None = None) -> None:
    """Check every name of a run, the paths of its weights and, where they are on this machine, its prompts.

    Raises:
        UnknownName: a suite, model, search, verifier or metric that is not registered.
        WrongInput: a parameter that a search does not have or a value that it cannot have, a verifier that is no verifier's text,
            a folder to reuse that holds no run, a device that is none, models of two domains, weights where nothing is, more prompts
            than the suite has, or a suite without prompts for the models.
    """
    from harness.search.spec import parse_search

    check_device_names(settings.device)
    entry("suite", settings.suite)
    models = [name_of(member) for text in settings.models for member in members_of(text)]
    domain = shared_domain({name: entry("model", name).domain for name in models})
    _check_budgets(settings, [parse_search(text) for text in settings.searches if text != ALL])
    known = entries("verifier")
    for text in settings.metrics:
        if "," in text and all(part in known for part in text.split(",")):
            raise WrongInput(f"metrics={text}: several are a list: --set 'metrics=[{text}]'")
    judges = [parse_verifier(text) for text in (*settings.verifiers, *settings.metrics) if text != ALL]
    _check_reused(settings, out)
    suite = open_suite(settings.suite, settings.prompts_from)
    _check_weights(settings, {*models, *(name for judge in judges for name in judge.names), *_taken_if_here(settings, suite, domain)})
    if not isinstance(suite, Located) or suite.at_hand(domain):  # the hub is asked for prompts when all weights have been looked for
        chosen_prompts(suite, domain, settings)


def _check_budgets(settings: Settings, searches: Sequence[Search]) -> None:
    """Raise WrongInput for a budget that is one in another unit, whatever the model: what it buys exactly is seen when it is loaded."""
    from harness.search.adaptive import as_large_as_it_may

    largest = max(settings.budgets)
    if settings.unit is Unit.FLOPS or largest <= MOST or not (ALL in settings.searches or any(map(as_large_as_it_may, searches))):
        return
    raise WrongInput(f"a budget of {largest:g} {settings.unit.value} for each prompt is more than any search plans: is it in --unit flops?")


def _taken_if_here(settings: Settings, suite: Any, domain: Domain) -> Iterator[str]:
    """Names of what a run takes where its weights are here: graders, and verifiers that measure."""
    if isinstance(suite, Equipped):
        yield from (name for group in suite.graders(domain) for name in group)
    if ALL in settings.metrics:
        yield from (name for name, known in entries("verifier").items() if known.domain in ("", domain))


def _check_weights(settings: Settings, names: Collection[str]) -> None:
    """What was given for these names is there; that it is what it should be is seen when it is read."""
    local = LocalWeights.parse(settings.weights)
    for name, roles in published().items():
        for role, repository in roles.items():
            given = local.folder(name, role)
            if given is not None and name in names:
                given_folder(given, repository)


def _check_reused(settings: Settings, out: Path | None) -> None:
    if settings.reuse and settings.unit is Unit.SECONDS:
        raise WrongInput("--reuse: under a budget in seconds every run has speeds, and so units, of its own: leave it out")
    for folder in settings.reuse:
        if not (Path(folder) / MANIFEST).is_file():
            raise WrongInput(f"--reuse: {folder} holds no run ({MANIFEST} is missing): give the folder of one")
        if out is not None and Path(folder).resolve() == out.resolve():
            raise WrongInput(f"--reuse {folder} is the folder of --out: give another --out, or leave --reuse out to go on with this run")


def check_shard(shard: Shard | None, out: Path | None) -> None:
    """Raise WrongInput for a shard whose folder nobody has named: without --out each machine, or working folder, takes its own."""
    if shard is not None and out is None:
        raise WrongInput(f"--shard {shard} needs --out: all {shard.count} shards write into one folder; give each the same --out DIR")


def check_each_once(folders: Sequence[Path]) -> None:
    """Raise WrongInput for a folder that is given twice, where two runs were meant."""
    places = [folder.resolve() for folder in folders]
    for folder, place in zip(folders, places, strict=True):
        if places.count(place) > 1:
            raise WrongInput(f"{folder} is given more than once: give each run once")


def check_published(texts: Sequence[str]) -> None:
    """Raise UnknownName or WrongInput for a model that is not registered, or is none of the published ones."""
    for text in texts:
        for member in members_of(text):
            name = name_of(member)
            published_row(name, entry("model", name))


def check_models_and_beside(texts: Sequence[str]) -> None:
    """Raise WrongInput for a name of no model, verifier, grader or network of features; of models as `check_published` does."""
    known = {"models": entries("model"), **{f"{kind.removesuffix('s')}s": entries(kind) for kind in BESIDE}}
    every = [name for names in known.values() for name in names]
    for name in (name_of(member) for text in texts for member in members_of(text)):
        if name not in every:
            hint = near(name, every)
            lists = "; ".join(f"known {kind}: {', '.join(names)}" for kind, names in known.items())
            raise WrongInput(f"unknown model, verifier or grader {name!r}; {hint and hint + ' '}{lists}")
    models = (member for text in texts if not kind_beside(text) for member in members_of(text))
    check_published([text for text in models if name_of(text) not in EMBEDDED])


def check_measured(text: str, verifiers: Sequence[str], device: str, random_weights: bool, tiny: bool, resting: bool) -> None:
    """Raise UnknownName or WrongInput for a model, or verifiers, that `bench-model` cannot measure so, whatever the model's settings.

    resting: networks are to rest in host memory.
    """
    for verifier in verifiers:
        parse_verifier(verifier)
    check_device_names(device)
    known = [entry("model", name_of(member)) for member in members_of(text)]
    if len(known) > 1:
        raise WrongInput(f"{text} is a pair: name one of its models at a time")
    if known[0].row is None and tiny:
        raise WrongInput(f"--tiny shrinks published models, and {name_of(text)} is none: leave it out")
    if known[0].row is not None and not random_weights:
        raise WrongInput(f"bench-model measures random weights only, it does not read those of {text}: add --random-weights")
    if resting and "," in device:
        raise WrongInput("--offload does not go with several devices: give one, or no --offload")


def check_scored(folder: Path, suite: str | None, verifiers: Sequence[str], device: str) -> None:
    """Raise WrongInput for a folder that is none, or a run's, a suite that is not registered, a verifier that is no verifier's text,
    or a device that is none."""
    check_device_names(device)
    if not folder.is_dir():
        raise WrongInput(f"{folder} is no folder: give one with images")
    if (folder / MANIFEST).is_file() and (folder / "parts").is_dir():
        raise WrongInput(
            f"{folder} is a run, whose images have scores: `vistas report {folder}` shows them, and `vistas export {folder}` writes the "
            "images into folders that can be scored again"
        )
    if suite is not None:
        entry("suite", suite)
    for text in verifiers:
        parse_verifier(text)
