"""Plans of published models and verifiers whose weights are not here: prices from configurations, and nothing that needs more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.config import Settings
from harness.hub import MissingWeights
from harness.runner import prepare_run
from models.diffusion.published_flops import published_flops
from models.published import published_models
from verifiers.random_weights import BUILDERS
from verifiers.spec import parse_verifier

MODELS = published_models()
BASE: dict[str, Any] = dict(
    models=("infinity-2b", "pixart-sigma"), verifiers=("image-reward",), metrics=(), searches=("random",), unit="flops", budgets=(6e14,),
    prompts=6,
)  # fmt: skip


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))


def test_a_plan_needs_no_weights_and_a_run_does(tmp_path: Path) -> None:
    prepared = prepare_run(Settings(**BASE), tmp_path / "run", outlines=True)
    said = "as weights are not here: infinity-2b, pixart-sigma, image-reward; `vistas fetch infinity-2b pixart-sigma image-reward`"
    assert said in " ".join(prepared.notes)
    planned = {unit.model: unit.planned_flops for unit in prepared.units}
    pixart = published_flops("pixart-sigma", MODELS["pixart-sigma"].merged({}))
    own = {"infinity-2b": 2 * 57.6e12 + 9.85e12, "pixart-sigma": 20 * 2 * pixart.sequence + pixart.decode}
    for name, flops in own.items():
        image = flops + prepared.session.verifiers["image-reward"].price(1).flops
        assert planned[name] == pytest.approx(6 * (6e14 // image) * image, rel=0.01)
    for settings in (BASE, {**BASE, "unit": "seconds", "budgets": (60.0,)}):
        with pytest.raises(MissingWeights, match="`vistas fetch infinity-2b pixart-sigma image-reward"):
            prepare_run(Settings(**settings), tmp_path / "run", outlines=settings is not BASE)


def test_the_command_says_what_a_search_on_them_would_cost(tmp_path: Path) -> None:
    asked = ["plan", "geneval", "--model", "infinity-2b", "--search", "tts-var", "--search", "greedy", "--verifier",
             "ensemble:clip-score=1,aesthetic=1", "--unit", "flops", "--budget", "4e15", "--prompts", "6"]  # fmt: skip
    result = CliRunner().invoke(app, [*asked, "--json"])
    assert result.exit_code == 0, result.output
    plan = json.loads(result.stdout)
    assert {one["search"] for one in plan["searches"]} == {"tts-var", "greedy"}
    assert "dinov2" in " ".join(plan["notes"])


def test_what_cannot_be_priced_without_its_files_is_to_be_fetched(tmp_path: Path) -> None:
    with pytest.raises(MissingWeights, match="vlm-judge"):
        prepare_run(Settings(**{**BASE, "verifiers": ("vlm-judge",)}), tmp_path / "run", outlines=True)


@pytest.mark.parametrize("name", BUILDERS)
def test_cards_have_the_names_that_were_asked_for(name: str) -> None:
    verifier = parse_verifier(name).without_weights()
    assert verifier is not None
    assert verifier.card.name == name
    assert verifier.price(1).flops > 1e9
