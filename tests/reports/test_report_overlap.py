"""Runs of one suite on different prompts: compared on those in common, and never on others."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from reports.build import build_report
from reports.load import read_runs
from reports.overlap import ConflictingRuns
from reports.summary import Summary, summarise
from results.schema import TABLES

MakeRun = Callable[..., Path]
ASKED = {"tasks": ("counting", "colors"), "searches": ("random",), "budgets": (28, 56), "verifiers": ("shapes-clip",), "picture_px": 12}


def on(run: Path, prompts: range) -> Path:
    """The run as if it had been asked for these prompts only."""
    for name in TABLES:
        table = pd.read_parquet(run / f"{name}.parquet")
        table[table["prompt_id"].astype(int).isin(prompts)].to_parquet(run / f"{name}.parquet")
    return run


@pytest.fixture
def two(make_tables: MakeRun, tmp_path: Path) -> Callable[[range, range], list[Path]]:
    """Runs of two models on these of 20 prompts."""

    def make(first: range, second: range) -> list[Path]:
        infinity = make_tables(tmp_path / "infinity", **ASKED, models={"shapes-infinity": "ar"}, prompts=10)
        flux = make_tables(tmp_path / "flux", **ASKED, models={"shapes-flux": "diffusion"}, prompts=10)
        return [on(infinity, first), on(flux, second)]

    return make


def means(summary: Summary) -> dict[tuple[str, float], float]:
    overall = summary.points[(summary.points["task"] == "overall") & (summary.points["metric"] == "grade")]
    return {(model, budget): mean for model, budget, mean in zip(overall["model"], overall["budget"], overall["mean"], strict=True)}


@pytest.mark.parametrize(("first", "second"), [(range(20), range(5, 15)), (range(15), range(5, 20))])
def test_what_runs_have_in_common_is_compared_as_if_they_had_no_more(
    two: Callable[[range, range], list[Path]], first: range, second: range
) -> None:
    runs = two(first, second)
    joined, common = read_runs(runs), range(5, 15)
    counts = f"{len(first)} in infinity, {len(second)} in flux"
    assert joined.cut == (f"The runs are on different prompts ({counts}): all of this report is on the 10 that they have in common.",)
    assert joined.unfinished == ()
    for table in (joined.selections, joined.candidates, joined.scores):
        assert set(table["prompt_id"].astype(int)) == set(common)
    told = means(summarise(joined))
    for run in runs:
        on(run, common)
    same = read_runs(runs)
    assert same.cut == ()
    assert told == means(summarise(same))
    assert len(told) == 4


@pytest.mark.usefixtures("without_figures")
def test_the_top_of_the_page_says_so(two: Callable[[range, range], list[Path]], tmp_path: Path) -> None:
    page = build_report(two(range(20), range(12)), tmp_path / "out")
    for text in (page.read_text(), (tmp_path / "out" / "report.md").read_text()):
        assert text.index("on the 12 that they have in common") < text.index("per prompt")


def test_too_few_in_common_are_refused(two: Callable[[range, range], list[Path]]) -> None:
    with pytest.raises(ConflictingRuns, match=r"\(12 in .*infinity, 11 in .*flux\): 3 in common, where it takes 4; run them with the same"):
        read_runs(two(range(12), range(9, 20)))


def test_another_version_or_another_text_is_another_suite(two: Callable[[range, range], list[Path]]) -> None:
    infinity, flux = two(range(20), range(12))
    selections = pd.read_parquet(flux / "selections.parquet")
    selections.assign(prompt="a photo of a blue square").to_parquet(flux / "selections.parquet")
    with pytest.raises(ConflictingRuns, match="prompt 00000 has another text in one of these runs"):
        read_runs([infinity, flux])
    selections.to_parquet(flux / "selections.parquet")
    manifest = json.loads((flux / "manifest.json").read_text())
    manifest["suite"]["version"] = "2"
    (flux / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ConflictingRuns, match="runs of versions 1 and 2 of geneval@shapes in one report"):
        read_runs([infinity, flux])


def test_a_search_that_shares_its_budget_among_prompts_is_said_to_have_done_so_on_others(make_tables: MakeRun, tmp_path: Path) -> None:
    first = on(make_tables(tmp_path / "a", **ASKED, prompts=10), range(12))
    second = make_tables(tmp_path / "b", **{**ASKED, "searches": ("adaptive",)}, prompts=10)
    assert read_runs([first, second]).cut[1].startswith("adaptive shared its budget among all prompts of its run")
    assert len(read_runs([make_tables(tmp_path / "c", **ASKED, prompts=10), on(second, range(12))]).cut) == 1
