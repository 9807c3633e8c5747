"""From the names of a run to the local folders of their weights, before anything is loaded."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from harness.entry import Entry
from harness.errors import WrongInput, near
from harness.registry import entries, entry
from harness.weights.absent import Absent, AbsentWeights
from harness.weights.hub import holds, locate, present
from harness.weights.repository import Repository

Result = TypeVar("Result")


@runtime_checkable
class Inspectable(Protocol):
    """What can tell its own folders from another model's before they are loaded."""

    def check_folders(self, folders: Mapping[str, Path]) -> None:
        """Look into folders by role. Raises WrongInput, DamagedWeights."""


@dataclass(frozen=True)
class LocalWeights:
    """Folders given by hand: of a whole model or verifier, or of one of its roles."""

    folders: Mapping[tuple[str, str], Path] = field(default_factory=dict)
    """(name, role) to folder; role "" is for every role that has none of its own and is not another repository's than the folder's."""

    @classmethod
    def parse(cls, texts: Sequence[str]) -> LocalWeights:
        """From NAME=PATH and NAME.role=PATH.

        Raises:
            WrongInput: another form, a name without published weights, or a role that it does not have.
        """
        folders: dict[tuple[str, str], Path] = {}
        for text in texts:
            key, equals, path = text.partition("=")
            if not equals or not path:
                raise WrongInput(f"--weights {text!r} is not NAME=PATH or NAME.role=PATH: write --weights flux-dev=/data/flux")
            folders[_name_and_role(key.strip(), text)] = Path(path.strip())
        return cls(folders)

    def unused(self, names: Collection[str]) -> list[str]:
        """What was given for names other than these."""
        return [name for name in dict.fromkeys(name for name, _ in self.folders) if name not in names]

    def folder(self, name: str, role: str) -> Path | None:
        """The folder given for a role, None where none is, or where the one for every role is a copy of other repositories alone."""
        own, every = self.folders.get((name, role)), self.folders.get((name, ""))
        if own is not None or every is None:
            return own
        return None if _of_others(every, published().get(name, {}), role) else every


def _of_others(folder: Path, parts: Mapping[str, Repository], role: str) -> bool:
    """Whether the folder holds nothing whole of this role's repository, and another repository's files for every role of it."""
    held: dict[str, list[bool]] = {}
    for one in parts.values():
        held.setdefault(one.repo, []).append(holds(folder, one))
    return role in parts and not any(held[parts[role].repo]) and any(map(all, held.values()))


def _name_and_role(key: str, text: str) -> tuple[str, str]:
    known = published()
    if key in known:
        return key, ""
    name, _, role = key.rpartition(".")
    if name not in known:
        hint = near(key, list(known))
        raise WrongInput(f"--weights {text!r}: {key!r} has no published weights; {hint and hint + ' '}known: {', '.join(known)}")
    if role not in known[name]:
        raise WrongInput(f"--weights {text!r}: {name} has no role {role!r}; its roles: {', '.join(known[name])}")
    return name, role


def published() -> dict[str, Mapping[str, Repository]]:
    """Repositories by role of every model, verifier, grader and network of features that has published weights."""
    return {
        name: known.row.repositories
        for kind in ("model", "verifier", "grader", "features") for name, known in entries(kind).items() if known.row is not None
    }  # fmt: skip


def find(name: str, known: Entry, local: LocalWeights) -> dict[str, Path]:
    """Folder of every role. Raises MissingWeights or DamagedWeights, one line."""
    if known.row is None:
        return {}
    parts = known.row.repositories
    folders = together(
        partial(locate, one, local=local.folder(name, role), name=name, role=role if len(parts) > 1 else "")
        for role, one in parts.items()
    )
    return dict(zip(parts, folders, strict=True))


def check_given(name: str, known: Entry, local: LocalWeights) -> None:
    """Look into the folders given for it, whatever else of it is absent.

    Raises:
        WrongInput: one is no copy of what it is given for, or another model's.
        DamagedWeights: a file is cut short or cannot be read.
    """
    if known.row is None or not any(local.folder(name, role) for role in known.row.repositories):
        return
    try:
        folders = find(name, known, local)
    except AbsentWeights:
        return
    if isinstance(known.row, Inspectable):
        known.row.check_folders(folders)


def together(looked: Iterable[Callable[[], Result]], spare: Sequence[Absent] = ()) -> list[Result]:
    """What each gives. Raises AbsentWeights, in one line for all of them, after every one has been looked for.

    `spare` is absent too but could be done without: it is named in that line, and by itself no reason for one.
    """
    results: list[Result] = []
    absent: list[Absent] = []
    for look in looked:
        try:
            results.append(look())
        except AbsentWeights as error:
            absent += error.absent
    if absent:
        raise AbsentWeights(absent, spare)
    return results


def absent_graders(groups: Iterable[Sequence[str]], local: LocalWeights) -> list[Absent]:
    """What is absent of a suite's graders: of each group of them, files of the first where none of the group is here.

    Raises:
        MissingWeights: a folder that was given is no copy of what it is given for.
        DamagedWeights: a file is cut short.
    """
    absent: list[Absent] = []
    for names in groups:
        here = [name for name in names if found(name, entry("grader", name), local)]
        try:
            for name in here or names[:1]:
                find(name, entry("grader", name), local)
        except AbsentWeights as error:
            absent += error.absent
    return absent


def some_grader(groups: Iterable[Sequence[str]], local: LocalWeights) -> bool:
    """Whether any of a suite's graders is on this machine."""
    return any(found(name, entry("grader", name), local) for names in groups for name in names)


def found(name: str, known: Entry, local: LocalWeights) -> bool:
    """Whether everything it needs is on this machine: always true of what comes with the package."""
    if known.row is None:
        return True
    return all(local.folder(name, role) or present(one) for role, one in known.row.repositories.items())


def build(
    known: Entry, folders: Mapping[str, Path], device: Any, overrides: Mapping[str, Any] | None = None, offload: str = "none",
    devices: Sequence[Any] = (),
) -> Any:
    """Build a registered model or verifier from the folders that `find` gave.

    devices: several to divide a published model over, `device` first; what comes with the package is small and is on `device`.
    Raises:
        WrongInput: a published model whose loader knows no offload, or no several devices.
    """
    make = known.resolve()
    if known.row is None:
        return make(device, **(overrides or {}))
    placing: dict[str, Any] = {} if offload == "none" else {"offload": offload}
    if placing and "offload" not in signature(make).parameters:
        raise WrongInput(f"model {known.row.name} cannot be offloaded, its loader knows no offload={offload}: use offload=none")
    if len(devices) > 1:
        placing["devices"] = devices
        if "devices" not in signature(make).parameters:
            raise WrongInput(f"model {known.row.name} cannot be divided, its loader knows no devices: give one device")
    return make(known.row, folders, device, known.row.merged(overrides or {}), **placing)
