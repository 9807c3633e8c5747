"""What a unit computes for a prompt: a pool of images is made once, and every verifier is given all of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness.compute.ledger import Budget, Cost, added
from harness.run.session import Session


def computed_cost(session: Session, model: str, search: str, budgets: Mapping[str, tuple[Budget, ...]], text_tokens: int) -> Cost:
    """The price of everything that is done for all verifiers and budgets; verifier to its budgets, ascending.

    The images are as many as the cheapest verifier's budget buys (`harness.search.prepare.plan_lengths`): a dearer one is charged
    for as many as its own buys, and given the others too.
    """
    plans = [session.plan(model, search, name, given[-1], text_tokens).cost for name, given in budgets.items()]
    if len(plans) == 1:
        return plans[0]
    largest = max(plans, key=lambda cost: cost.verifier_calls)
    made = replace(largest, verifier_flops=0, verifier_calls=0, seconds=largest.seconds - largest.verifier_seconds, verifier_seconds=0.0)
    judged = [
        session.prices(model, name, text_tokens).score() * largest.verifier_calls + session.verifiers[name].price(0, 1)
        for name in budgets
    ]  # fmt: skip
    return made + added(judged)
