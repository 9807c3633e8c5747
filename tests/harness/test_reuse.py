"""Units of other runs that are taken over: the tables are those of a run that made everything itself."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from io import StringIO
from pathlib import Path

import pytest
from command_line import call
from rich.console import Console
from toy_runs import BASE, assert_equal, before_each, run, stop_after, tables

from harness.config import Settings
from harness.errors import WrongInput
from harness.run.planning import chunks
from harness.run.prepared import prepare_run
from harness.run.runner import finish_run, finish_shard
from harness.run.shard import Shard
from reports.load import read_runs
from results.run_differences import differences
from results.store import Store
from suites.geneval.suite import GenEvalSuite

pytestmark = pytest.mark.usefixtures("toys")

SMALL = {**BASE, "searches": ("random", "beam"), "budgets": (24,), "models": ("toy-ar",)}
LARGE = {**SMALL, "searches": ("beam", "random"), "budgets": (24, 36), "seeds": (0, 1)}


def make(folder: Path, *reused: Path, work: bool = True, **settings: object) -> list[str]:
    """Run and return the titles of the units that were really run."""
    made = []

    prepared = prepare_run(Settings(**{**BASE, **settings, "reuse": tuple(map(str, reused))}), folder)
    with before_each(lambda unit: made.append(unit.title)):
        finish_run(prepared, Console(quiet=True))
    return made


def test_a_larger_run_takes_over_what_a_smaller_one_has(tmp_path: Path) -> None:
    make(tmp_path / "small", **SMALL)
    alone = make(tmp_path / "alone", **LARGE)
    joined = make(tmp_path / "large", tmp_path / "small", **LARGE)
    spared = Counter(alone) - Counter(joined)
    # A pool of random search that serves another budget as well is another unit; beam's at 24 NFE are the same.
    assert spared.total() == 2
    assert all(title.startswith("toy-ar beam by toy-judge at 24 NFE, ") for title in spared)
    assert_equal(tables(tmp_path / "alone"), tables(tmp_path / "large"))
    for row in tables(tmp_path / "large")["selections"]["image"]:
        assert (tmp_path / "large" / row).stat().st_size


@pytest.mark.parametrize("number", [7, 12, "all"])
def test_more_prompts_take_over_whole_chunks_of_fewer(number: int | str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    every = GenEvalSuite().prompts("shapes")[::12]  # of all tasks, some of them longer than others
    monkeypatch.setattr("suites.geneval.suite.GenEvalSuite.prompts", lambda *_: every)
    make(tmp_path / "small", **{**SMALL, "prompts": 6})
    larger = {**SMALL, "prompts": number}
    alone, joined = make(tmp_path / "alone", **larger), make(tmp_path / "large", tmp_path / "small", **larger)
    assert len(alone) - len(joined) == 2, "the first four prompts under both searches; the two left are in a chunk of more"
    assert_equal(tables(tmp_path / "alone"), tables(tmp_path / "large"))


def test_chunks_hold_the_suites_order_and_join_one_task_after_another() -> None:
    every = GenEvalSuite().prompts("shapes")
    place = {prompt.id: n for n, prompt in enumerate(every)}
    first, *_ = found = list(chunks(every, 6, seed=0))
    assert len({prompt.task for prompt in first}) == 6
    assert sorted(prompt.id for chunk in found for prompt in chunk) == sorted(place)
    assert all([place[one.id] for one in chunk] == sorted(place[one.id] for one in chunk) for chunk in found)
    assert list(chunks(every, len(every), seed=0)) == [every], "a pool of all prompts has their order"


@pytest.mark.parametrize(("changed", "said"), [
    ({"chunk": 3}, "chunk is 3 here and 4 there"),
    ({"prompts": 2}, "prompts are 2 here and 6 there, which have no whole chunk of 4 in common"),
    ({"seeds": (5, 6)}, "no seed is in both: 5, 6 here and 0 there"),
    ({"sample_seed": 1}, "sample_seed is 1 here and 0 there"),
    ({"searches": ("random",), "budgets": (24, 36)},
     "budgets are 24, 36 here and 24 there, and of searches whose pool serves them all, such as random, they have to be the same"),
])  # fmt: skip
def test_it_is_said_why_nothing_can_be_taken_over(changed: dict[str, object], said: str, tmp_path: Path) -> None:
    make(tmp_path / "small", **SMALL)
    prepared = prepare_run(Settings(**{**SMALL, **changed, "reuse": (str(tmp_path / "small"),)}), tmp_path / "large")
    with pytest.raises(WrongInput) as error:
        finish_run(prepared, Console(quiet=True))
    advice = f"set these as they are there, or leave out --reuse to compute {len(prepared.units)} units anew"
    assert str(error.value) == f"nothing can be taken from {tmp_path / 'small'}: {said}; {advice}"
    assert not (tmp_path / "large").exists()


def test_a_run_that_has_begun_and_one_that_can_take_from_another_folder_go_on_where_a_folder_has_nothing(tmp_path: Path) -> None:
    make(tmp_path / "small", **SMALL)
    make(tmp_path / "other", **{**SMALL, "seeds": (7,)})
    told = Console(file=StringIO(), width=400)
    both = (str(tmp_path / "other"), str(tmp_path / "small"))
    with before_each(lambda unit: pytest.fail(f"begun: {unit.title}")):
        finish_run(prepare_run(Settings(**{**SMALL, "reuse": both}), tmp_path / "large"), told)
    assert f"0 units of 4 are taken from {tmp_path / 'other'}: no seed is in both: 0 here and 7 there\n" in told.file.getvalue()
    assert make(tmp_path / "large", tmp_path / "other", **SMALL) == [], "all units are there"
    with stop_after(0):
        run(tmp_path / "begun", **SMALL)
    assert len(make(tmp_path / "begun", tmp_path / "other", **SMALL)) == 4
    shard = prepare_run(Settings(**{**SMALL, "reuse": both[:1]}), tmp_path / "shards")
    with pytest.raises(WrongInput, match=f"^nothing can be taken from {both[0]}: no seed is in both: 0 here and 7 there; set these as "):
        finish_shard(shard, Shard(0, 2), Console(quiet=True))
    assert not (tmp_path / "shards").exists()
    finish_shard(prepare_run(Settings(**SMALL), tmp_path / "shards"), Shard(1, 2), Console(quiet=True))
    assert "others" not in finish_shard(shard, Shard(0, 2), Console(quiet=True)), "of a run that another shard has begun the rest is made"


def test_other_versions_and_weights_are_named(tmp_path: Path) -> None:
    make(tmp_path / "small", **SMALL)
    ours = Store(tmp_path / "small").manifest()
    theirs = json.loads(json.dumps(ours))
    assert differences(ours, theirs) == []
    theirs["environments"][0]["packages"]["vistas"] = "0.0.1"
    theirs["models"]["toy-ar"]["weights_sha256"] = "other"
    version = ours["environments"][0]["packages"]["vistas"]
    assert differences(ours, theirs) == [f"vistas is {version} here and 0.0.1 there", "weights_sha256 of toy-ar are others"]


def test_of_a_run_of_another_schema_that_is_the_reason_whatever_its_manifest_lacks(tmp_path: Path) -> None:
    make(tmp_path / "small", **SMALL)
    ours = Store(tmp_path / "small").manifest()
    theirs = {**ours, "schema_version": 1, "suite": {}}
    del theirs["metrics"]
    assert differences(ours, theirs) == [f"the schema is {ours['schema_version']} here and 1 there"]


def test_what_is_reused_is_only_read_and_may_go_away(tmp_path: Path) -> None:
    make(tmp_path / "small", **SMALL)
    before = {path: path.read_bytes() for path in (tmp_path / "small").rglob("*") if path.is_file()}
    again = {**SMALL, "seeds": (0, 1)}
    made = make(tmp_path / "large", tmp_path / "small", **again)
    assert len(made) == 4, "the units of the other seed"
    assert before == {path: path.read_bytes() for path in (tmp_path / "small").rglob("*") if path.is_file()}
    for path in before:
        path.unlink()
    assert make(tmp_path / "large", **again) == []
    assert all((tmp_path / "large" / image).stat().st_size for image in tables(tmp_path / "large")["selections"]["image"])


def test_damaged_units_are_run_again(tmp_path: Path) -> None:
    make(tmp_path / "small", **SMALL)
    parts = sorted((tmp_path / "small" / "parts").glob("*.part"))
    parts[0].write_bytes(parts[0].read_bytes()[:-3])
    assert len(make(tmp_path / "large", tmp_path / "small", **SMALL)) == 1
    assert_equal(tables(tmp_path / "small"), tables(tmp_path / "large"))


def test_one_unit_is_taken_over_and_several_are(tmp_path: Path) -> None:
    make(tmp_path / "small", **SMALL)
    for part in sorted((tmp_path / "small" / "parts").glob("*.part"))[1:]:
        part.unlink()
    said = Console(file=StringIO(), width=400)
    finish_run(prepare_run(Settings(**{**SMALL, "reuse": (str(tmp_path / "small"),)}), tmp_path / "large"), said)
    assert f"1 unit of 4 is taken from {tmp_path / 'small'}\n" in said.file.getvalue()


def test_a_damaged_unit_of_ones_own_is_taken_over_again(tmp_path: Path) -> None:
    make(tmp_path / "small", **SMALL)
    assert make(tmp_path / "large", tmp_path / "small", **SMALL) == []
    part = next((tmp_path / "large" / "parts").glob("*.part"))
    part.write_bytes(part.read_bytes()[:-3])
    assert make(tmp_path / "large", tmp_path / "small", **SMALL) == []
    assert_equal(tables(tmp_path / "small"), tables(tmp_path / "large"))


def test_units_taken_over_are_not_synced_one_by_one_and_only_those_looked_at_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / "small", **SMALL)
    synced, looked, whole_part = [], [], Store.whole_part
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.readlink(f"/proc/self/fd/{descriptor}")))
    monkeypatch.setattr(Store, "whole_part", lambda store, key: looked.append(store.folder.name) or whole_part(store, key))
    made = make(tmp_path / "large", tmp_path / "small", **LARGE)
    assert sum("/parts/" in path for path in synced) == len(made)
    assert looked == ["large", "small"] * 2


def test_units_of_a_run_with_a_broken_manifest_are_not_lost(tmp_path: Path) -> None:
    made = make(tmp_path / "one", **SMALL)
    (tmp_path / "one/manifest.json").write_text("{")
    assert made
    assert make(tmp_path / "other", tmp_path / "one", **SMALL) == []
    said = f"nothing can be taken from {tmp_path / 'one'}: its manifest.json is damaged and does not say what differs; set these"
    with pytest.raises(WrongInput, match=re.escape(said)):
        make(tmp_path / "third", tmp_path / "one", **{**SMALL, "seeds": (7,)})


def test_where_units_come_from_is_known_before_the_first_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "small", **SMALL)
    path = tmp_path / "small" / "manifest.json"
    path.write_text(path.read_text().replace('"cores":', '"of_the_test": true, "cores":'))

    def stopped(path: Path, content: bytes, sync: bool = True) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("results.reuse.write_atomic", stopped)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "large", tmp_path / "small", **SMALL)
    assert any("of_the_test" in one for one in Store(tmp_path / "large").manifest()["environments"])


def test_the_manifest_names_where_units_were_made(tmp_path: Path) -> None:
    make(tmp_path / "small", **SMALL)
    path = tmp_path / "small" / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["environments"][0]["hostname_of_the_test"] = "elsewhere"
    path.write_text(json.dumps(manifest))
    make(tmp_path / "large", tmp_path / "small", **SMALL)
    found = Store(tmp_path / "large").manifest()["environments"]
    assert [one.get("hostname_of_the_test") for one in found] == [None, "elsewhere"]


def test_units_of_another_source_are_kept_and_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def said(folder: Path, *reused: Path, **settings: object) -> str:
        told = Console(file=StringIO(), width=400)
        finish_run(prepare_run(Settings(**{**SMALL, **settings, "reuse": tuple(map(str, reused))}), folder), told)
        return told.file.getvalue()

    assert "source" not in said(tmp_path / "one", prompts=2)
    assert "2 of 2 units are there\n" in said(tmp_path / "one", prompts=2)
    monkeypatch.setattr("harness.run.work.unit_source", lambda *_: "edited")
    every = said(tmp_path / "one", prompts=2)
    assert "2 of 2 units are there, made by another state of the source than this one: they stay as they are, a new --out" in every
    some = said(tmp_path / "one and more", tmp_path / "one", prompts=2, seeds=(0, 1))
    assert "2 of 4 units are there, made by another state of the source" in some
    monkeypatch.setattr("harness.run.work.unit_source", lambda *_: "edited again")
    again = said(tmp_path / "one and more", prompts=2, seeds=(0, 1))
    assert "4 of 4 units are there, made by another state of the source" in again
    found = Store(tmp_path / "one and more").sources()
    assert found["edited"] == 2
    assert found.total() == 4
    assert read_runs([tmp_path / "one and more"]).sources == 2
    assert read_runs([tmp_path / "one"]).sources == 1


def test_wrong_folders_and_deadlines_are_refused_at_once(tmp_path: Path) -> None:
    def said(*arguments: str) -> str:
        result = call("run", "geneval", "--model", "toy-ar", "--out", str(tmp_path / "out"), *arguments)
        assert result.exit_code == 2
        return result.output

    assert "holds no run (manifest.json is missing)" in said("--reuse", str(tmp_path))
    assert "every run has speeds" in said("--reuse", str(tmp_path), "--unit", "seconds", "--budget", "1")
    run(tmp_path / "one", **SMALL)
    with pytest.raises(WrongInput, match=f"`vistas run --reuse {tmp_path}/one` takes over what both have"):
        run(tmp_path / "one", **{**SMALL, "seeds": (3,)})


def test_of_a_run_that_has_some_of_the_units_it_is_said_why_not_all(tmp_path: Path) -> None:
    make(tmp_path / "small", **SMALL)
    said = Console(file=StringIO(), width=400)
    finish_run(prepare_run(Settings(**{**SMALL, "budgets": (24, 36), "reuse": (str(tmp_path / "small"),)}), tmp_path / "large"), said)
    assert "others are not there, also as budgets are 24, 36 here and 24 there, and of searches whose pool" in said.file.getvalue()


def test_a_plan_says_what_is_done_in_its_folder(tmp_path: Path) -> None:
    with stop_after(1):
        run(tmp_path, **SMALL)
    options = ["--model", "toy-ar", "--search", "random", "--search", "beam", "--verifier", "toy-judge", "--budget", "24", "--prompts", "6"]
    settings = ["--set", "chunk=4", "--set", "metrics=[]", "--out", str(tmp_path)]
    said = call("plan", "geneval", *options, *settings, "--tflops", "toy-ar=1").output
    assert f"done in {tmp_path}: 1 unit of 4, " in said
    assert " to compute in all, " in said
    assert " of it still to do" in said
    assert " of them still to do" in said
    plan = json.loads("{" + call("plan", "geneval", *options, *settings, "--tflops", "toy-ar=1", "--json").output.partition("{")[2])
    assert plan["done"]["units"] == 1
    assert plan["gpu_hours_left"] == pytest.approx((1 - plan["done"]["flops_share"]) * plan["gpu_hours"])


def test_what_would_mix_folders_or_settings_is_refused_at_once(tmp_path: Path) -> None:
    run(tmp_path / "one", **SMALL)
    one = str(tmp_path / "one")
    asked = ["run", "geneval", "--model", "toy-ar", "--out", one]
    assert f"--reuse {one} is the folder of --out: give another --out" in " ".join(call(*asked, "--reuse", one).output.split())
    assert "several are a list: --set 'metrics=[toy-judge,toy-other]'" in call(*asked, "--set", "metrics=toy-judge,toy-other").output
    refused = call("report", one, "--out", one)
    assert refused.exit_code == 2
    assert "is the folder of a run: give a folder for the report, such as" in " ".join(refused.output.split())
    assert not (tmp_path / "one" / "index.html").exists()
