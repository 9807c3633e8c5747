"""A budget in seconds where time passes exactly as measured: every prompt does what is planned for it, wherever it stands."""

from dataclasses import replace

import pytest

from harness.compute.ledger import Budget, Unit
from harness.compute.prices import Calibration, Prices
from harness.search.spec import parse_search
from harness.search.stand_ins import StandInGenerator, StandInVerifier

PAIRS = [
    ("random", "scales"), ("random", "flow"), ("beam", "scales"), ("beam:score=preview", "scales"), ("beam:score=preview", "flow"),
    ("zero-order", "flow"), ("smc", "flow"), ("halving", "scales"), ("halving:at=0.25/0.6", "flow"), ("paths", "flow"),
    ("evolution", "flow"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "model"), PAIRS)
def test_who_is_as_fast_as_planned_leaves_nothing_out(text: str, model: str, request, make_judge, ran) -> None:
    operations = ("encode", "predict", "draw", "preview", "decode", "score judge")
    speeds = Calibration({(name, 0): 0.001 * n for n, name in enumerate(operations, 1)})
    search, generator, judge = parse_search(text), request.getfixturevalue(model), make_judge()
    cost = search.plan(Budget(60, Unit.NFE), Prices(generator, judge, 6)).cost
    seconds = search.plan(Budget(cost.flops, Unit.FLOPS), Prices(generator, judge, 6, speeds)).cost.seconds
    task = ran(
        search, StandInGenerator(generator, speeds), Budget(seconds, Unit.SECONDS), max_rows=16,
        judges=[StandInVerifier(judge, speeds)], calibration=speeds, now=lambda: 0.0,
    ).task  # fmt: skip
    for prompt, plan in enumerate(task.plans):
        spent = task.spent(prompt, task.judges[0])
        assert spent.seconds == pytest.approx(plan.cost.seconds)
        assert replace(spent, seconds=plan.cost.seconds, verifier_seconds=plan.cost.verifier_seconds) == plan.cost
