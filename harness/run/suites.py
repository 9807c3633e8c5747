"""A run's suite: opened by name, reading its prompts from a local path where one is given, with what has to be said about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from harness.assignments import members_of, name_of
from harness.compute.amounts import counted
from harness.config import FILE, Settings
from harness.errors import WrongInput
from harness.registry import EMBEDDED, entries, entry

if TYPE_CHECKING:
    from models.base import Domain


def suite_flags(suite: str | None, suite_file: Path | None, prompts_from: Path | None) -> dict[str, Any]:
    """Configuration keys of the options that name a suite.

    Raises:
        WrongInput: a file that is not there, or a suite and a file of prompts at once.
    """
    if suite_file is None:
        if suite is not None and suite not in entries("suite") and Path(suite).expanduser().is_file():
            raise WrongInput(f"suite {suite!r} is a file: write --suite-file {suite} to run its prompts")
        return {"suite": suite, "prompts_from": None if prompts_from is None else str(prompts_from)}
    if not suite_file.expanduser().is_file():
        raise WrongInput(f"--suite-file {suite_file} is {'a folder' if suite_file.is_dir() else 'not there'}: give a file of prompts")
    if suite not in (None, FILE) or prompts_from is not None:
        other = f"the suite's name {suite!r}" if suite not in (None, FILE) else f"--prompts-from {prompts_from}"
        raise WrongInput(f"--suite-file {suite_file} is a suite of its own: leave out {other}, as in: vistas run --suite-file {suite_file}")
    return {"suite": FILE, "prompts_from": str(suite_file)}


def open_suite(name: str, prompts_from: str | None = None) -> Any:
    """The suite of this name, before any prompt is read.

    Raises:
        UnknownName: a name that is not registered.
        WrongInput: a path for a suite that makes its own prompts.
    """
    from suites.base import Located

    suite = entry("suite", name).resolve()()
    if prompts_from is None:
        return suite
    if not isinstance(suite, Located):
        raise WrongInput(f"suite {name} makes its own prompts: leave out --prompts-from {prompts_from}")
    return suite.reading(Path(prompts_from))


def shared_domain(domains: Mapping[str, str]) -> Domain:
    """The domain of a run's models, from each one's by its name. Raises WrongInput where they differ."""
    if len(set(domains.values())) > 1:
        listed = ", ".join(f"{model} is {domain}" for model, domain in domains.items())
        raise WrongInput(f"models of different domains share no prompts ({listed}): run one domain at a time")
    return cast("Domain", next(iter(domains.values())))


def chosen_prompts(suite: Any, domain: Any, settings: Settings) -> tuple[Any, ...]:
    """The prompts to run; the default number is at most what there is.

    Raises:
        WrongInput: more prompts asked for than the suite has, a domain in which it has none, or a prompt of which the embedded
            models, where they are in the run, know no word.
    """
    from suites.shapes.unknown_words import check_known

    chosen = _chosen(suite, domain, settings)
    if embedded(settings.models):
        check_known([prompt.text for prompt in chosen])
    return chosen


def _chosen(suite: Any, domain: Any, settings: Settings) -> tuple[Any, ...]:
    from suites.base import Faulty
    from suites.sample import sample

    prompts, number = suite.prompts(domain), settings.prompts
    if number == "all" or ("prompts" not in settings.model_fields_set and number >= len(prompts)):
        return tuple(prompts)
    try:
        return sample(prompts, number, settings.sample_seed)
    except ValueError as error:
        faulty = suite.faulty(domain) if isinstance(suite, Faulty) else ()
        lost = f"; {len(faulty)} more cannot be run, the first is {faulty[0][1]}" if faulty else ""
        raise WrongInput(f"--prompts {number}: {error}{lost}") from error


def embedded(models: Sequence[str]) -> bool:
    """Whether one of these models, settings and pairs included, comes with the package, and so knows few words."""
    return any(name_of(member) in EMBEDDED for text in models for member in members_of(text))


def suite_notes(suite: Any, domain: Any, seeds: Sequence[int]) -> list[str]:
    """Sentences about the prompts, and where the run makes another number of images a prompt than is published."""
    from suites.base import Noted

    notes = list(suite.notes(domain)) if isinstance(suite, Noted) else []
    card = suite.card
    if card.images_per_prompt and len(seeds) != card.images_per_prompt:
        notes.append(
            f"protocol: {card.name} is published with {card.images_per_prompt} images a prompt, a search returns one for each seed: "
            f"this run has {len(seeds)}; the published number takes --seed {','.join(map(str, range(card.images_per_prompt)))}"
        )
    return notes


def prompt_notes(prompts: Sequence[Any], every: Sequence[Any]) -> list[str]:
    """A warning where the prompts of a run, of `every` one of the suite, are too few for its report to tell any difference from chance."""
    from results.prompts_needed import least_prompts

    counts = Counter(prompt.task for prompt in prompts)
    if len(prompts) >= least_prompts(len(counts)):
        task, count = min(counts.items(), key=lambda one: one[1])
        few = f"one prompt of {task}: too few for intervals, which take two of every task, so no difference can be told from chance"
        return [] if count > 1 else [f"{few}; add one, or put that one in another task"]
    least = least_prompts(len({prompt.task for prompt in every}))  # a sample as large has prompts of every task
    advice = f"give at least --prompts {least} (make: PROMPTS={least})" if least <= len(every) else (
        f"that takes {least}, and the suite has {len(every)}"
    )  # fmt: skip
    return [f"{counted(len(prompts), 'prompt')}: too few for intervals, so no difference can be told from chance; {advice}"]
