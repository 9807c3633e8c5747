"""The report's first sentence for every way an answer can come out."""

from __future__ import annotations

from dataclasses import replace

from reports import numbers
from reports.certainty import NOT_SEPARABLE, TOO_FEW, YES
from reports.headline import headline
from reports.verdict import Verdict

CLEAR = Verdict(
    same_budget=True, where="budget of 10 GFLOP", spent="7.5 to 9.9 GFLOP spent", leaders=("ar + beam",), model="ar", score="0.90",
    lead="+0.20 over ar + random", sure=YES, model_lead="+0.30 over flux + random", model_sure=True, methods=3,
)  # fmt: skip
FEW = "6 prompts are too few (at least 15)"


def say(main: Verdict, *others: Verdict, few: str = "") -> str:
    return headline(main, others, 6 if few else 60, few)


def test_a_clear_winner_is_named_with_its_budget_and_its_lead() -> None:
    assert say(CLEAR) == "Under a budget of 10 GFLOP per prompt, best is ar + beam: 0.90, +0.20 over ar + random."
    assert say(CLEAR, replace(CLEAR, same_budget=False, where="60 NFE spent")) == say(CLEAR)


def test_units_and_budgets_that_clearly_disagree_are_said_to() -> None:
    other = replace(CLEAR, same_budget=False, where="60 NFE spent", leaders=("flux + random",))
    smaller = replace(CLEAR, where="budget of 5 GFLOP", leaders=("flux + random",))
    assert say(CLEAR, smaller, other).endswith(
        " The answer depends on the compute: ahead is flux + random under a budget of 5 GFLOP and flux + random at 60 NFE spent."
    )


def test_who_had_the_best_score_with_less_is_said_beside_it() -> None:
    spent = replace(CLEAR, same_budget=False, where="60 NFE spent", already="already ar + random: 0.92 at 20 NFE")
    assert spent.highest == "ar + beam; already ar + random: 0.92 at 20 NFE"
    assert say(spent).endswith(" With less compute already ar + random: 0.92 at 20 NFE.")
    assert say(replace(CLEAR, leaders=("x",)), spent).endswith("ar + beam at 60 NFE spent (already ar + random: 0.92 at 20 NFE).")
    assert CLEAR.highest == CLEAR.best


def test_ties_and_undecided_differences_make_no_headline() -> None:
    other = replace(CLEAR, same_budget=False, where="60 NFE spent", leaders=("flux + random",))
    for unsettled in (NOT_SEPARABLE, TOO_FEW):
        assert "depends" not in say(CLEAR, replace(other, sure=unsettled))
    tied = replace(CLEAR, leaders=("ar + beam", "ar + random"), lead="+0.10 over flux + random", sure=NOT_SEPARABLE, model_sure=False)
    assert "ar + beam and ar + random score highest" in say(tied)


def test_of_many_that_tie_the_number_is_said_and_a_sentence_names_them() -> None:
    seven = tuple(f"ar + {n}" for n in range(7))
    tied = replace(CLEAR, leaders=seven, methods=9, lead="+0.10 over flux", sure=NOT_SEPARABLE, model_sure=False)
    assert "under a budget of 10 GFLOP per prompt, 7 of 9 methods tie at 0.90, +0.10 over flux, but" in say(tied)
    assert tied.best == "7 of 9 methods tie"
    assert tied.tied == "The 7 that tie under a budget of 10 GFLOP: ar + 0, ar + 1, ar + 2, ar + 3, ar + 4, ar + 5 and ar + 6."
    assert say(replace(tied, model_sure=True)).endswith("ar is ahead; its best search is not settled: 7 of 9 methods tie at 0.90.")
    four = replace(tied, leaders=tied.leaders[:4])
    assert (four.best, four.tied) == ("ar + 0 = ar + 1 = ar + 2 = ar + 3", "")


def test_a_lead_that_could_be_noise_is_not_called_one() -> None:
    unclear = replace(CLEAR, sure=NOT_SEPARABLE, model_sure=False)
    assert say(unclear).startswith("No clear winner: under a budget of 10 GFLOP per prompt, ar + beam scores highest (0.90)")
    assert say(unclear).endswith("+0.20 over ar + random, but not separable at 95 % from any of the other 2.")
    assert say(replace(unclear, methods=2)).endswith("+0.20 over ar + random, but not separable at 95 %.")
    assert "ar is ahead; its best search is not settled" in say(replace(unclear, model_sure=True))


def test_who_cannot_be_told_from_all_is_said_to_be_told_from_whom() -> None:
    five = replace(CLEAR, sure=NOT_SEPARABLE, model_sure=False, methods=6)
    one, two = replace(five, behind=("flux + smc",)), replace(five, behind=("ar + a", "ar + b"), methods=4)
    assert say(one).endswith("+0.20 over ar + random, separable at 95 % from flux + smc only, not from the other 4.")
    assert say(two).endswith(", separable at 95 % from ar + a and ar + b only, not from the other.")
    assert say(replace(five, behind=("a", "b", "c"))).endswith(", separable at 95 % from 3 of the other 5 only.")
    assert (one.told, two.told, five.told) == ("from 1 of 5", "from 2 of 3", NOT_SEPARABLE)
    assert replace(one, model_sure=True).told == "the model yes, its search no"
    assert replace(one, sure=TOO_FEW).told == TOO_FEW
    assert replace(one, sure=YES).told == YES


def test_few_prompts_settle_nothing() -> None:
    few = replace(CLEAR, sure=TOO_FEW, model_sure=False)
    assert say(few, few=FEW) == (
        "Cannot tell: under a budget of 10 GFLOP per prompt, ar + beam scores highest (0.90), +0.20 over ar + random, but "
        "6 prompts are too few (at least 15)."
    )
    same = replace(few, lead="", score="1.00", leaders=("a", "b", "c"))
    assert say(same, few=FEW) == f"Cannot tell: under a budget of 10 GFLOP per prompt all 3 methods score 1.00, and {FEW}."
    assert say(replace(same, sure=NOT_SEPARABLE)).startswith("No difference: under a budget of 10 GFLOP per prompt all 3 methods")


def test_methods_that_score_the_same_may_differ_by_as_much_as_their_interval_says() -> None:
    same = replace(CLEAR, lead="", score="0.83", leaders=("a", "b"), methods=2, sure=NOT_SEPARABLE, apart="[−0.19, +0.19]")
    assert same.ahead == "same score [−0.19, +0.19]"
    assert say(same) == (
        "No difference seen: under a budget of 10 GFLOP per prompt both methods score 0.83 on 60 prompts, apart by [−0.19, +0.19] at 95 %."
    )
    assert (replace(same, apart="").ahead, CLEAR.ahead) == ("–", CLEAR.lead)


def test_an_interval_without_width_is_not_shown_as_one() -> None:
    assert numbers.score(1.0, 1.0, 1.0) == "1.00"
    assert numbers.difference(0.5, 0.5, 0.5) == "+0.50"
