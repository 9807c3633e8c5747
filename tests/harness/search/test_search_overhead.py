import time

import pytest

from harness.ledger import Budget, Unit
from harness.search.spec import parse

BUDGET = Budget(120, Unit.NFE)


@pytest.mark.parametrize(
    ("text", "model"),
    [("random:candidates=8", "infinity"), ("random:candidates=8", "flux"), ("beam:candidates=3", "infinity"),
     ("zero-order:candidates=9", "flux"), ("lookahead:candidates=3", "infinity"), ("smc:particles=8", "infinity"),
     ("tts-var:particles=24", "infinity"), ("paths:candidates=3", "flux"), ("rbf:looks=12", "flux"),
     ("evolution:population=6", "flux"), ("adaptive:search=greedy", "infinity")],
)  # fmt: skip
def test_nearly_all_time_is_the_models(text: str, model: str, request, ran, monkeypatch) -> None:
    """Processor time, which other processes do not change; these models are far smaller than any that is searched."""
    monkeypatch.setattr("harness.meter.perf_counter", time.process_time)
    generator = request.getfixturevalue(model)
    ran(parse(text), generator, BUDGET)
    begin = time.process_time()
    task = ran(parse(text), generator, BUDGET, count=5).task
    total = time.process_time() - begin
    clocks = [task.generator.clock, *[judge.clock for judge in task.judges]]
    measured = sum(timing.seconds for clock in clocks for timing in clock.values())
    assert 0.8 * total < measured < total
