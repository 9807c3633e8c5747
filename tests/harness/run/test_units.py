"""What names a unit: everything that determines its rows, and nothing else."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from harness.compute.ledger import Budget, Unit
from harness.run import units
from harness.run.units import Determinants, WorkUnit
from models.base import ModelCard
from results.reuse import pictures_hash
from suites.base import Prompt
from verifiers.base import VerifierCard

JUDGE = VerifierCard("judge", "shapes", (0.0, 1.0), ("judge",), "1" * 64, "none")
UNIT = WorkUnit(
    model="toy:steps=3",
    card=ModelCard("toy", "ar", "shapes", 3, (64, 64), 1, "0" * 64, "none", {"steps": 3}),
    search="beam:width=2",
    verifiers={"judge": JUDGE},
    metrics={"judge": JUDGE},
    suite="geneval@shapes",
    suite_version="1",
    budgets={"judge": (Budget(24, Unit.NFE), Budget(36, Unit.NFE))},
    seed=0,
    prompts=(Prompt("00001", "a red circle", "colors", {"count": 1}),),
    keep=frozenset({"00001"}),
    planned_flops=1.0,
)
OTHER: dict[str, Any] = {
    "card": replace(UNIT.card, weights_sha256="2" * 64),
    "search": "beam:width=3",
    "verifiers": {"judge": replace(JUDGE, weights_sha256="2" * 64)},
    "metrics": {},
    "suite": "geneval",
    "suite_version": "2",
    "budgets": {"judge": (Budget(24, Unit.FLOPS), Budget(36, Unit.FLOPS))},
    "seed": 1,
    "prompts": (Prompt("00001", "a red circle", "colors", {"count": 2}),),
    "keep": frozenset(),
    "faulty": ((Prompt("00002", "", ""), "it is empty"),),
    "features": "3" * 64,
    "packages": ("other 1.0",),
    "metric_packages": {"judge": ("other 1.0",)},
}


@pytest.mark.parametrize("name", [field.name for field in fields(Determinants)])
def test_every_determinant_is_in_the_key(name: str) -> None:
    other = replace(UNIT, **{name: OTHER[name]}).key
    assert other != UNIT.key
    assert (pictures_hash(other) == pictures_hash(UNIT.key)) == (name in ("metrics", "metric_packages")), "metrics alone change no picture"


def test_another_verifier_of_one_name_is_another_metric() -> None:
    changes: tuple[dict[str, Any], ...] = ({}, {"weights_sha256": "2" * 64}, {"question": "?"})
    keys = {replace(UNIT, metrics={"judge": replace(JUDGE, **changed)}).key for changed in changes}
    assert len(keys) == 3
    assert len({pictures_hash(key) for key in keys}) == 1


def test_what_a_unit_is_called_and_costs_is_not() -> None:
    assert replace(UNIT, model="another name", planned_flops=2.0).key == UNIT.key


def test_keys_stay_as_they_are_where_nothing_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or units that are finished would be run again, and none could be taken over."""
    monkeypatch.setattr(units, "installed_version", lambda package: "0.1.0")
    monkeypatch.setattr(units, "SCHEMA_VERSION", 6)
    assert replace(UNIT).key == "9cd604247ed87dc9ba10efdd-da6dcdb0"
    assert replace(UNIT, **OTHER).key == "2f6166e40d4b3c95ae725af7-44136fa3"
