"""`vistas plan --speeds`: from what bench-model has written to the time of every search, and what is not in it."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import command_line
import pytest

from harness.bench.speed_files import SpeedFiles
from harness.errors import WrongInput
from harness.run.progress import duration

ASKED = ["plan", "geneval", "--model", "toy-ar", "--verifier", "toy-judge", "--prompts", "6", "--set", "metrics=[]"]
COLUMNS = ("operation", "step", "rows", "seconds", "model", "device", "versions", "settings")
TOY = [("encode", 0), *((name, step) for name in ("predict", "draw") for step in range(3)), ("preview", 1), ("decode", 3)]
SCORE = ("score toy-judge", 0)


@pytest.fixture(autouse=True)
def _own_cache(toys: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))


def call(*arguments: str) -> str:
    result = command_line.call(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def written(path: Path, operations: Any, seconds: float = 1.0, rows: tuple[int, ...] = (1, 64), **origin: str) -> str:
    """A file in which each of these operations takes so many seconds a call, whatever its rows."""
    settings = json.dumps({"toy": True, "steps": 3, "image_size": [48, 48], "offload": "none"})
    beside = {"model": "toy-ar", "device": "a card", "versions": "torch 9", "settings": settings, **origin}
    with path.open("w", newline="") as stream:
        lines = csv.DictWriter(stream, COLUMNS)
        lines.writeheader()
        for operation, step in operations:
            for count in rows:
                lines.writerow({"operation": operation, "step": step, "rows": count, "seconds": seconds, **beside})
    return str(path)


def test_time_is_that_of_the_calls_of_whole_units_as_a_run_batches_them(tmp_path: Path) -> None:
    speeds = written(tmp_path / "a.csv", [*TOY, SCORE])
    asked = [*ASKED, "--search", "random", "--search", "greedy", "--budget", "12", "--set", "chunk=4", "--speeds", speeds]
    values = json.loads(call(*asked, "--json"))
    totals = {one["search"]: one["total"] for one in values["searches"]}
    one_batch = 1 + 3 + 3 + 1 + 1
    assert totals["random"]["seconds"] == pytest.approx(2 * one_batch), "units of four and of two prompts, each one batch"
    assert totals["random"]["verifier_seconds"] == pytest.approx(2)
    assert values["computed_seconds"] == pytest.approx(sum(total["seconds"] for total in totals.values()))
    assert totals["greedy"]["seconds"] > totals["random"]["seconds"], "decodes and scores at every scale"
    small = json.loads(call(*asked, "--set", "max_rows=8", "--json"))["searches"][0]["total"]["seconds"]
    assert small == pytest.approx(2 * one_batch + one_batch - 2), "16 rows are two batches with one text and one first pass; 8 are one"
    parts = [json.loads(call(*asked, "--json", "--shard", f"{number}/2"))["shard_seconds"] for number in range(2)]
    assert sum(parts) == pytest.approx(values["computed_seconds"])
    shown = call(*asked, "--shard", "0/2")
    assert f"about {round(values['computed_seconds'])} s of searching in all, {round(parts[0])} s of it in shard 0/2; loading" in shown
    assert "speeds of toy-ar: measured on a card with torch 9, in batches of 1, 64, each call once\n" in shown
    assert re.search(r"^toy-ar random +12 NFE .* about 18 s$", shown, re.MULTILINE)
    assert "more time than said" not in shown
    assert "speeds of toy-ar: measured of" not in shown, "no setting differs"


@pytest.mark.usefixtures("unreported")
def test_time_is_said_of_what_another_run_does_not_have(tmp_path: Path) -> None:
    base = [*ASKED[1:], "--budget", "24", "--set", "chunk=2", "--search", "random"]
    call("run", *base, "--out", str(tmp_path / "small"))
    speeds = written(tmp_path / "a.csv", [*TOY, SCORE])
    asked = ["plan", *base, "--search", "beam", "--speeds", speeds, "--reuse", str(tmp_path / "small")]
    parts = [json.loads(call(*asked, "--json", "--shard", f"{number}/4")) for number in range(4)]
    lasts = {one["search"]: one["total"]["seconds"] for one in parts[0]["searches"]}
    every, rest, own = (parts[1][name] for name in ("computed_seconds", "computed_seconds_left", "shard_seconds"))
    assert every == pytest.approx(lasts["random"] + lasts["beam"])
    assert rest == pytest.approx(lasts["beam"]), "all units of random are taken over"
    assert sum(part["shard_seconds"] for part in parts) == pytest.approx(rest)
    said = f"about {duration(every)} of searching in all, {duration(rest)} of it still to do, {duration(own)} of that"
    assert f"\n{said} in shard 1/4; loading" in call(*asked, "--shard", "1/4")


def test_hours_that_one_has_pay_for_whole_units_and_a_part_of_one(tmp_path: Path) -> None:
    speeds = written(tmp_path / "a.csv", [*TOY, SCORE])
    asked = [*ASKED, "--search", "random", "--budget", "12", "--set", "chunk=4", "--set", "max_rows=8", "--speeds", speeds, "--hours"]
    full, half = 16, 9  # of four prompts 16 rows in two batches, which share the text; of two prompts one batch
    paid = {2 * full: 8, 2 * full - 1: 6, half - 1: 0}
    for seconds, prompts in paid.items():
        values = json.loads(call(*asked, str((seconds + 0.01) / 3600), "--json"))
        assert values["affordable_prompts"] == values["searches"][0]["affordable_prompts"] == prompts, seconds
    shown = call(*asked, "0.001")
    assert re.search(r"^toy-ar random +12 NFE .* no prompt, one takes 9 s$", shown, re.MULTILINE)
    assert "\n0.001 hours pay for no prompt of everything above: one takes 9 s, before loading, " in shown
    fewer = json.loads(call(*asked, str((2 * full + 0.01) / 3600), "--prompts", "2", "--seed", "0,1", "--json"))
    assert fewer["affordable_prompts"] == 4, "a whole unit, though none of the plan is"


def test_prompts_that_share_a_total_are_paid_for_by_their_share(tmp_path: Path) -> None:
    speeds = written(tmp_path / "a.csv", [*TOY, SCORE])
    asked = [*ASKED, "--search", "adaptive", "--search", "random", "--budget", "40", "--speeds", speeds, "--json", "--hours", "1"]
    values = json.loads(call(*asked))
    shared = values["searches"][0]
    assert shared["affordable_prompts"] == int(3600 * 6 / shared["total"]["seconds"])
    assert 0 < values["affordable_prompts"] < min(one["affordable_prompts"] for one in values["searches"])


def test_a_plan_says_how_far_off_it_may_be_and_which_batches_to_measure(tmp_path: Path) -> None:
    speeds = tmp_path / "a.csv"
    few = [written(tmp_path / f"{rows}.csv", [*TOY, SCORE], seconds=1 + rows / 8, rows=(rows,)) for rows in (1, 64)]
    speeds.write_text(Path(few[0]).read_text() + "".join(Path(few[1]).read_text().splitlines(keepends=True)[1:]))
    asked = [*ASKED, "--search", "random", "--search", "greedy", "--budget", "12", "--speeds", str(speeds)]
    command = "vistas bench-model toy-ar --verifier toy-judge --batch 12,24 --prompts 6 --csv toy-ar-more.csv"
    line = (r"time of toy-ar greedy and, less so, 1 more may be 0\.\d+ to \d\.\d times what is said, noise apart, "
            r"by batches not measured: measure them "
            rf"too, on a card, and add --speeds toy-ar-more\.csv: {command}")  # fmt: skip
    found = [said for said in call(*asked).splitlines() if said.startswith("time of ")]
    assert len(found) == 1
    assert re.fullmatch(line, found[0]), found[0]
    values = json.loads(call(*asked, "--json"))
    assert len(values["unsure"]) == 1
    for one in values["searches"]:
        least, most = one["seconds_range"]
        assert least < one["total"]["seconds"] < most
    more = [written(tmp_path / f"more{rows}.csv", [*TOY, SCORE], seconds=1 + rows / 8, rows=(rows,)) for rows in (12, 24)]
    surer = json.loads(call(*asked, *(f"--speeds={file}" for file in more), "--json"))
    assert surer["unsure"] == [], "what was asked for is enough"
    assert surer["computed_seconds"] == pytest.approx(values["computed_seconds"]), "calls whose time grows evenly were planned rightly"


def test_a_budget_in_seconds_is_planned_by_the_file(tmp_path: Path) -> None:
    speeds = written(tmp_path / "a.csv", [*TOY, SCORE], seconds=0.5, rows=(1,))
    asked = [*ASKED, "--search", "random", "--unit", "seconds", "--budget", "13", "--speeds", speeds, "--json"]
    one = json.loads(call(*asked))["searches"][0]
    candidates = {each["candidates"] for each in one["parameters"]}
    assert candidates == {3}, "0.5 for the text and for the first pass, which all share, and 3.5 for each; scored with the last"
    assert one["total"]["seconds"] <= 6 * 13


def test_what_was_not_measured_is_said_and_lasts_nothing(tmp_path: Path) -> None:
    asked = [*ASKED, "--search", "random", "--budget", "12", "--speeds"]
    shown = call(*asked, written(tmp_path / "a.csv", TOY))
    said = "score toy-judge was not measured and lasts nothing here: measure it by bench-model with --verifier toy-judge\n"
    assert said in shown
    offloaded = call(*asked, str(tmp_path / "a.csv"), "--set", "offload=text")
    assert "speeds of toy-ar: measured of toy-ar with offload none and not text\n" in offloaded
    assert "preview was not measured" not in call(*asked, written(tmp_path / "d.csv", [*TOY[:-2], TOY[-1]])), "random makes none"
    values = json.loads(call(*asked, str(tmp_path / "a.csv"), "--json"))
    assert values["unmeasured"] == ["score toy-judge"]
    assert values["searches"][0]["total"]["verifier_seconds"] == 0
    beside = written(tmp_path / "b.csv", [SCORE], model="toy-diffusion")
    assert said not in call(*asked, str(tmp_path / "a.csv"), "--speeds", beside), "measured on this card beside another model"
    elsewhere = written(tmp_path / "c.csv", [SCORE], model="toy-diffusion", device="another card")
    assert said in call(*asked, str(tmp_path / "a.csv"), "--speeds", elsewhere)
    shrunk = written(tmp_path / "e.csv", [SCORE], model="toy-diffusion", settings='{"tiny": true}')
    assert said in call(*asked, str(tmp_path / "a.csv"), "--speeds", shrunk), "a verifier that --tiny has shrunk too"


def test_other_settings_than_those_measured_are_told(tmp_path: Path) -> None:
    settings = json.dumps({"toy": False, "compile": True, "steps": 3, "image_size": [48, 48], "offload": "none"})
    shown = call(*ASKED, "--search", "random", "--budget", "12", "--speeds", written(tmp_path / "a.csv", TOY, settings=settings))
    assert "speeds of toy-ar: measured of toy-ar with toy False and not True, compile True and not None\n" in shown
    near = written(tmp_path / "b.csv", TOY, seconds=9.0)
    both = json.loads(call(*ASKED, "--search", "random", "--budget", "12", "--speeds", str(tmp_path / "a.csv"), "--speeds", near, "--json"))
    nearest = ["speeds of toy-ar: measured on a card with torch 9, in batches of 1, 64, each call once"]
    assert both["speeds"] == nearest, "the nearest is taken"


def test_a_published_model_without_weights_is_timed(tmp_path: Path) -> None:
    timed = [("encode", 0), ("predict", 0), ("predict", 1), ("draw", 0), ("decode", 2), ("preview", 1), ("score image-reward", 0)]
    speeds = written(tmp_path / "flux.csv", timed, model="flux-dev:steps=2", seconds=0.5, rows=(1,), settings="{}")
    asked = ["plan", "geneval", "--model", "flux-dev", "--verifier", "image-reward", "--search", "random", "--prompts", "6",
             "--speeds", speeds, "--json"]  # fmt: skip
    one = json.loads(call(*asked, "--budget", "60"))["searches"][0]
    assert one["total"]["seconds"] == pytest.approx(6 * (0.5 + 2 * (30 + 30 + 1 + 1) * 0.5)), "every step as slow as those measured"
    by_time = json.loads(call(*asked, "--unit", "seconds", "--budget", "63"))["searches"][0]
    assert by_time["parameters"][0]["candidates"] == 2


@pytest.mark.parametrize(("origin", "operations", "said"), [
    ({"model": "toy-diffusion"}, TOY, "--speeds says nothing of toy-ar: measure it where it shall run, with vistas bench-model toy-ar"),
    ({}, TOY[:3], "--speeds has toy-ar in 2 steps, and toy-ar has 3: measure toy-ar itself"),
    ({}, [], "a.csv has no figures: measure again"),
    ({"settings": '{"tiny": true}'}, TOY, "--speeds has toy-ar shrunk by --tiny, which says nothing of toy-ar: measure it without --tiny"),
])  # fmt: skip
def test_files_that_do_not_serve_are_refused(origin: dict[str, str], operations: Any, said: str, tmp_path: Path) -> None:
    given = written(tmp_path / "a.csv", operations, **origin)
    result = command_line.call(*ASKED, "--search", "random", "--budget", "12", "--speeds", given)
    assert result.exit_code == 2
    assert said in result.output


def test_the_same_from_two_cards_is_ambiguous(tmp_path: Path) -> None:
    files = [written(tmp_path / f"{card}.csv", TOY, device=card) for card in ("one card", "another")]
    result = command_line.call(*ASKED, "--search", "random", "--budget", "12", *(f"--speeds={file}" for file in files))
    assert result.exit_code == 2
    assert "--speeds has toy-ar twice, from one card (torch 9) and another (torch 9): give the file of one" in result.output


WHOLE = "operation,step,rows,seconds,model,device,versions,settings\npredict,0,"


def test_a_plan_says_that_the_machine_was_disturbed_when_its_speeds_were_measured(tmp_path: Path) -> None:
    speeds = tmp_path / "a.csv"
    written(speeds, [*TOY, SCORE], seconds=2.0)
    lines = speeds.read_text().splitlines()

    def told(lowest: float, highest: float) -> list[str]:
        added = ["seconds_lowest,seconds_highest,calls", *[f"{lowest},{highest},3"] * (len(lines) - 1)]
        speeds.write_text("\n".join(f"{new},{line}" for new, line in zip(added, lines, strict=True)))
        found: list[str] = json.loads(call(*ASKED, "--search", "random", "--budget", "12", "--speeds", str(speeds), "--json"))["speeds"]
        return found

    measured = "speeds of toy-ar: measured on a card with torch 9, in batches of 1, 64"
    assert told(1.9, 2.2) == [measured]
    assert told(1.5, 3.0) == [measured, "speeds of toy-ar: calls took 0.75 to 1.50 times their median: something else may have kept the "
                              "machine busy, and planned hours may be as far off or further: measure again when it is not"]  # fmt: skip
    speeds.write_text(speeds.read_text().replace("1.5,3.0", "2.1,3.0"))
    with pytest.raises(WrongInput, match=r"a\.csv is no file of .*2\.0 s, from 2\.1 to 3\.0 s in 3 calls.*: measure again"):
        SpeedFiles.read([speeds], ["toy-ar"])


@pytest.mark.parametrize("content", [
    "", "rows,seconds\n1,2\n", "operation,step,rows,seconds\npredict,0,1,1\n", "\0", WHOLE + "one,1,toy-ar,,,{}\n",
    WHOLE + "0,1,toy-ar,,,{}\n", WHOLE + "1,nan,toy-ar,,,{}\n", WHOLE + "1,1,toy-ar,,,[1]\n", WHOLE + "1,1,toy-ar\n",
])  # fmt: skip
def test_another_file_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(WrongInput, match=r"a\.csv (is no file of vistas bench-model --csv|has no figures)"):
        SpeedFiles.read([tmp_path / "a.csv"], ["toy-ar"])
    (tmp_path / "a.csv").write_text(WHOLE + "1,1,toy-ar,,,{}\n")
    assert SpeedFiles.read([tmp_path / "a.csv"], ["toy-ar"]), "whole, it is read"
    with pytest.raises(WrongInput, match="cannot be read"):
        SpeedFiles.read([tmp_path / "none.csv"], ["toy-ar"])


def test_what_the_bench_writes_is_what_a_plan_reads(tmp_path: Path) -> None:
    pair = [("toy-ar", tmp_path / "ar.csv"), ("toy-noisy", tmp_path / "noisy.csv")]
    for name, file in pair:
        call("bench-model", name, "--verifier", "toy-judge", "--batch", "1,4", "--device", "cpu", "--repeat", "2", "--csv", str(file))
    asked = [*ASKED[:2], "--model", "toy-ar+toy-noisy", *ASKED[2:], "--search", "all", "--budget", "60", "--json"]
    values = json.loads(call(*asked, *(f"--speeds={file}" for _, file in pair)))
    assert {"hybrid", "tts-var", "beam"} <= {one["search"] for one in values["searches"]}
    assert values["unmeasured"] == [], "previews, images to start from and features are measured too"
    assert all(one["total"]["seconds"] > one["total"]["verifier_seconds"] > 0 for one in values["searches"])
    assert {said.partition(":")[0] for said in values["speeds"]} == {"speeds of toy-ar", "speeds of toy-noisy"}
    assert not any("measured of" in said for said in values["speeds"]), "of the very models, so no setting differs"
    assert not any("each call once" in said for said in values["speeds"])
