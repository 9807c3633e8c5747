"""A report of a run that was interrupted: of what is there, said to be unfinished, and nothing else touched."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection
from pathlib import Path

import pandas as pd
import pytest

from harness.errors import WrongInput
from reports.answer import answer
from reports.build import build_report
from reports.load import Runs, read_runs
from reports.overlap import ConflictingRuns
from reports.summary import summarise
from results.schema import TABLES
from results.store import Store

pytestmark = pytest.mark.usefixtures("without_figures")
BEAM = "beam:width=2"
Unit = tuple[str, float, int]
"""Search, budget and half of the prompts (0 or 1)."""
UNITS: tuple[Unit, ...] = tuple((search, budget, half) for search in ("random", BEAM) for budget in (56.0, 112.0) for half in (0, 1))


@pytest.fixture(scope="module")
def whole(make_run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A finished run with these fields, made once for all tests, which only read it."""
    made: dict[str, Path] = {}

    def make(**fields: object) -> Path:
        key = str(fields)
        if key not in made:
            made[key] = whole_run(make_run, tmp_path_factory.mktemp("whole") / "run", **fields)
        return made[key]

    return make


@pytest.fixture
def interrupted(whole: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """A run of UNITS of which these are finished; it has parts and no tables."""

    def make(finished: Collection[Unit], name: str = "run", **fields: object) -> Path:
        made = whole(**fields)
        run = tmp_path / name
        (run / "parts").mkdir(parents=True)
        shutil.copy(made / "manifest.json", run)
        shutil.copytree(made / "images", run / "images")
        tables = {name: pd.read_parquet(made / f"{name}.parquet") for name in TABLES}
        store = Store(run)
        store.keep_units([key(unit) for unit in UNITS])
        for unit in finished:
            store.save(key(unit), {name: rows(table, *unit) for name, table in tables.items()})
        return run

    return make


def whole_run(make_run: Callable[..., Path], folder: Path, **fields: object) -> Path:
    return make_run(
        folder, **{
            "models": {"shapes-infinity": "ar"}, "searches": ("random", BEAM), "verifiers": ("shapes-reward",), "budgets": (56, 112),
            "tasks": ("counting", "colors"), "prompts": 4, "picture_px": 12, **fields,
        }
    )  # fmt: skip


def key(unit: Unit) -> str:
    return "-".join(map(str, unit)).replace(":", "_")


def rows(table: pd.DataFrame, search: str, budget: float, half: int) -> list[dict]:
    odd = table["prompt_id"].astype(int) % 2
    part = table[(table["search"] == search) & (table["budget"] == budget) & (odd == half)]
    return part.assign(**{"text_truncated": False} if "text_truncated" in part else {}).to_dict("records")


def prompts(runs: Runs) -> dict[tuple[str, float], set[int]]:
    return {name: set(part["prompt_id"].astype(int)) for name, part in runs.selections.groupby(["search", "budget"])}


def test_what_is_there_is_reported_and_said_to_be_unfinished(interrupted: Callable[..., Path]) -> None:
    run = interrupted(UNITS[:6])
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    page = build_report([run], run / "report")
    for text in (page.read_text(), (run / "report" / "report.md").read_text()):
        assert "Unfinished." in text
        assert "6 of 8 units are there" in text
        assert text.index("Unfinished.") < text.index("per prompt")
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and "report" not in path.parts} == before


def test_all_methods_are_on_the_same_prompts(interrupted: Callable[..., Path]) -> None:
    even = {0, 2, 4, 6}
    runs = read_runs([interrupted(UNITS[:5])], unfinished=True)
    assert prompts(runs) == {("random", 56): even, ("random", 112): even, (BEAM, 56): even}
    for table in (runs.candidates, runs.scores):
        assert set(table["prompt_id"].astype(int)) == even
    assert len({*zip(runs.candidates["search"], runs.candidates["budget"], strict=True)}) == 3


def test_who_has_no_prompt_in_common_is_left_out_and_named(interrupted: Callable[..., Path]) -> None:
    runs = read_runs([interrupted([UNITS[0], UNITS[1], UNITS[4], UNITS[7]])], unfinished=True)
    assert prompts(runs) == {("random", 56): {0, 2, 4, 6}, (BEAM, 56): {0, 2, 4, 6}}
    assert runs.unfinished[2:] == (
        f"Left out, as they have no prompts in common with all the others: shapes-infinity + {BEAM} at a budget of 112 NFE (4 prompts).",
    )


def test_who_has_some_prompts_but_too_few_is_left_out_for_that(interrupted: Callable[..., Path]) -> None:
    run = interrupted(UNITS[:7])
    store, last = Store(run), key(UNITS[6])
    store.save(last, {"selections": store.part(last)["selections"].to_pylist()[:1]})
    assert read_runs([run], unfinished=True).unfinished[2:] == (
        f"Left out, as too few of their prompts are finished: shapes-infinity + {BEAM} at a budget of 112 NFE (1 prompt).",
    )


def test_of_several_seeds_it_is_said_how_many_the_prompts_have(interrupted: Callable[..., Path]) -> None:
    run = interrupted(UNITS[:7], seeds=(0, 1))
    store, last = Store(run), key(UNITS[6])
    selections = store.part(last)["selections"].to_pylist()
    store.save(last, {"selections": [row for row in selections if row["seed"] == 0]})
    assert read_runs([run], unfinished=True).unfinished[2:] == (
        f"Left out, as too few of their prompts and seeds are finished: shapes-infinity + {BEAM} at a budget of 112 NFE "
        "(4 prompts, none of them under all seeds).",
    )


def test_prompts_of_which_a_seed_is_missing_are_counted_apart(interrupted: Callable[..., Path]) -> None:
    run = interrupted(UNITS, seeds=(0, 1))
    store = Store(run)
    for unit in map(key, UNITS):
        whole = {name: part.to_pylist() for name, part in store.part(unit).items()}
        some = {name: [row for row in rows if row["seed"] == 0 or int(row["prompt_id"]) > 2] for name, rows in whole.items()}
        store.save(unit, some)
    runs = read_runs([run], unfinished=True)
    assert runs.unfinished[1] == (
        "All of this report is on 8 prompts: every method and budget shown is finished under all seeds for 5 of them, under some seeds "
        "only for the other 3; others may be missing."
    )
    assert any("on 8 prompts of geneval@shapes with 1 to 2 seeds" in text for text in answer(summarise(runs)).sentences)


def test_a_run_without_its_second_seed_is_said_to_be_under_some_seeds(interrupted: Callable[..., Path]) -> None:
    run = interrupted(UNITS, seeds=(0, 1))
    store = Store(run)
    for unit in map(key, UNITS):
        store.save(unit, {name: [row for row in part.to_pylist() if row["seed"] == 0] for name, part in store.part(unit).items()})
    assert "on 8 prompts: every method and budget shown is finished under some seeds only;" in read_runs([run], True).unfinished[1]


def test_one_method_so_far_is_no_comparison(interrupted: Callable[..., Path]) -> None:
    found = answer(summarise(read_runs([interrupted(UNITS[:1])], unfinished=True)))
    assert found.headline == "Only shapes-infinity + random can be shown so far: no comparison."
    assert not any("--prompts" in sentence for sentence in found.sentences), "the run goes on with more"


def test_a_joint_report_is_on_the_prompts_that_all_runs_have_so_far(
    interrupted: Callable[..., Path], make_run: Callable[..., Path], tmp_path: Path
) -> None:
    run = interrupted(UNITS[:5], seeds=(1,))
    other = interrupted([UNITS[0], UNITS[1]], "other", models={"shapes-janus": "ar"}, searches=("random",))
    flux = whole_run(make_run, tmp_path / "flux", models={"shapes-flux": "diffusion"}, searches=("random",))
    runs = read_runs([run, other, flux], unfinished=True)
    assert runs.unfinished == (
        "run: 5 of 8 units are there; the same vistas run command goes on with the run.",
        "other: 2 of 8 units are there; the same vistas run command goes on with the run.",
        "All of this report is on 4 prompts, for which every method and budget shown is finished; others may be missing.",
    )
    for table in (runs.selections, runs.candidates, runs.scores):
        assert {int(prompt) for prompt in table["prompt_id"]} == {0, 2, 4, 6}
        assert len(table[["model", "search", "budget"]].drop_duplicates()) == 6
    page = build_report([run, other, flux], tmp_path / "joint").read_text()
    assert all(sentence in page for sentence in runs.unfinished[1:])


def test_in_a_joint_report_too_a_method_with_too_few_prompts_is_left_out(
    interrupted: Callable[..., Path], make_run: Callable[..., Path], tmp_path: Path
) -> None:
    run, unit = interrupted(UNITS[:1]), key(UNITS[0])
    Store(run).save(unit, {name: part.to_pylist()[:1] for name, part in Store(run).part(unit).items()})
    flux = whole_run(make_run, tmp_path / "flux", models={"shapes-flux": "diffusion"}, searches=("random", "zero-order"))
    runs = read_runs([run, flux], unfinished=True)
    assert set(runs.selections["model"]) == set(runs.candidates["model"]) == {"shapes-flux"}
    assert runs.unfinished[2:] == (
        "Left out, as too few of their prompts are finished: shapes-infinity + random at a budget of 56 NFE (1 prompt).",
    )


def test_an_unfinished_run_on_other_prompts_is_refused(
    interrupted: Callable[..., Path], make_run: Callable[..., Path], tmp_path: Path
) -> None:
    other = {"models": {"shapes-flux": "diffusion"}, "searches": ("random",)}
    flux = whole_run(make_run, tmp_path / "flux", prompt_prefix="1", **other)
    with pytest.raises(ConflictingRuns, match=r"different prompts .*\(8 in .*run, which is not finished, 8 in .*flux\): none in common"):
        read_runs([interrupted(UNITS[:6]), flux], unfinished=True)


def test_of_an_unfinished_run_with_more_prompts_those_of_the_finished_one_are_shown(
    interrupted: Callable[..., Path], make_run: Callable[..., Path], tmp_path: Path
) -> None:
    flux = whole_run(make_run, tmp_path / "flux", models={"shapes-flux": "diffusion"}, searches=("random",), tasks=("counting",))
    runs = read_runs([interrupted(UNITS[:6]), flux], unfinished=True)
    assert set(runs.selections["prompt_id"].astype(int)) == {0, 1, 2, 3}
    assert runs.cut[0].startswith("The runs are on different prompts (8 in run, 4 in flux): all of this report is on the 4 that they")
    assert "on 4 prompts, for which" in runs.unfinished[1]


def test_only_a_report_takes_what_is_not_finished(interrupted: Callable[..., Path], tmp_path: Path) -> None:
    run = interrupted(UNITS[:6])
    with pytest.raises(WrongInput, match=r"is not finished, its tables are missing: give the same `vistas run` command again$"):
        read_runs([run])
    for part in (run / "parts").iterdir():
        part.unlink()
    with pytest.raises(WrongInput, match="has no finished unit yet"):
        build_report([run], tmp_path / "out")


def test_models_and_searches_without_a_unit_are_named(interrupted: Callable[..., Path]) -> None:
    run = interrupted(UNITS[:4])
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["models"]["shapes-flux"] = manifest["models"]["shapes-infinity"]
    manifest["configuration"]["searches"] = ["random", BEAM, "halving:keep=0.4"]
    (run / "manifest.json").write_text(json.dumps(manifest))
    assert read_runs([run], unfinished=True).unfinished[0].startswith(
        "4 of 8 units are there, none of shapes-flux and of beam and of halving; the same"
    )
