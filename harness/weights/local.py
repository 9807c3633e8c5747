"""From the names of a run to the local folders of their weights, before anything is loaded."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from harness.entry import Entry
from harness.errors import WrongInput, near
from harness.placing import check_placing
from harness.registry import entries, entry
from harness.weights.absent import Absent, AbsentWeights
from harness.weights.checks import check_telling
from harness.weights.hub import holds, locate, present
from harness.weights.repository import Repository

Result = TypeVar("Result")


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

    def check_used(self, names: Collection[str]) -> None:
        """Refuse what was given for names other than these. Raises WrongInput."""
        if unused := self.unused(names):
            raise WrongInput(f"--weights {unused[0]} is not used: {unused[0]} is not asked for; name it too, or leave the option out")

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
    """Folder of every role; those that were given are looked into first, before gigabytes are fetched for what is absent.

    Raises:
        WrongInput: a folder that was given is no copy of what it is given for or, by `tells` of its entry or `check_folders` beside the
            loader, another network's.
        DamagedWeights: a file is cut short or cannot be read.
        AbsentWeights: the cache lacks something, in one line for all of it.
    """
    if known.row is None:
        return {}
    parts = known.row.repositories
    looks = {role: partial(locate, one, local=local.folder(name, role), name=name, role=role if len(parts) > 1 else "")
             for role, one in parts.items()}  # fmt: skip
    given = {role: look() for role, look in looks.items() if local.folder(name, role)}
    for role, folder in given.items():
        check_telling(folder, parts[role], name)
    check_folders = known.beside("check_folders") if given else None
    if check_folders is not None:
        check_folders(known.row, given)
    others = [role for role in parts if role not in given]
    found = given | dict(zip(others, together(looks[role] for role in others), strict=True))
    return {role: found[role] for role in parts}


def check_given(name: str, known: Entry, local: LocalWeights) -> None:
    """Look into the folders given for it, whatever else of it is absent. Raises WrongInput, DamagedWeights."""
    if known.row is None or not any(local.folder(name, role) for role in known.row.repositories):
        return
    with suppress(AbsentWeights):
        find(name, known, local)


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
        WrongInput: a folder that was given, of whichever of the group, is no copy of what it is given for, or another network's.
        DamagedWeights: a file is cut short.
    """
    absent: list[Absent] = []
    for names in groups:
        for name in names:
            check_given(name, entry("grader", name), local)
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
        WrongInput: a published model that does not take this offload, or several devices.
    """
    make = known.resolve()  # imports the libraries
    for library in ("diffusers", "transformers"):
        logging = sys.modules.get(f"{library}.utils.logging")
        if logging is not None:  # their bars, one for each file, drown what this program says
            logging.disable_progress_bar()
    if known.row is None:
        return make(device, **(overrides or {}))
    check_placing(known, overrides or {}, offload, len(devices) > 1)
    placing: dict[str, Any] = {} if offload == "none" else {"offload": offload}
    if len(devices) > 1:
        placing["devices"] = devices
    return make(known.row, folders, device, known.row.merged(overrides or {}), **placing)
