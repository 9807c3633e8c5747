"""Seconds of batches that were not measured are bounds made of those that were."""

from __future__ import annotations

import pytest

from harness.compute.speeds import Speeds, Swing

SPEEDS = Speeds.of([("predict", 0, 8, 2.0), ("predict", 0, 1, 1.0), ("predict", 1, 1, 3.0), ("predict", 1, 1, 5.0), ("decode", 2, 4, 8.0)])


@pytest.mark.parametrize(
    ("rows", "seconds"),
    [(1, 1.0), (8, 2.0), (3, 2.0), (16, 4.0)],
    ids=["measured", "the largest", "between: no more than the larger batch", "above: as slow a row as in the largest"],
)
def test_a_batch_lasts_what_smaller_and_larger_ones_bound(rows: int, seconds: float) -> None:
    assert SPEEDS.lasting("predict", 0, rows) == seconds


def test_between_two_batches_rows_are_as_slow_as_in_the_smaller_one() -> None:
    measured = Speeds.of([("predict", 0, 2, 2.0), ("predict", 0, 8, 7.9)])
    assert measured.lasting("predict", 0, 3) == 3.0
    assert measured.lasting("predict", 0, 1) == 2.0, "below the smallest: the whole of it"


def test_of_two_measurements_the_slower_counts() -> None:
    assert SPEEDS.lasting("predict", 1, 1) == 5.0


def test_another_step_lasts_the_mean_of_the_known_ones_and_an_unknown_operation_is_refused() -> None:
    assert SPEEDS.lasting("predict", 7, 1) == 3.0
    with pytest.raises(KeyError, match="'embed' was not measured"):
        SPEEDS.lasting("embed", 0, 1)


def test_plans_go_by_the_largest_batch_of_at_most_so_many_rows() -> None:
    assert SPEEDS.per_row(16).per_row == {("predict", 0): 0.25, ("predict", 1): 5.0, ("decode", 2): 2.0}
    assert SPEEDS.per_row(7).per_row["predict", 0] == 1.0
    assert SPEEDS.per_row(2).per_row["decode", 2] == 2.0, "or else the smallest that was measured"


def test_what_was_not_measured_lasts_nothing_and_is_named() -> None:
    filled = SPEEDS.filled(["predict", "embed"])
    assert filled.lasting("embed", 0, 9) == 0.0
    assert filled.unmeasured == {"embed"}
    assert filled.lasting("predict", 0, 8) == 2.0
    assert filled.filled(["embed"]).unmeasured == {"embed"}


def test_a_pair_has_the_speeds_of_both() -> None:
    pair = SPEEDS.refined_by(Speeds.of([("predict", 0, 1, 9.0)]).filled(["embed"]))
    assert pair.lasting("refining predict", 0, 2) == 18.0
    assert pair.unmeasured == {"refining embed"}
    assert pair.per_row(8).of_refining().seconds("predict") == 9.0


def test_calls_that_differ_by_more_than_a_quarter_in_all_are_told_of() -> None:
    assert Swing.of([(2.0, 1.9, 2.1), (0.001, 0.001, 0.1)]).told == "", "a short call that is disturbed changes little"
    assert Swing.of([(2.0, 1.0, 2.0), (2.0, 2.0, 3.0)]).told.startswith("calls took 0.75 to 1.25 times their median: ")
    assert Swing.of([]).told == Swing.of([(0.0, 0.0, 0.0)]).told == ""
