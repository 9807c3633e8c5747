"""`vistas ablate`: what is declared can be run, and its table says what the tables of its run say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from command_line import call
from rich.console import Console

from harness import ablation
from harness.ablation import Ablation, ablations
from harness.commands import finishing
from harness.run import prepared, runner
from harness.run.pairing import pair_up
from harness.search.spec import parse_search, shortest
from reports.ablation import write_ablation

pytestmark = pytest.mark.usefixtures("toys")

TOY = Ablation(
    "toy", "Does it help?", "search", "random",
    {"models": ["toy-ar"], "searches": ["random", "greedy"], "verifiers": ["toy-judge"], "budgets": [12, 24],
     "prompts": 12, "metrics": []},
)  # fmt: skip


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ablation, "ablations", lambda: {"toy": TOY})
    monkeypatch.setattr(finishing, "build_report", lambda folders, out: Path(out).mkdir(parents=True, exist_ok=True))


@pytest.mark.parametrize("one", ablations().values(), ids=list(ablations()))
def test_every_ablation_can_be_run_as_it_is_declared(one: Ablation) -> None:
    config = one.settings((), {}).run()
    pairing = pair_up(config)
    if one.vary == "method":
        assert tuple(one.against.split(" ", 1)) in pairing.pairs
        return
    values = {"model": pairing.models, "search": tuple(pairing.searches), "verifier": config.verifiers}[one.vary]
    assert one.against in values
    assert {*one.pairs, *one.pairs.values()} <= {*values}
    assert len(values) > 1
    assert all(shortest(parse_search(text)) == text for text in config.searches)
    asked = {*config.models, *config.searches}
    assert asked == {name for pair in pairing.pairs for name in pair}
    assert one.question.endswith("?")


def test_the_table_is_that_of_the_run_and_a_second_call_changes_nothing(tmp_path: Path) -> None:
    asked = ["ablate", "toy", "--out", str(tmp_path), "--set", "budgets=[24]"]
    shown = call(*asked)
    assert shown.exit_code == 0, shown.output
    scores = pd.read_parquet(tmp_path / "scores.parquet")
    grades = scores[scores["metric"] == "grade"].pivot(index=["task", "prompt_id"], columns="search", values="value")
    table = pd.read_csv(tmp_path / "report" / "tables" / "ablation.csv").set_index("search")
    assert list(table["budget"]) == [24, 24]
    means = grades.groupby("task").mean().mean()
    assert table.loc["random", "mean"] == pytest.approx(means["random"])
    assert table.loc["greedy", "difference"] == pytest.approx(means["greedy"] - means["random"])
    assert pd.isna(table.loc["random", "difference"])
    spent = pd.read_parquet(tmp_path / "selections.parquet").groupby("search")["flops"].mean()
    assert table["flops"].to_dict() == pytest.approx(spent.to_dict())
    assert "Does it help?" in (tmp_path / "report" / "ablation.md").read_text()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "parts").iterdir()}
    again = call(*asked)
    assert again.stdout == shown.stdout
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "parts").iterdir()} == before
    assert write_ablation(TOY, tmp_path, tmp_path / "report").rows[0]["against random"] == "–"


def test_it_lists_plans_and_refuses_by_name() -> None:
    assert "toy  Does it help?" in call("ablate").stdout
    assert "toy-ar with greedy by toy-judge" in call("ablate", "toy", "--plan").stdout
    refused = call("ablate", "toi")
    assert refused.exit_code == 2
    assert "unknown ablation 'toi'; did you mean toy" in refused.stderr


def test_what_is_given_wins_over_what_is_declared() -> None:
    settings = TOY.settings(["budgets=[6]", "chunk=3"], {"prompts": "2", "seeds": None})
    assert (settings.budgets, settings.chunk, settings.prompts, settings.models) == ((6,), 3, 2, ("toy-ar",))
    assert TOY.folder(settings) != TOY.folder(TOY.settings((), {}))


def test_no_two_ablations_are_one_run() -> None:
    runs = [{key: value for key, value in one.run.items() if key != "prompts"} for one in ablations().values()]
    assert all(run not in runs[:index] for index, run in enumerate(runs))


def test_a_line_can_be_set_against_another_and_says_what_is_settled(tmp_path: Path) -> None:
    run = {**TOY.run, "searches": ["random", "greedy", "beam:width=2"]}
    few = replace(TOY, pairs={"greedy": "beam:width=2"}, run=run)
    settings = few.settings(("budgets=[24]",), {"prompts": 2})
    folder = runner.finish_run(prepared.prepare_run(settings, tmp_path), Console(quiet=True))
    table = write_ablation(few, folder, folder / "report")
    rows = {row["search"]: row for row in table.rows}
    assert rows["greedy"]["against random"].endswith(" (against beam:width=2)")
    assert "(against" not in rows["beam:width=2"]["against random"]
    frame = table.frame.set_index("search")
    assert frame.loc["greedy", "difference"] == pytest.approx(frame.loc["greedy", "mean"] - frame.loc["beam:width=2", "mean"])
    assert [rows[name]["verdict"] for name in ("random", "greedy")] == ["–", "too few prompts to tell"]
    assert "2 prompts are too few (at least " in table.caption


def test_a_run_of_few_prompts_is_warned_of_before_it_begins() -> None:
    shown = call("ablate", "toy", "--plan", "--prompts", "2").stdout
    assert "2 prompts: too few for intervals" in shown
    assert "too few for intervals" not in call("ablate", "toy", "--plan", "--prompts", "15").stdout
