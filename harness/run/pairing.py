"""Which model runs with which search: names resolved and every model paired with every search that fits, before any weight is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.config import RunConfig
from harness.entry import resolve
from harness.errors import WrongInput
from harness.model_spec import ModelSpec, parse_model
from harness.named_searches import INNER
from harness.registry import entries, entry
from harness.run.suites import shared_domain
from harness.search.base import Search
from harness.search.spec import fits, parse_search, shortest
from harness.values import ALL
from harness.weights.local import LocalWeights, found
from models.base import Domain
from verifiers.spec import VerifierSpec, parse_verifier


@dataclass(frozen=True, slots=True)
class Begun:
    """A run that is gone on with, or whose units are to be taken over: what it measures, `all` goes on to mean."""

    folder: Path
    metrics: frozenset[str]
    grows: bool = False
    """Whether its pictures are taken into a run of another folder, which can measure more of them."""


@dataclass(frozen=True, slots=True)
class Pairing:
    """The pairs of a run and the domain they share."""

    domain: Domain
    specs: Mapping[str, ModelSpec]
    """Every model asked for, by its shortest text."""
    searches: Mapping[str, Search]
    """By their shortest text."""
    pairs: tuple[tuple[str, str], ...]
    """(model, search) in the order asked for, only those that fit."""
    metrics: tuple[str, ...]
    """Verifiers that measure what was selected, besides those that guide."""
    notes: tuple[str, ...]
    """A sentence for every model and search that do not fit; of `all`, one for all searches of other families."""

    @property
    def models(self) -> tuple[str, ...]:
        """Models that take part, in the order asked for."""
        return tuple(dict.fromkeys(model for model, _ in self.pairs))

    def packages(self, model: str, search: str, verifiers: Iterable[str], suite: str) -> tuple[str, ...]:
        """Name and version of every other package that brings the model, the search, a verifier or the suite, each once."""
        wrapped = getattr(self.searches[search], INNER, None)
        parts = [
            *(member.entry for member in self.specs[model].members),
            *(entry("search", one.name) for one in (self.searches[search], wrapped) if one is not None),
            entry("suite", suite),
        ]
        judges = [one for text in verifiers for one in verifier_packages(text)]
        return tuple(sorted({*(part.package for part in parts if part.package), *judges}))


def verifier_packages(text: str) -> tuple[str, ...]:
    """Name and version of every other package that brings a verifier or a member of it."""
    return tuple(sorted({found for name in parse_verifier(text).names if (found := entry("verifier", name).package)}))


def pair_up(config: RunConfig, local: LocalWeights = LocalWeights(), begun: Begun | None = None) -> Pairing:  # noqa: B008 - immutable
    """Check every name and pair every model with every search; of all metrics, those are taken whose weights are here.

    With `begun`, those that it has, or, where it grows, these too: weights that came later would make another run of this one.

    Raises:
        UnknownName: a model, search, verifier or suite that is not registered.
        WrongInput: models of two domains, a verifier or metric of another domain, an ensemble as a metric, or no search
            that fits any of the models.
    """
    entry("suite", config.suite)
    specs = {spec.text: spec for spec in map(parse_model, config.models)}
    domain = _domain(config, specs)
    named = [text for text in config.searches if text != ALL]
    every = entries("search") if ALL in config.searches else ()
    searches = {shortest(search): search for search in map(parse_search, (*named, *every))}
    pairs, notes = [], []
    foreign: dict[str, list[str]] = {model: [] for model in specs}  # searches of `all` that are for other families
    for text, search in searches.items():
        misfits = {model: fits(search, spec.entry, model) for model, spec in specs.items()}
        for model, reason in misfits.items():
            if reason and text in every and specs[model].entry.family not in search.families:
                foreign[model].append(text)
            elif reason:
                notes.append(f"skipped {model} with {text}: {reason}")
        pairs += [(model, text) for model, reason in misfits.items() if not reason]
    notes += [
        f"skipped {model} with {', '.join(texts)}: they do not search {specs[model].entry.family} models"
        for model, texts in foreign.items() if texts
    ]  # fmt: skip
    if not pairs:
        if "searches" not in config.model_fields_set or every:
            raise WrongInput(f"no search of the default fits {', '.join(specs)}: give one (--search hybrid for a pair)")
        reasons = dict.fromkeys(note.partition(": ")[2] for note in notes)
        raise WrongInput(f"search {', '.join(searches)} fits none of the models: {'; '.join(reasons)}; give a search that fits with "
                         "--search, or a model with --model")  # fmt: skip
    pairs.sort(key=lambda pair: list(specs).index(pair[0]))
    metrics, absent = _metrics(config, domain, local, begun)
    return Pairing(domain, specs, searches, tuple(pairs), metrics, (*notes, *absent))


def _domain(config: RunConfig, models: Mapping[str, ModelSpec]) -> Domain:
    domain = shared_domain({name: model.entry.domain for name, model in models.items()})
    for verifier in config.verifiers:
        spec = _check_judged("verifier", verifier, domain, "give another --verifier")
        for name, model in models.items():
            for need in spec.needs:
                if not issubclass(resolve(model.entry.generator), resolve(need)):
                    raise WrongInput(f"verifier {verifier} needs a model that is {need.rpartition(':')[2]} and {name} is not: "
                                     "give only models that are with --model")  # fmt: skip
    return domain


def _check_judged(what: str, verifier: str, domain: str, action: str) -> VerifierSpec:
    spec = parse_verifier(verifier)
    if spec.domain and spec.domain != domain:
        raise WrongInput(f"{what} {verifier} judges {spec.domain} images, the models make {domain} images: {action}")
    return spec


def _metrics(config: RunConfig, domain: Domain, local: LocalWeights, begun: Begun | None) -> tuple[tuple[str, ...], list[str]]:
    """Metrics, and sentences for those of `all` that are left out: their weights are not here, or came later."""
    taken: list[str] = []
    absent: list[str] = []
    late: list[str] = []
    for name in config.metrics:
        if name == ALL:
            known = {one: it for one, it in entries("verifier").items() if it.domain in ("", domain) and not (it.ensemble or it.needs)}
            here = [one for one, it in known.items() if one in config.verifiers or found(one, it, local)]
            added = here if begun is None or begun.grows else []
            there = begun.metrics if begun else frozenset()
            kept = [one for one in known if one in config.verifiers or one in there or one in added]
            taken += kept
            absent += [one for one in known if one not in (*here, *kept)]
            late += [one for one in here if one not in kept]
            continue
        spec = _check_judged("metric", name, domain, "leave it out of metrics")
        if spec.needs:
            raise WrongInput(f"metric {name} cannot be read off an image, it only guides: leave it out of metrics")
        if spec.ensemble:
            raise WrongInput(f"metric {name} ranks within one pool and measures no single image: name its members")
        taken.append(name)
    notes = [f"not measured, as their weights are not on this machine: {', '.join(absent)}"] if absent else []
    if begun and late:
        notes.append(f"not measured, as the run in {begun.folder} has no scores by them: {', '.join(late)}; the same command with --reuse "
                     f"{begun.folder} and another --out measures them on its pictures, and draws none anew")  # fmt: skip
    return tuple(dict.fromkeys(taken)), notes
