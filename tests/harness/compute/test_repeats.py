"""Speeds are measured several times, also those that a run begins with, unless that takes long."""

from __future__ import annotations

from itertools import count
from time import perf_counter

import pytest
import toy_world

from harness.compute.prices import calibrate
from harness.compute.repeats import STARTING, enough, enough_to_start


@pytest.mark.parametrize(
    ("seconds", "does"),
    [
        ([], False), ([1.0] * 2, False), ([1.0] * 3, True), ([0.5] * 5, False), ([0.5] * 6, True), ([0.1] * 9, False), ([0.1] * 10, True),
        ([40.0], False), ([40.0, 41.0], True), ([40.0, 50.0], False), ([40.0, 50.0, 60.0], True), ([10.0, 10.0], False),
    ],
)  # fmt: skip
def test_short_calls_are_repeated_more_often_than_long_ones(seconds: list[float], does: bool) -> None:
    assert enough(seconds, None) == does
    assert enough(seconds, 3) == (len(seconds) >= 3), "unless told how often"


@pytest.mark.parametrize(("each", "times"), [(0.1, 10), (0.5, 6), (1.0, 3), (5.0, 3), (7.0, 3), (8.0, 2), (15.0, 1), (300.0, 1)])
def test_a_run_waits_for_more_than_one_time_only_while_these_are_short(each: float, times: int) -> None:
    assert next(found for found in count() if enough_to_start([each] * found)) == times
    assert (times - 1) * each <= STARTING


def test_a_disturbance_falls_on_one_time_and_not_on_a_runs_speeds(monkeypatch: pytest.MonkeyPatch) -> None:
    generator, judge = toy_world.ToyGenerator("toy", "diffusion"), toy_world.ToyVerifier("toy-judge", ())
    calls, stood, decode = count(), [0.0], toy_world.ToyGenerator.decode

    def disturbed(self: toy_world.ToyGenerator, state: toy_world.ToyState) -> object:
        stood[0] += 10.0 if next(calls) == 3 else 0.5  # two of each time, as a preview decodes too; the first two are the warm-up
        return decode(self, state)

    monkeypatch.setattr(toy_world.ToyGenerator, "decode", disturbed)
    monkeypatch.setattr("harness.compute.meter.wall_seconds", lambda: perf_counter() + stood[0])
    found = calibrate(generator, [judge], "two words", 2)
    assert next(calls) == 2 * (1 + 3), "a warm-up and three times"
    assert found.seconds("decode", 3) == pytest.approx(0.25, abs=0.1)
