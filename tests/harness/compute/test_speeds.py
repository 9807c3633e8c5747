"""Seconds of batches that were not measured follow from those that were, and lie between bounds."""

from __future__ import annotations

import pytest

from harness.compute.speeds import Lasting, Speeds, Swing

SPEEDS = Speeds.of([("predict", 0, 8, 2.0), ("predict", 0, 1, 1.0), ("predict", 1, 1, 3.0), ("predict", 1, 1, 5.0), ("decode", 2, 4, 8.0)])


@pytest.mark.parametrize(
    ("rows", "seconds", "bounds"),
    [(1, 1.0, (1.0, 1.0)), (8, 2.0, (2.0, 2.0)), (3, 1 + 2 / 7, (1.0, 2.0)), (6, 1 + 5 / 7, (1.5, 2.0)), (16, 4.0, (2.0, 4.0))],
    ids=["measured", "the largest", "between", "between, near the larger", "above: as slow a row as in the largest"],
)
def test_a_batch_lasts_what_a_line_between_measured_ones_says(rows: int, seconds: float, bounds: tuple[float, float]) -> None:
    found = SPEEDS.lasting("predict", 0, rows)
    assert found.likely == pytest.approx(seconds)
    assert (found.least, found.most) == pytest.approx(bounds), "no less than a smaller batch, no slower a row than in it"


def test_of_a_call_whose_time_has_a_fixed_part_two_sizes_say_all() -> None:
    fixed, row = 0.2, 0.05
    measured = Speeds.of([("predict", 0, rows, fixed + row * rows) for rows in (1, 32)])
    for rows in range(1, 33):
        assert measured.lasting("predict", 0, rows).likely == pytest.approx(fixed + row * rows)


def test_below_the_smallest_batch_a_call_takes_as_long_as_that() -> None:
    measured = Speeds.of([("predict", 0, 2, 2.0), ("predict", 0, 8, 7.9)])
    assert measured.lasting("predict", 0, 1) == Lasting(2.0, 1.0, 2.0)
    assert measured.lasting("predict", 0, 3) == Lasting(pytest.approx(2 + 5.9 / 6), pytest.approx(7.9 * 3 / 8), 3.0)


def test_bounds_that_contradict_each_other_are_as_wide_as_they_are_apart() -> None:
    measured = Speeds.of([("predict", 0, 2, 1.0), ("predict", 0, 4, 9.0)])
    assert measured.lasting("predict", 0, 3) == Lasting(5.0, 1.5, 6.75)


def test_calls_add_up_and_a_size_that_is_measured_too_leaves_less_open() -> None:
    calls = {("predict", 0, 4): 2, ("predict", 0, 8): 1}
    total = SPEEDS.total(calls)
    assert total == pytest.approx((2 * (1 + 3 / 7) + 2, 2 * 1.0 + 2, 2 * 2.0 + 2))
    assert SPEEDS.supposing(4).total(calls) == pytest.approx((total.likely,) * 3)
    assert SPEEDS.supposing(2).total(calls).most == pytest.approx(total.most), "twice the rows of two are no bound below the larger batch"


def test_of_two_measurements_the_slower_counts() -> None:
    assert SPEEDS.lasting("predict", 1, 1).likely == 5.0


def test_another_step_lasts_the_mean_of_the_known_ones_and_an_unknown_operation_is_refused() -> None:
    assert SPEEDS.lasting("predict", 7, 1).likely == 3.0
    with pytest.raises(KeyError, match="'embed' was not measured"):
        SPEEDS.lasting("embed", 0, 1)


def test_plans_go_by_the_largest_batch_of_at_most_so_many_rows() -> None:
    assert SPEEDS.per_row(16).per_row == {("predict", 0): 0.25, ("predict", 1): 5.0, ("decode", 2): 2.0}
    assert SPEEDS.per_row(7).per_row["predict", 0] == 1.0
    assert SPEEDS.per_row(2).per_row["decode", 2] == 2.0, "or else the smallest that was measured"


def test_what_was_not_measured_lasts_nothing_and_is_named() -> None:
    filled = SPEEDS.filled(["predict", "embed"])
    assert filled.lasting("embed", 0, 9) == (0.0,) * 3
    assert filled.unmeasured == {"embed"}
    assert filled.lasting("predict", 0, 8).likely == 2.0
    assert filled.filled(["embed"]).unmeasured == {"embed"}


def test_a_pair_has_the_speeds_of_both() -> None:
    pair = SPEEDS.refined_by(Speeds.of([("predict", 0, 1, 9.0)]).filled(["embed"]))
    assert pair.lasting("refining predict", 0, 2).likely == 18.0
    assert pair.unmeasured == {"refining embed"}
    assert pair.per_row(8).of_refining().seconds("predict") == 9.0


def test_calls_that_differ_by_more_than_a_quarter_in_all_are_told_of() -> None:
    assert Swing.of([(2.0, 1.9, 2.1), (0.001, 0.001, 0.1)]).told == "", "a short call that is disturbed changes little"
    assert Swing.of([(2.0, 1.0, 2.0), (2.0, 2.0, 3.0)]).told.startswith("calls took 0.75 to 1.25 times their median: ")
    assert Swing.of([]).told == Swing.of([(0.0, 0.0, 0.0)]).told == ""
