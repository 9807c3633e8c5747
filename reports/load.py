"""Run folders read for a report: several runs become one set of tables; runs that contradict each other are refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pyarrow as pa

from harness.compute import amounts
from harness.compute.ledger import COST_COLUMNS
from harness.errors import WrongInput, first_line
from reports.keys import IDENTITY
from reports.overlap import ConflictingRuns, on_shared_prompts
from reports.unfinished import OF_RUN, OF_RUNS, Common, failures_of, is_unfinished, join_parts, nothing_of
from results.manifest import read_manifest
from results.parts import Making
from results.schema import ADDED, CANDIDATES, MEASURED, SELECTIONS, TABLES
from results.store import Store

_INCIDENTAL = {*MEASURED, *ADDED, "unit", "image"}
_SHOWN = {"candidates": [column.name for column in CANDIDATES if column.name not in {"unit", "task", "family", *COST_COLUMNS}]}
"""Columns of the largest table that a report reads; of the others all."""
_COMPARED = [column.name for column in SELECTIONS if column.name not in _INCIDENTAL]


@dataclass(frozen=True, slots=True)
class Runs:
    """The tables of one or more runs, with a column `run`: the index into `folders` and `manifests`; of `candidates` what is shown."""

    folders: tuple[Path, ...]
    manifests: tuple[dict[str, Any], ...]
    candidates: pd.DataFrame
    selections: pd.DataFrame
    scores: pd.DataFrame
    unfinished: tuple[str, ...] = ()
    """Sentences on what is there of runs that are not finished; none for finished ones."""
    repeated: int = 0
    """Selections that are in more than one of the runs, and taken once."""
    makings: Mapping[tuple[int, str], Making] = field(default_factory=dict)
    """Run and unit to how it was made; without those whose parts are not there any more."""
    cut: tuple[str, ...] = ()
    """Sentences on what is left out of runs on different prompts; none where all have the same."""

    @property
    def sources(self) -> int:
        """States of vistas' source that the units were made by."""
        return max(1, len({making.source for making in self.makings.values()}))

    @property
    def suite(self) -> str:
        """The suite with its domain, such as geneval@shapes."""
        return str(self.selections["suite"].iloc[0])

    @property
    def verifiers(self) -> tuple[str, ...]:
        """Guiding verifiers in the order the runs were asked for: the first is the one the first screen shows."""
        asked = [name for manifest in self.manifests for name in manifest["configuration"]["verifiers"]]
        present = set(self.selections["verifier"].unique())
        return tuple(name for name in dict.fromkeys([*asked, *sorted(present)]) if name in present)

    @property
    def rank_verifiers(self) -> frozenset[str]:
        """Ensembles: their scores compare within one prompt's pool only."""
        cards = [card for manifest in self.manifests for card in manifest["verifiers"].items()]
        return frozenset(name for name, card in cards if len(card["parts"]) > 1)

    @property
    def over_prompts(self) -> bool:
        """Whether prompts weigh the same in the suite's overall figure, not tasks."""
        return bool(self.manifests[0]["suite"].get("overall_over") == "prompts")

    @property
    def domain(self) -> str:
        """photo, or what the suite's name carries after the @."""
        return self.suite.partition("@")[2] or "photo"

    def image_path(self, run: int, relative: str) -> Path:
        """Where a picture named in the tables lies; raises WrongInput when it would lie outside its run folder."""
        folder = self.folders[run].resolve()
        path = (folder / relative).resolve()
        if not path.is_relative_to(folder):
            raise WrongInput(f"image {relative!r} lies outside its run folder {folder}: do not trust these tables; run again")
        return path


def read_runs(run_dirs: Sequence[Path], unfinished: bool = False) -> Runs:
    """Read and concatenate run folders; with `unfinished` also what there is of runs that lack their tables.

    Raises WrongInput for a folder without finished tables, or with one that is damaged or lacks a column of its schema, and
    ConflictingRuns when the runs contradict each other.
    """
    folders = tuple(Path(folder) for folder in run_dirs)
    if not folders:
        raise WrongInput("no run folder given: name at least one")
    manifests = tuple(_manifest(folder) for folder in folders)
    if not unfinished:
        _refuse_unfinished(folders)
    common, there, each = Common(), dict[int, str](), []
    for run, (folder, manifest) in enumerate(zip(folders, manifests, strict=True)):
        if is_unfinished(folder):
            parts, number = _parts(folder, manifest)
            number += nothing_of(manifest, parts) + failures_of(folder)
            there[run] = f"{folder.name}: {number}" if len(folders) > 1 else number
            each.append(common.cut(parts, OF_RUN, len(manifest["configuration"]["seeds"])))
        else:
            each.append(_tables(folder, folder, manifest))
    # Popped, as the tables of a run in memory twice are gigabytes.
    tables = {name: pd.concat([one.pop(name).assign(run=run) for run, one in enumerate(each)], ignore_index=True) for name in TABLES}
    selections = tables["selections"]
    if selections.empty:
        raise WrongInput(f"no selections in {', '.join(map(str, folders))}: no unit is finished; run again")
    _refuse_conflicts(folders, manifests, selections)
    tables, cut = on_shared_prompts(tables, folders, there)
    selections = tables["selections"]
    _refuse_two_results(selections)
    owners = selections.groupby(IDENTITY, dropna=False)["run"]
    owner, often = owners.min(), owners.nunique() > 1
    tables = {name: _first_of_repeats(table, owner) for name, table in tables.items()}
    sentences: tuple[str, ...] = ()
    if there:
        tables = common.cut(tables, OF_RUNS)
        asked = {manifest["suite"].get("prompts_run") for manifest in manifests}
        sentences = common.sentences([*there.values()], tables["selections"], asked.pop() if len(asked) == 1 else None)
    left = tables["selections"].groupby(IDENTITY, dropna=False).size().index
    repeated = int(often.reindex(left).sum())
    makings = {(run, key): making for run, folder in enumerate(folders) for key, making in Store(folder).makings().items()}
    shown = (tables["candidates"], tables["selections"], tables["scores"])
    return Runs(folders, manifests, *shown, sentences, repeated, makings, cut)


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    if not path.is_file():
        raise WrongInput(f"{folder} is no run folder (no manifest.json): name the folder that `vistas run` printed")
    return read_manifest(path)


def _refuse_unfinished(folders: Sequence[Path]) -> None:
    for folder in filter(is_unfinished, folders):
        raise WrongInput(f"the run in {folder} is not finished, its tables are missing: give the same `vistas run` command again")


def _parts(folder: Path, manifest: Mapping[str, Any]) -> tuple[dict[str, pd.DataFrame], str]:
    """Tables of what is there of a run that is not finished, and how much this is."""
    with TemporaryDirectory(prefix="vistas-") as place:
        number = join_parts(folder, Path(place))
        return _tables(Path(place), folder / "parts", manifest), number


def _tables(place: Path, folder: Path, manifest: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """The tables that lie in `place` and are of `folder`."""
    return _completed({name: _read(place / f"{name}.parquet", _SHOWN.get(name)) for name in TABLES}, folder, manifest)


def _read(path: Path, columns: list[str] | None) -> pd.DataFrame:
    try:
        return pd.read_parquet(path, columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise WrongInput(f"{path} is damaged ({first_line(error)}): the `vistas run` command that made it makes it again "
                         "from what is in parts/") from error  # fmt: skip


def _completed(tables: Mapping[str, pd.DataFrame], folder: Path, manifest: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """Tables with NaN in columns that their schema, the manifest's, did not have."""
    schema, found = int(manifest["schema_version"]), {}
    for name, frame in tables.items():
        lacking = [column.name for column in TABLES[name] if column.name in ADDED and column.name not in frame]
        for column in lacking:
            if schema >= ADDED[column]:
                raise WrongInput(
                    f"{folder / name}.parquet has no column {column}, which tables have from schema {ADDED[column]} on and the manifest "
                    f"says {schema}: the table was changed after the run; give the same `vistas run` command again"
                )
        found[name] = frame.assign(**dict.fromkeys(lacking, float("nan")))
    return found


def _refuse_conflicts(folders: Sequence[Path], manifests: Sequence[dict[str, Any]], selections: pd.DataFrame) -> None:
    suites = sorted(selections["suite"].unique())
    if len(suites) > 1:
        raise ConflictingRuns(f"runs of {' and '.join(suites)} in one report: build one report for each suite")
    versions = sorted({str(manifest["suite"].get("version")) for manifest in manifests})
    if len(versions) > 1:
        raise ConflictingRuns(f"runs of versions {' and '.join(versions)} of {suites[0]} in one report: run them again with one version")
    texts = selections.groupby("prompt_id")["prompt"].nunique()
    if (texts > 1).any():
        raise ConflictingRuns(
            f"prompt {texts.idxmax()} has another text in one of these runs than in another: run them again on the same prompts"
        )
    known: dict[tuple[str, str], tuple[str, Path]] = {}
    for folder, manifest in zip(folders, manifests, strict=True):
        for name, digest in weight_hashes(manifest).items():
            first, where = known.setdefault(name, (digest, folder))
            if first != digest:
                raise ConflictingRuns(
                    f"{name[1]} has other weights in {folder} ({digest[:12]}) than in {where} ({first[:12]}): "
                    "report them separately, or run both again with the same weights"
                )


def _refuse_two_results(selections: pd.DataFrame) -> None:
    repeated = selections[selections.duplicated(IDENTITY, keep=False)]
    differing = repeated.drop_duplicates(_COMPARED).duplicated(IDENTITY)
    if differing.any():
        row = repeated.loc[differing[differing].index[0]]
        raise ConflictingRuns(
            f"two results for {row['model']} + {row['search']} by {row['verifier']}, seed {row['seed']}, budget "
            f"{amounts.budget(row['budget'], row['budget_unit'])}, prompt {row['prompt_id']}: leave out the run that is out of date"
        )


def weight_hashes(manifest: dict[str, Any]) -> dict[tuple[str, str], str]:
    """(kind, name) of every model and verifier in a manifest to the hash of its weights."""
    return {
        (kind, name): str(card["weights_sha256"])
        for kind in ("models", "verifiers")
        for name, card in manifest.get(kind, {}).items()
        if card.get("weights_sha256")
    }


def _first_of_repeats(table: pd.DataFrame, owner: pd.Series) -> pd.DataFrame:
    """Rows of the first run that has the prompt's result; other runs' copies of it are dropped."""
    if table.empty or table["run"].nunique() == 1:
        return table
    first = owner.reindex(pd.MultiIndex.from_frame(table[IDENTITY])).to_numpy()
    # Candidates of a pool carry the largest budget of their run, which need not be a selection of the other run.
    return table[(first == table["run"].to_numpy()) | pd.isna(first)].reset_index(drop=True)
