"""What is said before a run begins: the sample, what is skipped, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from toy_runs import BASE

from harness import registry
from harness.compute.amounts import no_less, no_more
from harness.compute.ledger import Budget, BudgetTooSmall, Unit
from harness.config import Settings
from harness.errors import WrongInput
from harness.run.planning import _notes
from harness.run.prepared import opening_lines, prepare_run

pytestmark = pytest.mark.usefixtures("toys")


def test_a_search_that_is_unfit_for_one_verifier_runs_with_the_others(tmp_path: Path) -> None:
    asked = {**BASE, "models": ("toy-ar",), "searches": ("adaptive:enough=1",), "verifiers": ("toy-judge", "toy-pair"), "budgets": (24,)}
    prepared = prepare_run(Settings(**asked), tmp_path)
    assert {verifier for unit in prepared.units for verifier in unit.verifiers} == {"toy-judge"}
    assert any(note.startswith("skipped toy-ar with adaptive:enough=1.0 (verifier toy-pair): ") for note in prepared.notes)
    with pytest.raises(WrongInput, match=r"^enough compares scores"):
        prepare_run(Settings(**{**asked, "verifiers": ("toy-pair",)}), tmp_path)


def test_a_sample_that_was_not_asked_for_says_why(tmp_path: Path) -> None:
    given = {key: value for key, value in BASE.items() if key != "prompts"}
    line = opening_lines(prepare_run(Settings(**given), tmp_path))[0]
    assert line.endswith("an even sample per task (seed 0, the default); --prompts all (make: PROMPTS=all) runs all")
    del given["searches"]
    line = opening_lines(prepare_run(Settings(**given), tmp_path))[0]
    assert line.endswith(
        "an even sample per task (seed 0) chosen to keep the command under 10 minutes on 2 cores; "
        "--prompts all (make: PROMPTS=all) runs all"
    )


def test_pairs_and_budgets_that_do_not_fit_are_named_once(tmp_path: Path) -> None:
    prepared = prepare_run(Settings(**BASE), tmp_path)
    lines = opening_lines(prepared)
    assert lines[0] == (
        "geneval@shapes: 6 of 343 prompts, an even sample per task (seed 0; --prompts all, make: PROMPTS=all, runs all)"
    )
    assert [line for line in lines if line.startswith("skipped")] == [
        "skipped toy-diffusion with beam: beam needs a model that is Stochastic and toy-diffusion is not",
        "skipped toy-ar with zero-order: zero-order searches diffusion models and toy-ar is an ar model",
        "skipped toy-ar with beam at 6 NFE (verifier toy-judge): the smallest budget that works is 24 NFE (--budget 24)",
    ]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"searches": ("zero-order",), "models": ("toy-ar",)}, "search zero-order fits none of the models: .*toy-ar"),
        ({"budgets": (1, 2)}, r"under 1, 2 NFE: the cheapest, toy-ar with random, needs 3 NFE for one image; give --budget 3 or more"),
        (
            {"budgets": (6,), "models": ("toy-ar",), "searches": ("beam",)},
            "toy-ar with beam cannot run under 6 NFE: width 2 with 2 children a prefix costs 24 NFE; give --budget 24 or more",
        ),
        (
            {"budgets": (6, 1e6)},
            r"a budget of 1e\+06 nfe buys 3.33e\+05 images a prompt on toy-ar, and at most 100000 are planned: did you mean --unit flops\?",
        ),
        ({"budgets": (1e30,), "unit": "images"}, r"1e\+30 images buys 1e\+30 images a prompt .*: give --budget 100000 or less"),
        ({"budgets": (1e18,), "unit": "flops"}, "1e.18 flops buys .* at most 100000 are planned: give --budget"),
        ({"metrics": ("toy-othr",)}, "unknown verifier 'toy-othr'; did you mean toy-other"),
        ({"metrics": ("toy-pair",)}, "metric toy-pair ranks within one pool"),
        ({"prompts": 10_000}, "10000 prompts asked for: give a number from 1 to 343"),
        ({"models": ("toy-arr",)}, r"unknown model 'toy-arr'; did you mean toy-ar"),
        ({"searches": ("beem",)}, "unknown search 'beem'; did you mean beam"),
        ({"searches": ("beam:widht=2",)}, "unknown parameter 'widht', did you mean width"),
        ({"verifiers": ("toy-juge",)}, "unknown verifier 'toy-juge'; did you mean toy-judge"),
        ({"suite": "genevl"}, "unknown suite 'genevl'; did you mean geneval"),
        ({"device": "warp"}, "device 'warp' is no kind of device: give auto"),
        ({"device": "meta"}, "device 'meta' is no kind of device: give auto"),
    ],
)
def test_wrong_input_is_one_sentence(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        prepare_run(Settings(**{**BASE, **changes}), tmp_path)
    assert "\n" not in str(raised.value)


def test_a_search_of_a_given_size_takes_any_budget(tmp_path: Path) -> None:
    given = {**BASE, "models": ("toy-ar",), "budgets": (1e30,), "unit": "images"}
    assert prepare_run(Settings(**{**given, "searches": ("random:candidates=2",)}), tmp_path).units
    with pytest.raises(WrongInput, match="at most 83333 are planned where 6 prompts share a total: give --budget 83333 or less"):
        prepare_run(Settings(**{**given, "searches": ("adaptive:search=random:candidates=2",)}), tmp_path)


def test_a_search_within_another_is_asked_for_its_size(tmp_path: Path) -> None:
    given = {**BASE, "models": ("toy-ar+toy-noisy",), "budgets": (1e30,), "unit": "images"}
    assert prepare_run(Settings(**{**given, "searches": ("hybrid:refinements=2,search=random:candidates=2",)}), tmp_path).units
    for search in ("hybrid:refinements=2", "hybrid:search=random:candidates=2"):
        with pytest.raises(WrongInput, match="at most 100000 are planned"):
            prepare_run(Settings(**{**given, "searches": (search,)}), tmp_path)


def test_of_a_shared_total_all_prompts_images_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {**BASE, "models": ("toy-ar",), "prompts": 24, "unit": "images"}
    assert prepare_run(Settings(**{**given, "searches": ("random",), "budgets": (90_000,)}), tmp_path).units
    with pytest.raises(WrongInput, match=r"at most 20833 are planned where 24 prompts share a total: give --budget 20833 or less"):
        prepare_run(Settings(**{**given, "searches": ("adaptive",), "budgets": (90_000,)}), tmp_path)
    monkeypatch.setattr("harness.run.planning.MOST_SHARED", 5_000)  # planning as many as it is takes long
    with pytest.raises(WrongInput, match="give --budget 208 or less"):
        prepare_run(Settings(**{**given, "searches": ("adaptive",), "budgets": (209,)}), tmp_path)
    assert prepare_run(Settings(**{**given, "searches": ("adaptive",), "budgets": (208,)}), tmp_path).units


def test_a_budget_that_is_advised_is_not_refused() -> None:
    for amount in (12345678e5, 12345612e5, 12345678.0, 0.1 + 0.2, 1e5, 120.0, 3.0, 1e30):
        assert float(no_more(amount)) <= amount <= float(no_less(amount))
        assert float(no_less(amount)) == pytest.approx(float(no_more(amount)), rel=1.1e-5)
    assert (no_more(12345678e5), no_less(12345612e5), no_more(1e5)) == ("1.23456e+12", "1.23457e+12", "100000")
    assert BudgetTooSmall(Budget(1, Unit.FLOPS), 12345612e5, "one image").advice == "give --budget 1.23457e+12 or more"


def test_models_and_verifiers_of_one_domain_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = registry.Entry("nowhere:nothing", "photo", "ar", "photo", "toy_world:ToyPrefixed")
    monkeypatch.setitem(registry.MODELS, "photo-ar", photo)  # type: ignore[arg-type]
    with pytest.raises(WrongInput, match="toy-ar is shapes, photo-ar is photo"):
        prepare_run(Settings(**{**BASE, "models": ("toy-ar", "photo-ar")}), tmp_path)
    with pytest.raises(WrongInput, match="verifier toy-judge judges shapes images, the models make photo images"):
        prepare_run(Settings(**{**BASE, "models": ("photo-ar",)}), tmp_path)


def test_only_the_weights_that_are_missing_are_said_where_photographs_have_their_own_default_verifier(tmp_path: Path) -> None:
    given = {key: value for key, value in BASE.items() if key != "verifiers"} | {"models": ("infinity-2b",), "searches": ("random",)}
    assert Settings(**given).verifiers == Settings(**{**given, "models": ("flux-dev:steps=9+flux-dev",)}).verifiers == ("image-reward",)
    assert Settings(**{**given, "models": ("toy-ar",)}).verifiers == ("shapes-reward",)
    with pytest.raises(WrongInput) as raised:
        prepare_run(Settings(**given), tmp_path)
    said = str(raised.value)
    assert "`vistas fetch infinity-2b image-reward " in said
    assert "shapes" not in said
    assert "\n" not in said


def test_a_search_beside_one_that_fits_is_skipped_with_a_note(tmp_path: Path) -> None:
    given = {**BASE, "models": ("toy-ar+toy-noisy",), "searches": ("random", "hybrid"), "budgets": (24,)}
    prepared = prepare_run(Settings(**given), tmp_path)
    assert {unit.search for unit in prepared.units} == {"hybrid"}
    said = "skipped toy-ar+toy-noisy with random: random searches ar and diffusion models and toy-ar+toy-noisy is a pair model"
    assert said in prepared.notes


def test_default_searches_that_do_not_fit_are_only_skipped(tmp_path: Path) -> None:
    given = {key: value for key, value in BASE.items() if key != "searches"} | {"models": ("toy-ar",)}
    assert {unit.search for unit in prepare_run(Settings(**given), tmp_path).units} == {"random", "greedy", "beam"}


def test_the_smallest_budget_that_is_named_is_one_that_works() -> None:
    """A pair's drafts alone need 10 evaluations of a budget, its refinement one more: the larger refusal knows of both."""
    refused = [BudgetTooSmall(Budget(5, Unit.NFE), 10, "drafts"), BudgetTooSmall(Budget(10, Unit.NFE), 11, "a refinement")]
    (note,) = _notes("a+b", "hybrid", "judge", refused, nothing_left=False)
    assert note == "skipped a+b with hybrid at 5, 10 NFE (verifier judge): the smallest budget that works is 11 NFE (--budget 11)"


def test_budgets_are_said_as_they_are_read_and_the_smallest_also_as_it_is_typed() -> None:
    refused = [BudgetTooSmall(Budget(amount, Unit.FLOPS), 12997400000, "one image") for amount in (8e8, 1.2e10)]
    (note,) = _notes("a", "beam", "judge", refused, nothing_left=False)
    assert note.startswith("skipped a with beam at 800 MFLOP, 12 GFLOP (verifier judge): the smallest budget that works is 13 GFLOP ")
    assert note.endswith(" (--budget 1.29974e+10)")
