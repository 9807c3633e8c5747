"""`vistas fetch`, and what `vistas list` says about published weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.assignments import name_of
from harness.compute.amounts import counted
from harness.entry import Entry
from harness.errors import WrongInput, unknown
from harness.registry import entries
from harness.weights.absent import Absent, AbsentWeights
from harness.weights.checks import checked_whole
from harness.weights.download import fetch
from harness.weights.hub import locate, snapshot
from harness.weights.local import LocalWeights, found, published
from harness.weights.repository import Repository, gigabytes


def fetch_all(names: Sequence[str]) -> Iterator[str]:
    """Download every repository of these models, verifiers and graders, each once; yields what is done, line by line.

    Raises:
        WrongInput: a name without published weights, a full disk, or weights that cannot be had.
        DamagedWeights: what arrived is not what is published.
    """
    done: set[tuple[str, tuple[str, ...]]] = set()
    for name, parts in _parts(names).items():
        if len(parts) > 1:
            yield f"{name}: {gigabytes(sum(one.bytes for one in parts.values()))} in all: {', '.join(parts)}"
        for role, repository in parts.items():
            key = (repository.address, repository.files)
            if key in done:
                continue
            done.add(key)
            gate = f", gated: terms at {repository.address}" if repository.gated else ""
            yield f"{name} {role}: {repository.repo}, {repository.size}, licence {repository.licence}{gate}"
            folder = fetch(repository)
            kept = repository.formerly and folder == snapshot(repository.formerly, repository)
            here = f"here already under its former name {repository.formerly}, " if kept else ""
            yield f"{name} {role}: {here}checked, in {folder}"


def check_all(names: Sequence[str], local: LocalWeights) -> Iterator[str]:
    """Read every file of these models, verifiers and graders that is here, and compare it with its published hash.

    Raises:
        WrongInput: a name without published weights; or, after all that is here, weights that are not.
        DamagedWeights: a file is not what is published, or cut short.
    """
    absent: list[Absent] = []
    asked = _parts(names)
    local.check_used(tuple(asked))
    for name, parts in asked.items():
        for role, repository in parts.items():
            try:
                folder = locate(repository, local=local.folder(name, role), name=name, role=role if len(parts) > 1 else "")
            except AbsentWeights as error:
                absent += error.absent
                continue
            compared, unknown = checked_whole(folder, repository)
            rest = f", {unknown} with no known hash" if unknown else ""
            none = f"none of {counted(unknown, 'file')} could be compared: no hash is known"
            said = f"{counted(compared, 'file')} as published{rest}" if compared else none
            yield f"{name} {role}: {said}, in {folder}"
    if absent:
        raise AbsentWeights(absent)


def _parts(names: Sequence[str]) -> dict[str, Mapping[str, Repository]]:
    """The repositories of each name by role. Raises WrongInput."""
    known, found = published(), {}
    for name in map(name_of, names):
        if name not in known:
            embedded = any(name in entries(kind) for kind in ("model", "verifier"))
            raise WrongInput(
                f"{name} comes with the package: there is nothing to fetch" if embedded
                else unknown("published model, verifier or grader", name, list(known))
            )  # fmt: skip
        found[name] = known[name]
    return found


def described(known: Entry) -> str:
    """One line about a registered thing."""
    kinds = ", ".join(filter(None, (known.family, known.domain)))
    if known.row is not None:
        kinds += f"; {_terms(known)}"
    if known.package:
        kinds += f"{'; ' if kinds else ''}of {known.package}"
    return known.summary + (f" ({kinds})" if kinds else "")


def _terms(known: Entry) -> str:
    repositories = known.row.repositories.values()
    size = gigabytes(sum(repository.bytes for repository in repositories))
    gate = ", gated" if any(repository.gated for repository in repositories) else ""
    here = "weights here" if found("", known, LocalWeights()) else "weights not here"
    return f"{known.row.licence}{gate}; download {size}, {here}"
