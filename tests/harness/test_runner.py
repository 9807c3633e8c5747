"""Runs of small models through the real planner, searches, suite, grader and store."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console

from harness import meter, registry, session, units
from harness.config import Settings
from harness.errors import WrongInput
from harness.lineup import line_up
from harness.meter import scoring
from harness.prices import Calibration
from harness.rows import AFTER_BUDGET
from harness.runner import finish_run, opening_lines, prepare_run
from harness.timing import REPORT
from results.schema import COST, MEASURED, TABLES
from results.store import Store
from suites.geneval.suite import GenEvalSuite

sys.path.insert(0, str(Path(__file__).parent))
import toy_world

BASE: dict[str, Any] = {
    "models": ("toy-ar", "toy-diffusion"), "searches": ("random", "beam", "zero-order"), "verifiers": ("toy-judge",),
    "metrics": (), "budgets": (6, 24), "prompts": 6, "chunk": 4,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _toys(monkeypatch: pytest.MonkeyPatch) -> None:
    for table, toys in ((registry.MODELS, toy_world.MODELS), (registry.VERIFIERS, toy_world.VERIFIERS)):
        for name, entry in toys.items():
            monkeypatch.setitem(table, name, entry)  # type: ignore[arg-type]


def run(folder: Path, engine: Any = None, **changes: Any) -> dict[str, pd.DataFrame]:
    prepared = prepare_run(Settings(**{**BASE, **changes}), folder)
    finish_run(prepared, Console(quiet=True), **({"engine": engine} if engine else {}))
    return tables(folder)


def tables(folder: Path) -> dict[str, pd.DataFrame]:
    return {name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLES}


def assert_equal(one: dict[str, pd.DataFrame], other: dict[str, pd.DataFrame], but: tuple[str, ...] = ()) -> None:
    for name in TABLES:
        measured = [column for column in (*MEASURED, *but) if column in one[name]]
        pd.testing.assert_frame_equal(one[name].drop(columns=measured), other[name].drop(columns=measured))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, pd.DataFrame]]]:
    folder = tmp_path_factory.mktemp("runs") / "whole"
    with pytest.MonkeyPatch.context() as monkeypatch:
        _toys.__wrapped__(monkeypatch)  # type: ignore[attr-defined]
        yield folder, run(folder)


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
    assert line_up(config).metrics == ("shapes-clip", "shapes-aesthetic", "shapes-reward", "toy-judge", "toy-other")


def test_a_text_is_encoded_once_in_a_unit(tmp_path: Path) -> None:
    prepared = prepare_run(Settings(**{**BASE, "searches": ("random",)}), tmp_path)
    finish_run(prepared, Console(quiet=True))
    assert {name: model.encoded for name, model in prepared.session.models.items()} == {"toy-ar": 6, "toy-diffusion": 6}  # type: ignore[attr-defined]


def test_a_sample_that_was_not_asked_for_says_why(tmp_path: Path) -> None:
    given = {key: value for key, value in BASE.items() if key != "prompts"}
    line = opening_lines(prepare_run(Settings(**given), tmp_path))[0]
    assert line.endswith(
        "an even sample per task (seed 0) chosen to keep the command under 10 minutes on 2 cores; "
        "PROMPTS=all or --prompts all runs all"
    )


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
    monkeypatch.setattr(meter, "perf_counter", count(0.0, 0.5).__next__)  # every operation takes half a second
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
    if seconds == 4.0:
        assert selections["considered"].tolist() == [3 - len(late)]
        assert scores["value"].notna().all()
        assert selections["overrun_seconds"].tolist() == [candidates["seconds"].max() - seconds]
    else:
        assert selections[["candidate", "image", "considered"]].to_numpy().tolist() == [["", "", 0]]
        assert selections["seconds"].tolist() == candidates["seconds"].tolist()[:1]
        assert scores["value"].isna().all()
        assert set(scores["reason"]) == {"no finished candidate within the budget"}
        assert selections["overrun_seconds"].iloc[0] > candidates["seconds"].max() - seconds - 1e-9


def test_only_a_search_that_was_stopped_by_one_budget_has_overrun_it(tmp_path: Path) -> None:
    one = run(tmp_path / "nfe", searches=("random", "beam"), models=("toy-ar",))["selections"]
    assert (one["overrun_seconds"] == 0).all()
    timed = run(tmp_path / "seconds", unit="seconds", budgets=(50, 60), searches=("random:candidates=3", "greedy:candidates=2"),
                models=("toy-ar",), prompts=2)["selections"].set_index("search")["overrun_seconds"]  # fmt: skip
    assert (timed["greedy:candidates=2"] == 0).all()
    assert timed["random:candidates=3"].isna().all()  # images of the larger budget serve the smaller one


def test_several_verifiers_in_seconds_and_resume_with_the_speeds_of_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {
        "unit": "seconds", "budgets": (60,), "searches": ("random:candidates=3",), "models": ("toy-ar",),
        "verifiers": ("toy-judge", "toy-pair"), "chunk": 2,
    }  # fmt: skip
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, engine=stop_after(1), **changes)
    part, *others = (tmp_path / "parts").iterdir()
    speeds, before = (tmp_path / "calibration.json").read_bytes(), part.stat().st_mtime_ns
    assert not others

    def again(*_: Any) -> None:
        raise AssertionError("speeds are measured once a run")

    monkeypatch.setattr(session, "calibrate", again)
    found = run(tmp_path, **changes)
    assert found["selections"].groupby("verifier")["considered"].unique().map(list).to_dict() == {
        "toy-judge": [3], "toy-pair": [3],
    }  # fmt: skip
    assert part.stat().st_mtime_ns == before
    assert part.stem in set(found["selections"]["unit"])
    assert (tmp_path / "calibration.json").read_bytes() == speeds
    (tmp_path / "calibration.json").write_text('{"toy-ar": [["predict", 0]]}')
    with pytest.raises(WrongInput, match="has damaged speeds"):
        run(tmp_path, **changes)


def stop_after(units: int) -> Any:
    def engine(work: Any, execute: Any) -> Any:
        for index, unit in enumerate(work):
            if index == units:
                raise KeyboardInterrupt
            yield unit, execute(unit)

    return engine


@pytest.mark.parametrize("units", [0, 1, 5])
def test_resumed_run_equals_uninterrupted_one(finished: Any, tmp_path: Path, units: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, engine=stop_after(units))
    assert len(list((tmp_path / "parts").glob("*.part"))) == units if units else not (tmp_path / "parts").exists()
    assert_equal(finished[1], run(tmp_path))


def test_interrupted_within_a_unit_leaves_nothing_half_way(
    finished: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(20))

    original = Store.save_image

    def save_some(store: Store, image: Any) -> str:
        if next(calls) == 12:
            raise KeyboardInterrupt
        return original(store, image)

    with monkeypatch.context() as patched:
        patched.setattr(Store, "save_image", save_some)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path)
    assert not list((tmp_path / "parts").glob("*"))
    assert_equal(finished[1], run(tmp_path))


def test_same_command_again_changes_nothing(tmp_path: Path) -> None:
    run(tmp_path, prompts=2, searches=("random",))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file() and path.name != ".lock"}
    run(tmp_path, prompts=2, searches=("random",), engine=stop_after(0))
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file() and path.name != ".lock"}
    assert before == after


def test_damaged_part_and_lost_image_are_named_and_redone(
    finished: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = run(tmp_path)
    first, second, *_ = sorted((tmp_path / "parts").glob("*.part"))
    first.write_bytes(first.read_bytes()[:-7] + b"garbage")
    (tmp_path / whole["selections"].query(f"unit == '{second.stem}'")["image"].iloc[0]).unlink()
    again = run(tmp_path)
    said = capsys.readouterr().err
    assert f"damaged part {first}: checksum" in said
    assert f"damaged part {second}: its image" in said
    aside = {path.name for path in (tmp_path / "parts").glob("*.damaged")}
    assert aside >= {f"{first.name}.damaged", f"{second.name}.damaged"}  # units may share the lost image
    assert_equal(whole, again)
    assert_equal(finished[1], again)


def test_another_run_in_the_folder_is_refused(tmp_path: Path) -> None:
    run(tmp_path, prompts=2, searches=("random",), models=("toy-ar",))
    with pytest.raises(WrongInput, match=r"different run: configuration.prompts is 3 here and 2 there; .*--out"):
        run(tmp_path, prompts=3, searches=("random",), models=("toy-ar",))


def test_changed_weights_are_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {"prompts": 2, "searches": ("random",), "models": ("toy-ar",)}
    run(tmp_path, **changes)

    original = toy_world.toy_ar

    def other_weights(device: Any) -> Any:
        generator = original(device)
        generator.card = replace(generator.card, weights_sha256="2" * 64)
        return generator

    monkeypatch.setattr(toy_world, "toy_ar", other_weights)
    with pytest.raises(WrongInput, match=r"models\.toy-ar\.weights_sha256"):
        run(tmp_path, **changes)


def test_pairs_and_budgets_that_do_not_fit_are_named_once(tmp_path: Path) -> None:
    prepared = prepare_run(Settings(**BASE), tmp_path)
    lines = opening_lines(prepared)
    assert lines[0] == (
        "geneval@shapes: 6 of 343 prompts, an even sample per task (seed 0; --prompts all runs all)"
    )
    assert [line for line in lines if line.startswith("skipped")] == [
        "skipped toy-diffusion with beam: beam needs a model that is Stochastic and toy-diffusion is not",
        "skipped toy-ar with zero-order: zero-order searches diffusion models and toy-ar is an ar model",
        "skipped toy-ar with beam at 6 nfe (verifier toy-judge): the smallest budget that works is 24 nfe",
    ]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"searches": ("zero-order",), "models": ("toy-ar",)}, "search zero-order fits none of the models: .*toy-ar"),
        ({"budgets": (1, 2)}, r"no pair can run under 1, 2 nfe: the cheapest, toy-ar with random, needs 3 for one image"),
        (
            {"budgets": (6,), "models": ("toy-ar",), "searches": ("beam",)},
            "toy-ar with beam cannot run under 6 nfe: width 2 with 2 children a prefix costs 24; raise --budget",
        ),
        ({"metrics": ("toy-othr",)}, "unknown verifier 'toy-othr'; did you mean toy-other"),
        ({"metrics": ("toy-pair",)}, "metric toy-pair ranks within one pool"),
        ({"prompts": 10_000}, "10000 prompts asked for: give a number from 1 to 343"),
        ({"models": ("toy-arr",)}, r"unknown model 'toy-arr'; did you mean toy-ar"),
        ({"searches": ("beem",)}, "unknown search 'beem'; did you mean beam"),
        ({"searches": ("beam:widht=2",)}, "unknown parameter 'widht', did you mean width"),
        ({"verifiers": ("toy-juge",)}, "unknown verifier 'toy-juge'; did you mean toy-judge"),
        ({"suite": "genevl"}, "unknown suite 'genevl'; did you mean geneval"),
        ({"device": "warp"}, "device 'warp' cannot be used"),
    ],
)
def test_wrong_input_is_one_sentence(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        prepare_run(Settings(**{**BASE, **changes}), tmp_path)
    assert "\n" not in str(raised.value)


def test_models_and_verifiers_of_one_domain_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = registry.Entry("nowhere:nothing", "photo", "ar", "photo", "toy_world:ToyPrefixed")
    monkeypatch.setitem(registry.MODELS, "photo-ar", photo)  # type: ignore[arg-type]
    with pytest.raises(WrongInput, match="toy-ar is shapes, photo-ar is photo"):
        prepare_run(Settings(**{**BASE, "models": ("toy-ar", "photo-ar")}), tmp_path)
    with pytest.raises(WrongInput, match="verifier toy-judge judges shapes images, the models make photo images"):
        prepare_run(Settings(**{**BASE, "models": ("photo-ar",)}), tmp_path)


def test_a_default_verifier_of_another_domain_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given = {key: value for key, value in BASE.items() if key != "verifiers"} | {"models": ("infinity-2b",), "searches": ("random",)}
    with pytest.raises(WrongInput) as raised:
        prepare_run(Settings(**given), tmp_path)
    said = str(raised.value)
    assert said.startswith("the default verifier shapes-reward judges shapes images, infinity-2b makes photo images: give --verifier NAME")
    assert "none of their weights is here: aesthetic, clip-score, " in said
    assert said.endswith("; weights of infinity-2b are missing too: `vistas fetch infinity-2b`")


def test_default_searches_that_do_not_fit_are_only_skipped(tmp_path: Path) -> None:
    given = {key: value for key, value in BASE.items() if key != "searches"} | {"models": ("toy-ar",)}
    assert {unit.search for unit in prepare_run(Settings(**given), tmp_path).units} == {"random", "greedy", "beam"}


def test_profile_accounts_for_all_of_the_time(tmp_path: Path) -> None:
    prepared = prepare_run(Settings(**{**BASE, "prompts": 2}), tmp_path)
    finish_run(prepared, Console(quiet=True))
    with prepared.watch.section(REPORT):
        sum(range(1000))
    profile = prepared.watch.profile()
    assert list(profile["shares"]) == [
        "forward passes", "decode", "verifiers", "text encoders", "evaluation", "report", "harness",
    ]  # fmt: skip
    assert profile["seconds"]["forward passes"] == pytest.approx(
        sum(profile["operation_seconds"][name] for name in ("noise", "start", "predict", "draw", "select"))
    )
    assert sum(profile["shares"].values()) == pytest.approx(1)
    assert sum(profile["harness_seconds"].values()) == pytest.approx(profile["seconds"]["harness"])
    assert all(spent > 0 for spent in profile["seconds"].values()), profile
    assert profile["wall_seconds"] == pytest.approx(profile["load_seconds"] + sum(profile["seconds"].values()))


def test_unit_keys_follow_what_is_graded_and_the_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def keys() -> list[str]:
        return [unit.key for unit in prepare_run(Settings(**BASE), tmp_path).units]

    before = keys()
    assert keys() == before
    original = GenEvalSuite.prompts

    def stricter(suite: Any, domain: Any) -> Any:
        return tuple(replace(prompt, metadata={**prompt.metadata, "more": 1}) for prompt in original(suite, domain))

    with monkeypatch.context() as patched:
        patched.setattr(GenEvalSuite, "prompts", stricter)
        assert not set(keys()) & set(before)
    monkeypatch.setattr(units, "installed_version", lambda package: "0.0.0")
    assert not set(keys()) & set(before)


def test_manifest_says_what_was_run_and_with_what(finished: Any) -> None:
    manifest = json.loads((finished[0] / "manifest.json").read_text())
    assert manifest["configuration"]["budgets"] == [6, 24]
    assert manifest["models"]["toy-ar"]["weights_sha256"] == "0" * 64
    assert manifest["suite"]["display_name"] == "geneval@shapes"
    assert manifest["environments"][0]["packages"]["torch"]
    assert any("skipped" in note for note in manifest["notes"])
