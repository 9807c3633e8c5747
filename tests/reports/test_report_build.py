"""Reports on small made-up runs: what they must refuse, what may be missing, and what stays of an earlier one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.errors import WrongInput
from reports.build import build_report
from reports.load import read_runs
from reports.overlap import ConflictingRuns
from reports.summary import Summary, summarise

MakeRun = Callable[..., Path]


@pytest.mark.usefixtures("unpainted")
def test_one_of_everything(make_run: MakeRun, tmp_path: Path) -> None:
    """One model, search, budget, verifier, task and prompt: no intervals, no comparison, still a report."""
    run = make_run(
        tmp_path / "run", models={"shapes-infinity": "ar"}, searches=("random",), verifiers=("shapes-clip",), budgets=(14,),
        tasks=("colors",), prompts=1,
    )  # fmt: skip
    text = build_report([run], tmp_path / "out").read_text()
    assert "Only shapes-infinity + random was run" in text
    assert "No guided search with all its pictures kept" in text


@pytest.mark.usefixtures("unpainted")
def test_without_a_grader_verifiers_are_shown_and_not_trusted(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(
        tmp_path / "run", truth=False, nan_share=0.4, suite="drawbench", searches=("random", "beam"), verifiers=("clip",),
        tasks=("colors/../x",), budgets=(7, 28), prompt_prefix="../",
    )  # fmt: skip
    text = build_report([run], tmp_path / "out").read_text()
    assert "No grader’s verdict in these runs" in text
    assert "Nothing here is evidence" not in text
    assert "mean clip score" in text.lower()
    assert not (tmp_path / "out" / "figures" / "over-optimisation.svg").exists()


def test_runs_are_joined_and_repeats_counted_once(make_tables: MakeRun, tmp_path: Path) -> None:
    few = {"tasks": ("colors",), "verifiers": ("shapes-clip",), "budgets": (28.0,)}
    first = make_tables(tmp_path / "a", models={"shapes-infinity": "ar"}, **few)
    second = make_tables(tmp_path / "b", models={"shapes-flux": "diffusion"}, **few)
    joined = read_runs([first, second, first])
    alone = [read_runs([first]), read_runs([second])]
    for name in ("candidates", "selections", "scores"):
        assert len(getattr(joined, name)) == sum(len(getattr(runs, name)) for runs in alone)
    assert set(joined.selections["run"]) == {0, 1}


def test_conflicting_runs_are_refused(make_tables: MakeRun, tmp_path: Path) -> None:
    few = {"tasks": ("colors",), "verifiers": ("shapes-clip",), "budgets": (28.0,), "searches": ("random",)}
    first = make_tables(tmp_path / "a", **few)
    with pytest.raises(ConflictingRuns, match="one report for each suite"):
        read_runs([first, make_tables(tmp_path / "b", suite="drawbench@shapes", **few)])
    with pytest.raises(ConflictingRuns, match="other weights"):
        read_runs([first, make_tables(tmp_path / "c", weights="ff00", **few)])
    with pytest.raises(ConflictingRuns, match=r"different prompts cannot be compared \(3 in .*a, 2 in .*e\)"):
        read_runs([first, first, make_tables(tmp_path / "e", prompts=2, **few)])
    changed = make_tables(tmp_path / "d", **few)
    selections = pd.read_parquet(changed / "selections.parquet")
    selections.loc[0, "score"] += 1
    selections.to_parquet(changed / "selections.parquet")
    with pytest.raises(ConflictingRuns, match="two results for shapes-infinity"):
        read_runs([first, changed])


def test_folders_that_are_no_finished_run_are_refused(make_tables: MakeRun, tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match=re.escape("no manifest.json")):
        read_runs([tmp_path])
    run = make_tables(tmp_path / "run", tasks=("colors",), budgets=(14,), searches=("random",))
    (run / "scores.parquet").unlink()
    with pytest.raises(WrongInput, match="not finished"):
        read_runs([run])


@pytest.mark.parametrize("damage", [lambda whole: whole[:-9], lambda _: b"", lambda whole: whole[:20] + bytes(400) + whole[420:]])
def test_a_damaged_table_is_named_with_the_way_out(make_tables: MakeRun, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    run = make_tables(tmp_path / "run", tasks=("colors",), budgets=(14,), searches=("random",))
    path = run / "scores.parquet"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(WrongInput, match=rf"^{re.escape(str(path))} is damaged \(.*: the `vistas run` command that made it makes it again"):
        read_runs([run])
    (run / "manifest.json").write_text("{")
    with pytest.raises(WrongInput, match=r"manifest\.json is damaged"):
        read_runs([run])


def test_pictures_outside_the_run_are_refused(make_tables: MakeRun, tmp_path: Path) -> None:
    run = make_tables(tmp_path / "run", tasks=("colors",), budgets=(14,), searches=("random",))
    runs = read_runs([run])
    with pytest.raises(WrongInput, match="outside its run folder"):
        runs.image_path(0, "../secret.png")
    assert json.loads((run / "manifest.json").read_text())["notes"]


def test_seeds_of_a_prompt_stay_together(make_tables: MakeRun, tmp_path: Path) -> None:
    run = make_tables(tmp_path / "run", tasks=("colors",), budgets=(14,), searches=("random",), seeds=(0, 1, 2))
    summary: Summary = summarise(read_runs([run]))
    assert len(summary.values) == 3
    assert (summary.points["prompts"] <= 3).all()
    scores = read_runs([run]).scores
    one = scores[(scores["metric"] == "grade") & (scores["model"] == "shapes-flux") & (scores["verifier"] == "shapes-clip")]
    expected = one.groupby("prompt_id")["value"].mean()
    column = summary.values["grade", "shapes-flux", "random", "nfe", "shapes-clip", 14.0].droplevel("task")
    np.testing.assert_allclose(column.loc[expected.index], expected)


@pytest.mark.usefixtures("without_figures")
def test_a_report_drawn_again_of_other_runs_keeps_nothing_of_the_last_one_and_all_that_is_not_its_own(
    make_tables: MakeRun, tmp_path: Path
) -> None:
    wanted = {"tasks": ("counting",), "budgets": (14,), "searches": ("random",), "picture_px": 12}
    guided = {"a": ("shapes-reward", "other"), "b": ("third",)}
    two, one = (make_tables(tmp_path / name, verifiers=each, **wanted) for name, each in guided.items())
    out = build_report([two], tmp_path / "out").parent
    assert (out / "tables" / "results-other.tex").is_file()
    own = [out / "tables" / "results-mine.csv", out / "tables" / "notes.txt", out / "figures" / "mine.png"]
    for path in (*own, out / "figures" / "tree.svg"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("kept")
    build_report([one], out)
    tables = {path.stem for path in (out / "tables").iterdir()} - {path.stem for path in own}
    assert tables == set(re.findall(r'href="tables/([^"]+)\.csv"', (out / "index.html").read_text()))
    assert {name for name in tables if name.startswith(("results", "spent"))} == {"results-third", "spent-third"}
    assert all(path.read_text() == "kept" for path in own)
    assert not (out / "figures" / "tree.svg").exists()
