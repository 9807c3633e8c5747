"""What a run of small models writes, through the real planner, searches, suite, grader and store."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import pytest
import toy_world
from rich.console import Console
from toy_runs import BASE, assert_equal, run

from harness.compute import clock
from harness.compute.clock import scoring
from harness.compute.meter import Unpriced
from harness.compute.prices import Calibration
from harness.config import Settings
from harness.run import session
from harness.run.pairing import pair_up
from harness.run.prepared import prepare_run
from harness.run.runner import finish_run
from harness.run.table_rows import AFTER_BUDGET
from harness.run.timing import DECODE, FORWARD, REPORT, TEXT
from models.base import Operation
from results.schema import COST, MEASURED, TABLES, TOTALS
from results.store import Store

pytestmark = pytest.mark.usefixtures("toys")


def test_every_pair_that_fits_has_its_rows(finished: Any) -> None:
    selections = finished[1]["selections"]
    pairs = selections.groupby(["model", "search"])["budget"].apply(lambda column: sorted(set(column))).to_dict()
    assert pairs == {
        ("toy-ar", "random"): [6, 24], ("toy-ar", "beam"): [24],
        ("toy-diffusion", "random"): [6, 24], ("toy-diffusion", "zero-order"): [6, 24],
    }  # fmt: skip
    assert len(selections) == 7 * 6
    assert selections["family"].unique().tolist() == ["ar", "diffusion"]


def test_tables_have_the_declared_columns(finished: Any) -> None:
    for name, columns in TABLES.items():
        assert finished[1][name].columns.tolist() == [column.name for column in columns]


def test_nothing_exceeds_its_budget(finished: Any) -> None:
    for name in ("candidates", "selections"):
        table = finished[1][name]
        assert (table["nfe"] <= table["budget"]).all()
        assert table[[column.name for column in COST]].notna().all().all()


def test_units_say_what_they_were_computed_on(finished: Any) -> None:
    (environment,) = json.loads((finished[0] / "manifest.json").read_text())["environments"]
    threads = environment["threads"]
    where = f"{environment['processor']} with {threads} thread{'s' if threads > 1 else ''}"
    makings = Store(finished[0]).makings().values()
    assert {(making.computed_on, making.max_rows, making.shards) for making in makings} == {(where, Settings().max_rows, 0)}


def test_a_smaller_budget_chooses_from_the_start_of_the_same_pool(finished: Any) -> None:
    selections, candidates = finished[1]["selections"], finished[1]["candidates"]
    small = selections[(selections["search"] == "random") & (selections["budget"] == 6)]
    for row in small.itertuples():
        pool = candidates[(candidates["unit"] == row.unit) & (candidates["prompt_id"] == row.prompt_id)]
        first = pool[pool["nfe"] <= 6]
        assert len(first) == row.considered == 2
        assert row.score == first["score"].max()


def test_prompts_that_lost_text_are_marked(finished: Any) -> None:
    selections = finished[1]["selections"]
    longer = selections["prompt"].str.split().str.len() > toy_world.WORDS
    assert selections["text_truncated"].tolist() == longer.tolist()
    assert longer.nunique() == 2
    scores = finished[1]["scores"].merge(selections[["prompt_id", "prompt"]].drop_duplicates(), on="prompt_id")
    longer = (scores["prompt"].str.split().str.len() > toy_world.WORDS) & (scores["metric"] == "toy-judge")
    assert scores["text_truncated"].tolist() == longer.tolist()
    assert longer.nunique() == 2


def test_every_selected_image_has_every_metric_and_is_on_disk(finished: Any) -> None:
    folder, found = finished
    scores = found["scores"]
    assert set(scores["metric"]) == {"toy-judge", "grade"}
    assert len(scores) == 2 * len(found["selections"])
    assert scores["value"].notna().all()
    assert all((folder / image).is_file() for image in found["selections"]["image"])


def test_metric_of_the_guiding_verifier_is_the_score(finished: Any) -> None:
    key = ["unit", "verifier", "prompt_id", "budget"]
    own = finished[1]["scores"].query("metric == verifier").set_index(key)["value"]
    assert own.to_dict() == finished[1]["selections"].set_index(key)["score"].to_dict()


def test_verifiers_that_do_not_guide_measure_and_cost_nothing(finished: Any, tmp_path: Path) -> None:
    found = run(tmp_path, metrics=("toy-other",))
    assert set(found["scores"]["metric"]) == {"toy-judge", "toy-other", "grade"}
    other = found["scores"].query("metric == 'toy-other'")
    assert len(other) == len(found["selections"])
    assert other["value"].between(0, 1).all()
    assert not set(found["selections"]["unit"]) & set(finished[1]["selections"]["unit"])
    for name in ("candidates", "selections"):
        measured = ["unit", *(column for column in MEASURED if column in found[name])]
        pd.testing.assert_frame_equal(found[name].drop(columns=measured), finished[1][name].drop(columns=measured))
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert (list(manifest["verifiers"]), list(manifest["metrics"])) == (["toy-judge"], ["toy-other"])


def test_all_metrics_are_those_of_the_domain_but_ensembles() -> None:
    config = Settings(**{**BASE, "metrics": ("all",)}).run()
    assert pair_up(config).metrics == ("shapes-clip", "shapes-aesthetic", "shapes-reward", "toy-judge", "toy-other")


def test_a_text_is_encoded_once_in_a_unit(tmp_path: Path) -> None:
    prepared = prepare_run(Settings(**{**BASE, "searches": ("random",)}), tmp_path)
    finish_run(prepared, Console(quiet=True))
    assert {name: model.encoded for name, model in prepared.session.models.items()} == {"toy-ar": 6, "toy-diffusion": 6}  # type: ignore[attr-defined]


def test_images_of_all_candidates_are_kept_for_one_prompt_of_each_task(finished: Any) -> None:
    candidates = finished[1]["candidates"]
    assert (candidates["image"] != "").all()  # six prompts, one of each of six tasks
    with_truth = candidates.groupby("search")["truth"].apply(lambda column: column.notna().all()).to_dict()
    assert with_truth == {"random": True, "beam": False, "zero-order": False}


def test_batch_size_changes_nothing(finished: Any, tmp_path: Path) -> None:
    assert_equal(finished[1], run(tmp_path, max_rows=3))


def test_chunks_change_no_row_but_the_unit(finished: Any, tmp_path: Path) -> None:
    def ordered(found: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
        keys = ["model", "search", "prompt_id", "budget", "order", "metric"]
        return {
            name: table.sort_values([key for key in keys if key in table]).reset_index(drop=True)
            for name, table in found.items()
        }

    assert_equal(ordered(finished[1]), ordered(run(tmp_path, chunk=6)), but=("unit",))


def test_an_ensemble_serves_the_same_pool_and_counts_by_its_members(tmp_path: Path) -> None:
    found = run(tmp_path, searches=("random",), models=("toy-ar",), verifiers=("toy-judge", "toy-pair"))
    assert len(set(found["candidates"]["unit"])) == 2
    assert set(found["scores"]["metric"]) == {"toy-judge", "toy-other", "grade"}
    judged = found["selections"].groupby("verifier")["score"].max()
    assert judged["toy-pair"] <= 0 < judged["toy-judge"]


@pytest.mark.parametrize("unit", ["flops", "images"])
def test_budgets_in_other_units(tmp_path: Path, unit: str) -> None:
    found = run(tmp_path, unit=unit, budgets=(2000,) if unit == "flops" else (3,), searches=("random",), prompts=2)
    assert (found["selections"][unit] <= found["selections"]["budget"]).all()
    assert found["selections"]["considered"].min() > 1


def test_budgets_in_seconds_are_calibrated(tmp_path: Path) -> None:
    searches = ("random:candidates=3",)
    found = run(tmp_path, unit="seconds", budgets=(60,), searches=searches, models=("toy-ar",), prompts=2)
    assert found["selections"]["considered"].tolist() == [3, 3]


@pytest.mark.parametrize("seconds", [4.0, 0.1])
def test_what_is_scored_after_the_deadline_stays_in_the_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    def hasty(generator: Any, verifiers: Any, text: str, rows: int) -> Calibration:
        operations = ("encode", "predict", "draw", "preview", "decode", *(scoring(one.card) for one in verifiers))
        return Calibration({(operation, 0): 1e-6 for operation in operations})

    monkeypatch.setattr(session, "calibrate", hasty)
    monkeypatch.setattr(clock, "perf_counter", count(0.0, 0.5).__next__)  # every operation takes half a second
    found = run(
        tmp_path, unit="seconds", budgets=(seconds,), searches=("random:candidates=3",), models=("toy-ar",), prompts=1
    )
    candidates, selections, scores = found["candidates"], found["selections"], found["scores"]
    late = candidates[candidates["seconds"] > seconds]
    assert candidates["order"].tolist() == list(range(len(candidates)))
    assert len(late) > 0
    assert set(late["reason"]) == {AFTER_BUDGET}
    assert late["score"].isna().all()
    assert late["truth"].notna().all()
    assert candidates.drop(late.index)["score"].notna().all()
    assert set(scores["metric"]) == {"toy-judge", "grade"}
    ran = candidates[list(TOTALS)].iloc[-1]
    assert selections[list(TOTALS.values())].iloc[0].tolist() == pytest.approx(ran.tolist())
    if seconds == 4.0:
        assert ran["flops"] > selections["flops"].iloc[0], "what was run in vain was paid for"
        assert selections["considered"].tolist() == [3 - len(late)]
        assert scores["value"].notna().all()
        assert selections["overrun_seconds"].tolist() == [candidates["seconds"].max() - seconds]
    else:
        assert selections[["candidate", "image", "considered"]].to_numpy().tolist() == [["", "", 0]]
        assert selections["seconds"].tolist() == candidates["seconds"].tolist()[:1]
        assert scores["value"].isna().all()
        assert set(scores["reason"]) == {"no finished candidate within the budget"}
        assert selections["overrun_seconds"].iloc[0] > candidates["seconds"].max() - seconds - 1e-9


def test_only_a_search_that_was_stopped_by_one_budget_has_overrun_it(tmp_path: Path, finished: Any) -> None:
    one = finished[1]["selections"]
    assert (one["overrun_seconds"] == 0).all()
    assert (one[list(TOTALS)].to_numpy() == one[list(TOTALS.values())].to_numpy()).all(), "under other units all is in time"
    timed = run(tmp_path / "seconds", unit="seconds", budgets=(50, 60), searches=("random:candidates=3", "greedy:candidates=2"),
                models=("toy-ar",), prompts=2)["selections"].set_index("search")[["overrun_seconds", *TOTALS.values()]]  # fmt: skip
    assert (timed.loc["greedy:candidates=2", "overrun_seconds"] == 0).all()
    assert timed.loc["greedy:candidates=2"].notna().all(axis=None)
    assert timed.loc["random:candidates=3"].isna().all(axis=None)  # images of the larger budget serve the smaller one


def test_profile_accounts_for_all_of_the_time(tmp_path: Path) -> None:
    hybrid = {"models": (*BASE["models"], "toy-ar+toy-noisy"), "searches": (*BASE["searches"], "hybrid")}
    prepared = prepare_run(Settings(**{**BASE, **hybrid, "prompts": 2}), tmp_path)
    finish_run(prepared, Console(quiet=True))
    with prepared.watch.section(REPORT):
        sum(range(1000))
    profile = prepared.watch.profile()
    assert list(profile["shares"]) == [
        "forward passes", "decode", "verifiers", "text encoders", "evaluation", "report", "harness",
    ]  # fmt: skip
    measured = ("forward passes", "decode", "verifiers", "text encoders")
    assert profile["operation_seconds"]["embed"] > 0
    assert sum(profile["seconds"][name] for name in measured) == pytest.approx(sum(profile["operation_seconds"].values()))
    assert sum(profile["shares"].values()) == pytest.approx(1)
    assert sum(profile["harness_seconds"].values()) == pytest.approx(profile["seconds"]["harness"])
    assert all(spent > 0 for spent in profile["seconds"].values()), profile
    assert profile["wall_seconds"] == pytest.approx(profile["load_seconds"] + sum(profile["seconds"].values()))


def test_every_name_on_a_clock_has_one_place_in_a_profile() -> None:
    assert sorted((*FORWARD, *DECODE, *TEXT)) == sorted((*get_args(Operation), *get_args(Unpriced)))


def test_manifest_says_what_was_run_and_with_what(finished: Any) -> None:
    manifest = json.loads((finished[0] / "manifest.json").read_text())
    assert manifest["configuration"]["budgets"] == [6, 24]
    assert manifest["models"]["toy-ar"]["weights_sha256"] == "0" * 64
    assert manifest["suite"]["display_name"] == "geneval@shapes"
    assert manifest["environments"][0]["packages"]["torch"]
    assert any("skipped" in note for note in manifest["notes"])
