"""What can be told at once: names, numbers, folders and files of prompts, looked at before the libraries that take seconds to import.

Whatever needs a model's class or a device is checked later, by those who know it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.assignments import members_of, name_of
from harness.config import ALL, FILE, Settings
from harness.errors import WrongInput
from harness.ledger import Unit
from harness.registry import entry, published_row
from harness.shard import Shard
from harness.weights.hub import GIGA
from results.files import MANIFEST
from verifiers.spec import parse_verifier


def check_settings(settings: Settings) -> None:
    """Check every name of a run and, where its prompts are a file's, that file.

    Raises:
        UnknownName: a suite, model, search, verifier or metric that is not registered.
        WrongInput: a parameter that a search does not have or a value that it cannot have, a verifier that is no verifier's text,
            a folder to reuse that holds no run, or a file without a prompt that can be run.
    """
    from harness.search.spec import parse

    entry("suite", settings.suite)
    for text in settings.models:
        for member in members_of(text):
            entry("model", name_of(member))
    for text in settings.searches:
        if text != ALL:
            parse(text)
    for text in (*settings.verifiers, *settings.metrics):
        if text != ALL:
            parse_verifier(text)
    _check_reused(settings)
    if settings.suite == FILE and settings.prompts_from is not None:
        _check_prompts(Path(settings.prompts_from).expanduser())


def _check_reused(settings: Settings) -> None:
    if settings.reuse and settings.unit is Unit.SECONDS:
        raise WrongInput("--reuse: under a budget in seconds every run has speeds, and so units, of its own: leave it out")
    for folder in settings.reuse:
        if not (Path(folder) / MANIFEST).is_file():
            raise WrongInput(f"--reuse: {folder} holds no run ({MANIFEST} is missing): give the folder of one")


def _check_prompts(path: Path) -> None:
    from suites.prompt_files import read_lines

    lines = read_lines(path)
    if all(one.fault for one in lines):
        raise WrongInput(f"none of the {len(lines)} prompts of {path} can be run: {lines[0].where}: {lines[0].fault}")


def check_shard(shard: Shard | None, out: Path | None) -> None:
    """Raise WrongInput for a shard whose folder nobody has named: without --out each machine, or working folder, takes its own."""
    if shard is not None and out is None:
        raise WrongInput(f"--shard {shard} needs --out: all {shard.count} shards write into one folder; give each the same --out DIR")


def check_published(texts: Sequence[str]) -> None:
    """Raise UnknownName or WrongInput for a model that is not registered, or is none of the published ones."""
    for text in texts:
        for member in members_of(text):
            name = name_of(member)
            published_row(name, entry("model", name))


def check_scored(folder: Path, suite: str, verifiers: Sequence[str]) -> None:
    """Raise WrongInput for a folder that is none, a suite that is not registered, or a verifier that is no verifier's text."""
    if not folder.is_dir():
        raise WrongInput(f"{folder} is no folder: give one with images")
    entry("suite", suite)
    for text in verifiers:
        parse_verifier(text)


def bytes_of(memory: str) -> list[int]:
    """Bytes of each device, from GB with commas between. Raises WrongInput for numbers that are none."""
    try:
        sizes = [int(float(part) * GIGA) for part in memory.split(",")]
    except (ValueError, OverflowError):
        sizes = []
    if not sizes or min(sizes) <= 0:
        raise WrongInput(f"--memory {memory!r} is no list of GB: write --memory 80, or --memory 24,24 for two devices")
    return sizes
