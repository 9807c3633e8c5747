"""What a card declares of grades, and that no other grade gets past it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from harness.errors import WrongInput
from harness.registry import entries
from harness.run.evaluator import Evaluator
from suites.base import Grade, Prompt, check_grades
from suites.geneval.suite import CARD as GENEVAL
from suites.t2i_compbench.suite import CARD as T2I

NAN = float("nan")


def of(task: str, *values: float) -> tuple[list[Prompt], list[Grade]]:
    return [Prompt("00007", "a cat", task)] * len(values), [Grade(value) for value in values]


def test_declared_grades_pass() -> None:
    check_grades(GENEVAL, "photo", *of("colors", 1, 0, NAN))
    check_grades(T2I, "photo", *of("color", 0.0, 0.4321, 1 + 1e-9, NAN))
    check_grades(T2I, "photo", *of("non_spatial", -0.2))
    check_grades(T2I, "shapes", *of("color", 1, 0))
    check_grades(replace(T2I, scores={"photo": {"color": (None, 2)}}), "photo", *of("color", -7))


@pytest.mark.parametrize(("card", "domain", "task", "value", "rule"), [
    (GENEVAL, "photo", "colors", 0.7, "a grade of colors says right or wrong, 1 or 0"),
    (T2I, "shapes", "color", 0.7, "a grade of color says right or wrong, 1 or 0"),
    (T2I, "photo", "color", -0.1, "a grade of color is a score from 0 to 1"),
    (T2I, "photo", "non_spatial", 1.1, "a grade of non_spatial is a score from -1 to 1"),
    (T2I, "photo", "mine", 0.5, "a grade of mine says right or wrong, 1 or 0"),
])  # fmt: skip
def test_other_grades_are_refused_with_the_way_out(card: Any, domain: Any, task: str, value: float, rule: str) -> None:
    with pytest.raises(WrongInput, match=rf"^grade {value} of prompt 00007: .*{rule}; correct the grader, or `scores` of the card$"):
        check_grades(card, domain, *of(task, value))


def test_runs_and_scored_folders_check_what_a_suite_grades() -> None:
    class Halves:
        card = GENEVAL

        def grade(self, images: Any, prompts: Any, domain: Any) -> list[Grade]:
            return [Grade(0.5)] * len(prompts)

    evaluator = Evaluator({}, Halves(), "shapes")  # type: ignore[arg-type]
    with pytest.raises(WrongInput, match=r"^grade 0\.5 of prompt 00007"):
        evaluator.grades(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), of("colors", 1)[0])


def test_every_card_declares_ends_in_order_for_tasks_that_it_has() -> None:
    for name, known in entries("suite").items():
        card = known.resolve()().card
        for tasks in card.scores.values():
            assert set(tasks) <= set(card.tasks), name
            assert all(least < most for least, most in tasks.values()), name
    assert set(T2I.scores) == {"photo"}
    assert set(T2I.scores["photo"]) == set(T2I.tasks), "every grader of photographs gives scores"
