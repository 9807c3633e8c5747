"""`vistas plan`: what is foretold is what a run does."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import toy_world
from command_line import call as vistas

from harness.compute.amounts import amount, as_number, hours
from harness.compute.ledger import COST_COLUMNS, Cost
from harness.forecast.hours_lines import most_decoding
from harness.forecast.in_all import computed_seconds
from models.base import Images
from verifiers.base import Scores

pytestmark = pytest.mark.usefixtures("toys", "unreported")

ASKED = ["geneval", "--model", "toy-ar", "--model", "toy-diffusion", "--verifier", "toy-judge", "--prompts", "6",
         "--seed", "0", "--seed", "1", "--set", "metrics=[]"]  # fmt: skip


def call(*arguments: str) -> str:
    result = vistas(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_preset_that_nobody_named_is_said_to_be_the_default_with_the_others() -> None:
    asked = ["plan", *ASKED[:2], "toy-noisy", *ASKED[5:], "--budget", "60", "--search"]
    line = "\n  preset      flux, the default for every model; others: sd2.1, as in evolution:preset=sd2.1\n"
    assert line in call(*asked, "evolution")
    assert "\n  preset " not in call(*asked, "evolution:preset=sd2.1") + call(*asked, "random")


def test_a_total_that_prompts_share_is_planned_as_a_run_spends_it(tmp_path: Path) -> None:
    # Where longer prompts get more than the plan's made-up scores gave them, a run makes an image fewer: not with these seeds.
    asked = [*ASKED[:9], "--seed", "2", "--seed", "3", *ASKED[13:], "--search", "adaptive", "--search", "adaptive:pool=4",
             "--budget", "1600", "--unit", "flops"]  # fmt: skip
    values = json.loads(call("plan", *asked, "--json"))
    call("run", *asked, "--out", str(tmp_path))
    found = pd.read_parquet(tmp_path / "selections.parquet").groupby(["model", "search"])
    assert len(found) == len(values["searches"]) == 4
    for one in values["searches"]:
        rows = found.get_group((one["model"], one["search"]))
        for column in ("nfe", "forwards", "images"):
            assert one["total"][column] == rows[column].sum(), column
        assert one["total"]["flops"] == pytest.approx(rows["flops"].sum(), rel=0.02), "texts of who gets more have other lengths"
        assert one["unused"]["most"] == pytest.approx(1600 - one["total"]["flops"] / len(rows))
        alone = sum(each["prompts"] * each["rounds"] for each in one["parameters"]) * 3 * one["seeds"]
        assert one["total"]["nfe"] > alone, "of what a prompt alone cannot spend nothing is moved"
    assert values["computed_flops"] == sum(one["total"]["flops"] for one in values["searches"])
    assert re.search(r"^toy-ar adaptive +1.6 kFLOP +about \d+% +about ", call("plan", *asked), re.MULTILINE)


def test_what_scores_decide_is_said_to_be_a_bound(tmp_path: Path) -> None:
    asked = [*ASKED[:3], *ASKED[5:], "--search", "smc:particles=4", "--budget", "12"]
    shown = call("plan", *asked)
    forwards, passes = (int(found[1]) for pattern in (r"a prompt    at most 12 NFE, (\d+) forwards", r"passes      at most (\d+): 1 4 4 by")
                        if (found := re.search(pattern, shown)))  # fmt: skip
    assert forwards == passes == 9
    assert "toy-ar smc:particles=4  12 NFE  100%  at most " in shown
    assert re.search(r"; at most [\d.]+ kFLOP to compute in all", shown)
    assert "unused      nothing\n" in shown, "sharing saves passes, and an NFE is counted for every candidate"
    assert "unused      1 NFE (7.7%)\n" in call("plan", *asked[:-1], "13")
    flops = json.loads(call("plan", *asked, "--prompts", "1", "--json"))["searches"][0]["per_prompt"]["flops"]["most"]
    by_flops = call("plan", *asked[:-1], str(flops), "--unit", "flops", "--prompts", "1")
    assert re.search(r"^toy-ar smc:particles=4 .*FLOP  at most 100%  at most ", by_flops, re.MULTILINE)
    assert "unused      nothing, or more where scores save passes\n" in by_flops
    assert "unused      at least " in call("plan", *asked[:-1], str(flops * 1.05), "--unit", "flops")
    both = call("plan", *asked[:-1], "1600", "--unit", "flops", "--search", "adaptive")
    assert re.search(r"; about [\d.]+ kFLOP to compute in all", both), "a sum with an estimate in it is no bound"
    call("run", *asked, "--out", str(tmp_path))
    assert pd.read_parquet(tmp_path / "selections.parquet")["forwards"].between(1, 8).any()


def test_the_steps_that_scores_choose_are_said_to_be_an_example() -> None:
    """Of what is done as often as planned, whatever the scores."""
    shown = call("plan", *ASKED[:2], "toy-noisy", *ASKED[5:], "--search", "rbf", "--budget", "20")
    assert re.search(r"^  a prompt    20 NFE, ", shown, re.MULTILINE)
    assert re.search(r"^  passes      such as 20: ", shown, re.MULTILINE)
    assert "\n  scores decide at which steps it is done; rows are those of made-up scores\n" in shown


@pytest.mark.parametrize("budget", [["--budget", "6,26"], ["--budget", "800,2500", "--unit", "flops"]])
def test_the_totals_are_those_of_the_run(budget: list[str], tmp_path: Path) -> None:
    foretold = json.loads(call("plan", *ASKED, *budget, "--json"))["searches"]
    assert not list(tmp_path.iterdir())
    call("run", *ASKED, *budget, "--out", str(tmp_path))
    found = pd.read_parquet(tmp_path / "selections.parquet").groupby(["model", "search", "budget"])
    assert len(found) == len(foretold) > 5
    for one in foretold:
        rows = found.get_group((one["model"], one["search"], one["budget"]))
        assert one["prompts"] * one["seeds"] == len(rows)
        for column in (name for name in COST_COLUMNS if not name.endswith("seconds")):
            assert one["total"][column] == rows[column].sum(), column
            assert one["per_prompt"][column] == {"least": rows[column].min(), "most": rows[column].max()}
        left = one["budget"] - rows[one["unit"]]
        assert one["unused"] == {"least": pytest.approx(left.min()), "most": pytest.approx(left.max())}
        assert "seconds" not in one["total"]


def test_it_says_what_is_chosen_what_is_unused_and_what_is_skipped() -> None:
    shown = call("plan", *ASKED, "--search", "random", "--search", "beam", "--budget", "14")
    assert "toy-ar with random by toy-judge at 14 NFE a prompt" in shown
    assert "chosen      candidates 4" in shown
    assert "12 NFE" in shown
    assert "passes      9: 1 4 4 by step" in shown
    assert "unused      2 NFE (14.3%)" in shown
    assert "unused      nothing\n" in call("plan", *ASKED, "--search", "random", "--budget", "6")
    assert "chosen      candidates 2, looks at step 2 of 3, keep 0.5\n" in call("plan", *ASKED, "--search", "halving", "--budget", "7")
    assert "looks at steps 1, 2 of 3," in call("plan", *ASKED, "--search", "halving:at=0.3/0.7", "--budget", "7")
    assert "skipped toy-diffusion with beam: " in shown
    assert "skipped toy-ar with beam at 14 NFE" in shown
    assert "no time is estimated: --calibrate measures every operation first" in shown


def test_time_is_estimated_from_a_calibration() -> None:
    asked = ["plan", *ASKED, "--search", "random", "--budget", "6"]
    shown = call(*asked, "--calibrate")
    assert "no time is estimated" not in shown
    assert re.search(r"^model and search +budget +used +FLOPs +time\ntoy-ar random +6 NFE +100% +[\d.]+ kFLOP +\d+ s$", shown, re.MULTILINE)
    assert re.search(r"about \d+ s of searching in all; loading, grading and the report come on top", shown)
    values = json.loads(call(*asked, "--calibrate", "--json"))
    one = values["searches"][0]
    assert one["total"]["seconds"] > one["total"]["verifier_seconds"] > 0
    assert values["computed_seconds"] == pytest.approx(sum(each["total"]["seconds"] for each in values["searches"]))


def test_a_pool_that_serves_several_budgets_is_timed_once() -> None:
    asked = ["plan", *ASKED, "--search", "random", "--budget", "6,12", "--calibrate", "--json"]
    values = json.loads(call(*asked))
    largest = [one["total"]["seconds"] for one in values["searches"] if one["budget"] == 12]
    assert values["computed_seconds"] == pytest.approx(sum(largest))


def test_one_pool_is_computed_once_and_judged_by_every_verifier() -> None:
    asked = ["plan", *ASKED[:3], "--verifier", "toy-judge", *ASKED[7:], "--search", "random", "--budget", "6"]
    alone, both = (json.loads(call(*asked, *more, "--json")) for more in ([], ["--verifier", "toy-other"]))
    own = [one["total"]["flops"] for one in alone["searches"]]
    judged = [one["total"]["verifier_flops"] for one in both["searches"] if one["verifier"] == "toy-other"]
    assert alone["computed_flops"] == sum(own)
    assert both["computed_flops"] == sum(own) + sum(judged) > sum(own)


def test_a_dear_verifier_of_a_pool_is_computed_for_the_images_of_a_cheap_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own budget buys fewer, and it is given them all."""
    each = {"toy-judge": 5, "toy-other": 400}
    given = dict.fromkeys(each, 0)
    score = toy_world.ToyVerifier.score

    def counted(self: toy_world.ToyVerifier, images: Images, prompts: Sequence[str]) -> Scores:
        given[self.card.name] += len(prompts)
        return score(self, images, prompts)

    def price(self: toy_world.ToyVerifier, images: int, new_prompts: int = 0) -> Cost:
        return Cost(verifier_flops=each[self.card.name] * images, verifier_calls=images)

    monkeypatch.setattr(toy_world.ToyVerifier, "score", counted)
    monkeypatch.setattr(toy_world.ToyVerifier, "price", price)
    asked = [*ASKED[:3], *ASKED[5:], "--verifier", "toy-other", "--search", "random", "--budget", "2600", "--unit", "flops"]
    values = json.loads(call("plan", *asked, "--json"))
    assert not any(given.values())
    call("run", *asked, "--out", str(tmp_path))
    assert given["toy-judge"] == given["toy-other"] > 12
    cheap, dear = (one["total"] for one in values["searches"])
    assert cheap["verifier_calls"] == given["toy-judge"] > dear["verifier_calls"]
    assert values["computed_flops"] == cheap["flops"] + given["toy-other"] * each["toy-other"]


def test_a_dear_verifier_of_a_pool_is_timed_for_the_images_of_a_cheap_one() -> None:
    cheap = Cost(seconds=110.0, verifier_seconds=10.0, verifier_calls=20)
    dear = Cost(seconds=80.0, verifier_seconds=30.0, verifier_calls=10)
    who = {"model": "m", "search": "random", "budget": 9.0, "prompts": 4, "seeds": 2}
    every: Any = [SimpleNamespace(**who, verifier=name, total=total) for name, total in (("cheap", cheap), ("dear", dear))]
    unit: Any = SimpleNamespace(model="m", search="random", prompts=[0, 1], budgets={"cheap": (5.0, 9.0), "dear": (5.0, 9.0)})
    assert computed_seconds([unit] * 4, every) == pytest.approx(100 + 10 + 60)


def test_every_pair_is_in_one_line_of_the_overview() -> None:
    lines = call("plan", *ASKED, "--search", "random", "--search", "beam", "--budget", "14,28").splitlines()
    table = lines[next(n for n, line in enumerate(lines) if line.startswith("model and search ")) :]
    assert lines.index(table[0]) < next(n for n, line in enumerate(lines) if line.startswith("toy-ar with random by"))
    assert table[0].split() == ["model", "and", "search", "budget", "used", "FLOPs"]
    assert table[1].split()[:5] == ["toy-ar", "random", "14", "NFE", "86%"]
    assert table[2].split()[:4] == ["toy-ar", "random", "28", "NFE"]


def test_a_budget_reads_as_a_report_has_it_and_looks_are_accounted_for() -> None:
    asked = [*ASKED, "--search", "adaptive:search=beam:score=preview"]
    shown = call("plan", *asked, "--budget", "40", "--unit", "images")
    assert "toy-ar with adaptive:search=beam:score=preview by toy-judge at 40 images a prompt" in shown
    assert re.search(r"chosen      rounds \d, search \(width 2, candidates \d, score preview\)\n", shown)
    looks, images, unused = (
        float(found[1]) for pattern in (r"counted     on average ([\d.]+) looks at previews, each as an image",
                                        r"a prompt    on average .* ([\d.]+) images, ", r"unused      about ([\d.]+) image")
        if (found := re.search(pattern, shown))
    )  # fmt: skip
    one = json.loads(call("plan", *asked, "--budget", "40", "--unit", "images", "--json"))["searches"][0]
    each = {name: ends["most"] for name, ends in one["per_prompt"].items()}
    assert each["verifier_calls"] + one["unused"]["most"] == pytest.approx(40, rel=1e-12), "every image and preview is scored"
    exact = (each["verifier_calls"] - each["images"], each["images"], one["unused"]["most"])
    assert (looks, images, unused) == pytest.approx(exact, rel=0.005), "shown with three digits"
    timed = call("plan", *ASKED, "--search", "random", "--budget", "0.05", "--unit", "seconds")
    left = re.findall(r"^  unused      (.+)$", timed, re.MULTILINE)
    assert len(left) == 2
    some = r"[\d.]+ m?s( to [\d.]+ m?s)? \([\d.]+%( to [\d.]+%)?\)"  # an image takes so little that it can be below 0.1 %
    assert all(re.fullmatch(rf"nothing|{some}", one) for one in left), left


def test_hours_of_a_card_follow_from_its_speed_with_each_model() -> None:
    asked = ["plan", *ASKED, "--search", "random", "--budget", "6", "--json"]
    values = json.loads(call(*asked, "--tflops", "1e-12", "--tflops", "toy-ar=2e-12"))
    hours = sum(one["total"]["flops"] / (2 if one["model"] == "toy-ar" else 1) / 3600 for one in values["searches"])
    assert values["gpu_hours"] == pytest.approx(hours)
    assert sum(one["gpu_hours"] for one in values["searches"]) == pytest.approx(hours), "each search has its part, to be struck"
    shown = call(*asked[:-1], "--tflops", "1e-12", "--tflops", "toy-ar=2e-12")
    assert f"roughly {values['gpu_hours']:.3g} GPU-hours" in shown
    assert "no time is estimated" not in shown, "hours are"
    assumed = "\nthese hours take a model's speed as the same in every search: "
    assert assumed in shown
    assert assumed not in call(*asked[:-1]), "without hours nothing is assumed"
    rows = re.findall(r"^(toy-\S+) random +6 NFE .* kFLOP +([\d.]+)$", shown, re.MULTILINE)
    assert rows == [(one["model"], f"{one['gpu_hours']:.3g}") for one in values["searches"]]
    without = json.loads(call(*asked))
    assert "gpu_hours" not in without
    assert "gpu_hours" not in without["searches"][0]


@pytest.mark.parametrize(("given", "said"), [
    (["-3"], "no positive number"), (["fast"], "no positive number"), (["toy-ar=1", "toy-ar=2"], "given twice"),
    (["toy-ar=1"], "says nothing of toy-diffusion: add --tflops toy-diffusion=N"),
    (["toy-arr=1", "3"], "of no model here, did you mean toy-ar? there are toy-ar, toy-diffusion"),
])  # fmt: skip
def test_speeds_that_say_nothing_are_refused(given: list[str], said: str) -> None:
    options = [f"--tflops={one}" for one in given]
    result = vistas("plan", *ASKED, "--search", "random", "--budget", "6", *options)
    assert result.exit_code == 2
    assert said in result.output
    assert "loading" not in result.output


def test_each_model_of_a_pair_goes_at_its_own_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    price = toy_world.ToyGenerator.price

    def strict(self: toy_world.ToyGenerator, operation: str, step: int = 0, text_tokens: int = 0) -> Cost:
        assert operation != "predict" or step < self.card.steps, "as published models have it, which refuse to price a step beyond"
        return price(self, operation, step, text_tokens)

    monkeypatch.setattr(toy_world.ToyGenerator, "price", strict)
    asked = ["plan", *ASKED[:2], "toy-ar+toy-noisy", *ASKED[5:7], "--prompts", "1", "--set", "metrics=[]", "--search", "hybrid",
             "--budget", "40", "--json", "--tflops", "1e-12", "--tflops"]  # fmt: skip
    alike, fast = json.loads(call(*asked, "toy-noisy=1e-12")), json.loads(call(*asked, "toy-noisy=2e-12"))
    one = alike["searches"][0]
    rows = {name: sum(counts) for name, counts in one["rows"].items()}
    second = {name.removeprefix("refining "): count for name, count in rows.items() if name.startswith("refining ")}
    second |= {"encode": 1, "embed": second["decode"]}
    refined = sum(toy_world.COST[name].flops * count for name, count in second.items()) + toy_world.WORDS * second["predict"]
    drafted = sum(toy_world.COST[name].flops * rows.get(name, 1) for name in ("encode", "predict", "decode"))
    words, left = divmod(one["total"]["flops"] - one["total"]["verifier_flops"] - refined - drafted, rows["predict"])
    assert (words > 0, left) == (True, 0), "all else is passes of the first model that read so many words"
    assert one["gpu_hours"] == pytest.approx(one["total"]["flops"] / 3600)
    assert fast["searches"][0]["gpu_hours"] == pytest.approx((one["total"]["flops"] - refined / 2) / 3600)
    assert fast["gpu_hours"] == pytest.approx(fast["searches"][0]["gpu_hours"])
    shared = json.loads(call(*asked, "toy-noisy=2e-12", "--shard", "0/1"))
    assert shared["shard_gpu_hours"] == pytest.approx(fast["gpu_hours"])


def test_a_plan_says_what_another_run_spares_and_what_a_shard_does(tmp_path: Path) -> None:
    asked = [*ASKED[:3], *ASKED[5:7], "--prompts", "6", "--set", "metrics=[]", "--set", "chunk=2", "--search", "random", "--budget", "24"]
    call("run", *asked, "--out", str(tmp_path / "small"))
    larger = [*asked, "--search", "beam", "--reuse", str(tmp_path / "small")]
    before = sorted(tmp_path.rglob("*"))
    shown, values = call("plan", *larger, "--shard", "2/4"), json.loads(call("plan", *larger, "--shard", "2/4", "--json"))
    assert sorted(tmp_path.rglob("*")) == before, "nothing is written"
    flops = {one["search"]: one["total"]["flops"] for one in values["searches"]}
    spared = flops["random"] / sum(flops.values())
    assert values["reused"] == {"units": 3, "flops_share": pytest.approx(spared)}
    assert f"taken from {tmp_path / 'small'}: 3 units of 6, {spared:.1%} of the FLOPs\n" in shown
    shares = [part["flops_share"] for part in values["shards"]]
    assert sum(shares) == pytest.approx(1)
    assert f"\nshards 0 to 3: {', '.join(f'{share:.1%}' for share in shares)} of the FLOPs\n" in shown
    assert max(shares) - min(shares) <= flops["random"] / 3 / sum(flops.values()), "even up to one unit"
    assert values["shard"] == {"units": 2, "flops_share": shares[2], "units_left": 1}, "the cheapest units of both"
    assert re.search(rf"^shard 2/4: 2 units of 6, {shares[2]:.1%} of the FLOPs, 1 of them done or taken over$", shown, re.MULTILINE)
    timed = [*larger, "--tflops", "2e-12", "--shard"]
    parts = [json.loads(call("plan", *timed, f"{number}/4", "--json")) for number in range(4)]
    own, rest, every = (parts[1][name] for name in ("shard_gpu_hours", "gpu_hours_left", "gpu_hours"))
    assert rest == pytest.approx(flops["beam"] / 2 / 3600) == pytest.approx(every * (1 - spared))
    assert sum(part["shard_gpu_hours"] for part in parts) == pytest.approx(rest), "hours of shards add up to what is left"
    line = f"{hours(every)} GPU-hours at the speeds given, {hours(rest)} of them still to do, {hours(own)} of these in shard"
    assert f"\nroughly {line} 1/4; loading, " in call("plan", *timed, "1/4")
    other = call("plan", *larger, "--set", "chunk=3")
    assert f"taken from {tmp_path / 'small'}: 0 units of 4, 0.0% of the FLOPs: chunk is 3 here and 2 there" in other
    assert not {"reused", "shard"} & json.loads(call("plan", *asked, "--json")).keys()


def test_hours_are_rough_and_searches_that_decode_often_are_named() -> None:
    asked = ["plan", *ASKED[:3], *ASKED[5:], "--budget", "40", "--tflops", "1e-12", "--search", "random", "--search"]
    shown = call(*asked, "smc")
    row = next(line for line in shown.splitlines() if line.startswith("toy-ar smc"))
    assert re.search(r" at most [\d.]+ kFLOP +[\d.]+$", row), "FLOPs have a bound, hours have none"
    named = r"\nmore hours than said: decoders .* than random does: toy-ar smc \(1\d% of its FLOPs, 3% in random\)\n"
    assert re.search(named, shown)
    assert "more hours than said" not in call(*asked, "random:candidates=2")
    found = [SimpleNamespace(decoding=share, image_decoding=0.03) for share in (0.111, 0.2, 0.114)]
    assert most_decoding(found) == "up to 20% of its FLOPs, 3% in random"  # type: ignore[arg-type]
    assert most_decoding(found[::2]) == "11% of its FLOPs, 3% in random"  # type: ignore[arg-type]


def test_hours_of_a_study_are_written_out_and_its_flops_have_a_prefix() -> None:
    assert [hours(value) for value in (0.0612, 32.31, 99.96, 4217, 52_345)] == ["0.0612", "32.3", "100", "4,220", "52,300"]
    assert (amount(7.33e21, "flops"), as_number("2Z")) == ("7.33 ZFLOP", 2e21)


def test_a_shard_has_hours_of_its_own_and_one_without_units_is_told() -> None:
    asked = ["plan", *ASKED, "--search", "random", "--search", "beam", "--budget", "24", "--tflops", "2e-12", "--set", "chunk=1", "--shard"]
    parts = [json.loads(call(*asked, f"{number}/3", "--json")) for number in range(3)]
    assert sum(part["shard_gpu_hours"] for part in parts) == pytest.approx(parts[0]["gpu_hours"])
    own, every = hours(parts[1]["shard_gpu_hours"]), hours(parts[1]["gpu_hours"])
    shown = call(*asked, "1/3")
    assert f"\nroughly {every} GPU-hours at the speeds given, {own} of them in shard 1/3; loading, grading " in shown
    assert "nothing to do" not in shown
    idle = call(*asked, "98/99")
    assert ": nothing to do, there are more shards than units\n" in idle
    said = r"^more than 36 shards end no sooner: 3\.7% of the FLOPs are one unit, which is not divided: toy-diffusion random by "
    assert re.search(said, idle, re.MULTILINE)
    assert "end no sooner" not in shown


def test_lines_that_share_images_are_said_to_be_priced_alone() -> None:
    said = "\neach line above is priced as if it ran alone; lines that share a set of images compute it once in all\n"
    asked = ["plan", *ASKED, "--search", "random", "--budget"]
    assert said in call(*asked, "14,28")
    assert said not in call(*asked, "14")


def test_budgets_that_buy_the_same_are_named() -> None:
    asked = ["plan", *ASKED[:3], *ASKED[5:], "--budget", "14,60", "--search"]
    assert "\ntoy-ar random:candidates=2 does the same at 14, 60 NFE\n" in call(*asked, "random:candidates=2")
    assert "does the same" not in call(*asked, "random")


def test_of_verifiers_that_leave_room_for_other_budgets_each_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def price(self: toy_world.ToyVerifier, images: int, new_prompts: int = 0) -> Cost:
        return Cost(verifier_calls=images, verifier_flops=images * (50 if self.card.name == "toy-other" else 5))

    monkeypatch.setattr(toy_world.ToyVerifier, "price", price)
    asked = [*ASKED[:3], "--verifier", "toy-judge", "--verifier", "toy-other", *ASKED[7:], "--search", "random:candidates=2"]
    both = json.loads(call("plan", *asked, "--unit", "flops", "--budget", "9000", "--json"))["searches"]
    least = {one["verifier"]: one["per_prompt"]["flops"]["most"] for one in both}
    cheap, dear = "toy-judge", "toy-other"
    shown = call("plan", *asked, "--unit", "flops", "--budget", f"{least[cheap]},{least[dear]},9000")
    said = [line for line in shown.splitlines() if "does the same" in line]
    assert [line.partition(" does")[0] for line in said] == [f"toy-ar random:candidates=2 by {name}" for name in (cheap, dear)]


def test_a_model_that_says_it_costs_nothing_is_planned_too(monkeypatch: pytest.MonkeyPatch) -> None:
    free = {name: replace(cost, model_flops=0, decode_flops=0, text_flops=0) for name, cost in toy_world.COST.items()}
    monkeypatch.setattr(toy_world.ToyVerifier, "price", lambda self, images, new_prompts=0: Cost(verifier_calls=images))
    monkeypatch.setattr(toy_world.ToyGenerator, "price", lambda self, operation, step=0, text_tokens=0: free[operation])
    shown = call("plan", *ASKED, "--search", "random", "--budget", "14", "--tflops", "1", "--shard", "0/2", "--hours", "9")
    assert "roughly 0 GPU-hours" in shown
    assert "9 hours pay for any number of prompts of everything above" in shown


def test_hours_that_one_has_buy_prompts_of_each_search_and_of_all() -> None:
    asked = ["plan", *ASKED, "--search", "random", "--search", "beam", "--budget", "24", "--tflops", "1e-12", "--tflops", "toy-ar=3e-12",
             "--hours"]  # fmt: skip
    values = json.loads(call(*asked, "7", "--json"))
    each = [one["gpu_hours"] / 6 for one in values["searches"]]
    assert len(each) == 3
    assert [one["affordable_prompts"] for one in values["searches"]] == [int(7 / needed) for needed in each]
    assert values["affordable_prompts"] == int(7 / sum(each))
    shown = call(*asked, "7")
    bought = f"{values['affordable_prompts']:,} prompts"
    assert f"\n7 hours pay for about {bought} of everything above, each under 2 seeds, before loading, grading and the report\n" in shown
    alone = f"about {values['searches'][0]['affordable_prompts']:,} prompts"
    assert re.search(rf"^toy-ar random +24 NFE .* {alone}$", shown, re.MULTILINE)
    assert "affordable_prompts" not in json.loads(call(*asked[:-1], "--json"))


def test_hours_that_one_has_go_by_what_was_measured_where_it_was() -> None:
    asked = ["plan", *ASKED, "--search", "random", "--budget", "24", "--hours", "1", "--tflops", "1", "--calibrate", "--json"]
    values = json.loads(call(*asked))
    for one in values["searches"]:
        assert one["affordable_prompts"] == int(3600 * 6 / one["total"]["seconds"])
    assert values["affordable_prompts"] == int(3600 * 6 / values["computed_seconds"])


@pytest.mark.parametrize(("given", "said"), [
    (["--hours", "-3", "--tflops", "1"], "--hours -3 is no positive number: give the hours of a card that you have"),
    (["--hours", "9"], "--hours counts by how long searches take: add --speeds FILE, --tflops N or --calibrate"),
])  # fmt: skip
def test_hours_that_say_nothing_are_refused(given: list[str], said: str) -> None:
    result = vistas("plan", *ASKED, "--search", "random", "--budget", "6", *given)
    assert result.exit_code == 2
    assert said in result.output
    assert "loading" not in result.output
