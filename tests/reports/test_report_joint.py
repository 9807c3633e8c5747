"""Sentences of a page of several runs, whose verifiers, seeds and budgets differ."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from reports.answer import Answer, _other_verifiers, answer
from reports.comparison_tables import equal_tables
from reports.gallery import gallery
from reports.load import read_runs
from reports.notes import notes
from reports.summary import Summary, summarise
from results.schema import TABLES

Join = Callable[..., Answer]


@pytest.fixture
def join(make_tables: Callable[..., Path], tmp_path: Path) -> Join:
    """The answer of two runs, each given by what is its own."""

    def joined(*runs: dict[str, object]) -> Answer:
        shared = {"tasks": ("colors",), "searches": ("random",), "budgets": (56,), "verifiers": ("shapes-reward",), "picture_px": 12}
        return answer(summarise(read_runs([make_tables(tmp_path / f"{place}", **{**shared, **own}) for place, own in enumerate(runs)])))

    return joined


def test_seeds_are_those_of_what_is_shown(join: Join) -> None:
    assert "with 1 seed; searches guided by shapes-reward." in join({}, {"verifiers": ("shapes-clip",), "seeds": (1, 2)}).sentences[0]


INFINITY, FLUX = {"models": {"shapes-infinity": "ar"}}, {"models": {"shapes-flux": "diffusion"}}


def test_models_with_different_seeds_are_named_with_them(join: Join) -> None:
    told = join({**INFINITY, "searches": ("random", "beam")}, {**FLUX, "seeds": (5, 6)}).sentences[2]
    expected = "seed 0: shapes-infinity + random and shapes-infinity + beam; seeds 5, 6: shapes-flux + random"
    assert told == f"Methods were run with different seeds ({expected})."


def test_searches_of_one_model_with_different_seeds_share_no_candidates(join: Join) -> None:
    told = join(INFINITY, {**INFINITY, "searches": ("beam",), "seeds": (5,)}).sentences[1]
    assert told.startswith("Methods were run with different seeds (seed 0: shapes-infinity + random; seed 5: shapes-infinity + beam). ")
    assert "begin with the same candidates under the same seed only" in told


def test_the_same_seeds_are_no_matter(join: Join) -> None:
    assert not any("different seeds" in text for text in join(INFINITY, FLUX).sentences)


def test_what_is_in_two_runs_is_taken_once_and_said(make_tables: Callable[..., Path], tmp_path: Path) -> None:
    asked = {"tasks": ("colors",), "searches": ("random",), "budgets": (28, 56), "verifiers": ("shapes-reward",), "picture_px": 12}
    first = make_tables(tmp_path / "first", **asked)
    second = make_tables(tmp_path / "second", **{**asked, "budgets": (28,), "models": {"shapes-infinity": "ar"}, "prompts": 3})
    for name in ("selections", "candidates", "scores"):  # the same search under the same seed gives the same
        table = pd.read_parquet(first / f"{name}.parquet")
        table[(table["model"] == "shapes-infinity") & (table["budget"] == 28)].to_parquet(second / f"{name}.parquet")
    both = summarise(read_runs([first, second]))
    assert len(both.runs.selections) == len(read_runs([first]).selections) == 12
    said = "3 searches (of a prompt, under a seed and a budget) are in more than one of these runs, with the same result, and taken once"
    assert any(note.startswith(said) for note in notes(both))
    assert not any("more than one of these runs" in note for note in notes(summarise(read_runs([first]))))


def test_seeds_of_other_budgets_are_not_added_up(join: Join) -> None:
    assert "with 1 to 2 seeds; searches" in join({}, {"budgets": (28,), "seeds": (1, 2)}).sentences[1]


def test_another_verifier_has_a_say_only_where_it_guided_all_that_are_compared(join: Join) -> None:
    three = {"searches": ("random", "beam", "greedy"), "models": {"shapes-infinity": "ar"}}
    two = {**three, "searches": ("random", "beam"), "verifiers": ("shapes-clip",)}
    assert not any("instead" in text for text in join(three, two).sentences)


def test_it_has_a_say_in_the_comparisons_that_it_guided(join: Join) -> None:
    both = {"searches": ("random", "beam"), "models": {"shapes-infinity": "ar"}}
    told = join(both, {**both, "verifiers": ("shapes-clip",)}, {"models": {"shapes-infinity": "ar"}, "verifiers": ("shapes-aesthetic",)})
    assert "Guided by shapes-clip instead, the same method scores highest under a budget of 56 NFE." in told.sentences


def guided(run: Path, reward: dict[str, float], clip: dict[str, float]) -> Summary:
    """The run with these grades for every image by the search and the verifier that guided it."""
    scores = pd.read_parquet(run / "scores.parquet")
    by_clip = scores["verifier"] == "shapes-clip"
    grades = scores["search"].map(clip).where(by_clip, scores["search"].map(reward))
    scores.assign(value=scores["value"].where(scores["metric"] != "grade", grades)).to_parquet(run / "scores.parquet")
    return summarise(read_runs([run]))


def instead(run: Path, reward: dict[str, float], clip: dict[str, float]) -> str:
    """What is said of shapes-clip then."""
    return next(text for text in answer(guided(run, reward, clip)).sentences if " instead, " in text)


def test_one_of_several_that_tie_is_not_the_same_leader(make_tables: Callable[..., Path], tmp_path: Path) -> None:
    one, two, three = searches = ("beam:width=2", "beam:width=3", "beam:width=4")
    few = {"tasks": ("colors",), "prompts": 2}
    run = make_tables(tmp_path / "run", models={"shapes-infinity": "ar"}, searches=searches, budgets=(56, 112), **few)
    alone, tied, other = {one: 1.0, two: 0.0, three: 0.0}, {one: 1.0, two: 1.0, three: 0.0}, {one: 1.0, two: 0.0, three: 1.0}
    same, none = "Guided by shapes-clip instead, the same method", "highest in 0 of 3 comparisons"
    assert instead(run, alone, alone) == f"{same} scores highest in 3 of 3 comparisons."
    both = f"(shapes-infinity + {one} and shapes-infinity + {two})"
    assert instead(run, alone, tied) == f"{same} scores {none}; in 3 it is one of several that tie {both}."
    assert instead(run, tied, tied) == f"{same}s score highest in 3 of 3 comparisons."
    partly = f"{same}s score {none}; in 3 only some of those that tie are the same"
    assert instead(run, tied, alone) == f"{partly} (shapes-infinity + {one})."
    assert instead(run, tied, other) == f"{partly} (shapes-infinity + {one} and shapes-infinity + {three})."
    assert instead(run, alone, {one: 0.0, two: 1.0, three: 0.0}) == f"{same} scores {none}."


def test_of_one_comparison_it_says_which(make_tables: Callable[..., Path], tmp_path: Path) -> None:
    one, two, three = searches = ("beam:width=2", "beam:width=3", "beam:width=4")
    run = make_tables(tmp_path / "run", models={"shapes-infinity": "ar"}, searches=searches, budgets=(56,), tasks=("colors",), prompts=2)
    alone, tied, other = {one: 1.0, two: 0.0, three: 0.0}, {one: 1.0, two: 1.0, three: 0.0}, {one: 1.0, two: 0.0, three: 1.0}

    def told(reward: dict[str, float], clip: dict[str, float]) -> str:
        summary = guided(run, reward, clip)
        (said,) = _other_verifiers(summary, answer(summary).shared[:1])
        return said.removeprefix("Guided by shapes-clip instead, ")

    at = "highest under a budget of 56 NFE"
    first, second = f"shapes-infinity + {one}", f"shapes-infinity + {two}"
    assert told(alone, alone) == f"the same method scores {at}."
    assert told(tied, tied) == f"the same methods score {at}."
    assert told(alone, tied) == f"the same method is one of several that score {at} ({first} and {second})."
    assert told(tied, other) == f"only some of the same methods score {at} ({first} and shapes-infinity + {three})."
    assert told(alone, {one: 0.0, two: 1.0, three: 0.0}) == f"another method scores {at}."


def graded(run: Path, grades: dict[str, float]) -> Summary:
    """The run with the same grade for every image of a search."""
    scores = pd.read_parquet(run / "scores.parquet")
    scores["value"] = scores["value"].where(scores["metric"] != "grade", scores["search"].map(grades).fillna(1.0))
    scores.to_parquet(run / "scores.parquet")
    return summarise(read_runs([run]))


def test_methods_that_tie_in_a_crowd_are_named_below(make_tables: Callable[..., Path], tmp_path: Path) -> None:
    searches = tuple(f"beam:width={width}" for width in range(2, 8))
    run = make_tables(tmp_path / "run", searches=searches, models={"shapes-infinity": "ar"}, budgets=(56,), tasks=("colors",), prompts=2)
    told = answer(graded(run, {"beam:width=4": 0.0}))
    assert "5 of 6 methods tie at 1.00, +1.00 over shapes-infinity + beam:width=4, but" in told.headline
    named = next(sentence for sentence in told.sentences if sentence.startswith("The 5 that tie under a budget of 56 NFE: "))
    assert all((search in named) == (search != "beam:width=4") for search in searches)


@pytest.fixture
def mixed(make_tables: Callable[..., Path], tmp_path: Path) -> Summary:
    """The same methods with budgets in NFE and, in another run, in FLOPs."""
    runs = []
    for unit, budgets in (("nfe", (28, 56)), ("flops", (35, 70))):
        run = make_tables(tmp_path / unit, budgets=budgets, searches=("random", "beam"), tasks=("colors",), verifiers=("shapes-reward",),
                       prompts=4, picture_px=12)  # fmt: skip
        for name in TABLES:
            table = pd.read_parquet(run / f"{name}.parquet")
            table.assign(budget_unit=unit, budget=table["budget"] * (1e8 if unit == "flops" else 1)).to_parquet(run / f"{name}.parquet")
        runs.append(run)
    return summarise(read_runs(runs))


def test_budgets_in_several_units_are_compared_unit_by_unit(mixed: Summary) -> None:
    found = answer(mixed)
    under_budget = [one for one in found.shared[0].comparisons if one.same_budget]
    assert [(one.unit, one.amount) for one in under_budget] == [("nfe", 28), ("nfe", 56), ("flops", 3.5e9), ("flops", 7e9)]
    assert all(standing.method.budget_unit == one.unit for one in under_budget for standing in one.standings)
    assert "a budget of 56 NFE per prompt" in found.headline
    assert "budget in" not in found.headline, "the sentence says the unit"
    assert [each.judged.unit for each in found.shared[1:]] == ["seconds"]
    (seconds,) = [verdict for verdict in found.verdicts if not verdict.same_budget]
    assert all("(budget in " in leader for leader in seconds.leaders)


def test_no_two_lines_of_one_comparison_read_the_same(mixed: Summary) -> None:
    for table in equal_tables(mixed, "shapes-reward", answer(mixed).shared):
        lines = [(row["compared at"], row["model"], row["search"]) for row in table.rows]
        assert len(set(lines)) == len(lines), table.title
    for block in gallery(mixed):
        assert len({method[:2] for method, _ in block.rows}) == len(block.rows)
        assert len(block.budgets) == 4
        assert all(len([choice for choice in choices if choice]) == 4 for _, choices in block.rows)


def test_a_search_whose_prompts_share_a_budget_is_said_to_have_too_narrow_intervals(
    make_tables: Callable[..., Path], tmp_path: Path
) -> None:
    for search, said in (("random", 0), ("adaptive:rounds=3", 1), ("adaptive", 1), ("beam:width=2", 0)):
        one = {"models": {"shapes-infinity": "ar"}, "budgets": (56,), "tasks": ("colors",), "prompts": 1}
        run = make_tables(tmp_path / search, searches=(search,), **one)
        assert sum("not independent" in note for note in notes(summarise(read_runs([run])))) == said
