import time

import pytest

from harness.search.spec import parse


@pytest.mark.parametrize(
    ("text", "model"),
    [("random:candidates=8", "infinity"), ("random:candidates=8", "flux"), ("beam:candidates=3", "infinity"),
     ("zero-order:candidates=9", "flux")],
)  # fmt: skip
def test_nearly_all_time_is_the_models(text: str, model: str, request, ran, monkeypatch) -> None:
    """Processor time, which other processes do not change; these models are far smaller than any that is searched."""
    monkeypatch.setattr("harness.meter.perf_counter", time.process_time)
    generator = request.getfixturevalue(model)
    ran(parse(text), generator)
    begin = time.process_time()
    task = ran(parse(text), generator, count=5).task
    total = time.process_time() - begin
    clocks = [task.generator.clock, *[judge.clock for judge in task.judges]]
    measured = sum(timing.seconds for clock in clocks for timing in clock.values())
    assert 0.8 * total < measured < total
