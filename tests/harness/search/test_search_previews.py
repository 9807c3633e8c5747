"""Searches on smaller previews: priced as they are charged, the images of a candidate the same, and the same without previews."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from harness.compute.flops import count_flops
from harness.compute.ledger import Budget, Unit
from harness.compute.prices import Prices
from harness.config import Settings
from harness.errors import WrongInput
from harness.model_spec import parse_model
from harness.registry import entry
from harness.run.prepared import prepare_run
from harness.search.spec import parse_search
from harness.weights.local import build
from verifiers.spec import VerifierSpec

LOOKING = [
    ("beam:width=2,score=preview", "scales"), ("smc:preset=bfs", "scales"), ("tts-var", "scales"),
    ("beam:score=preview", "flow"), ("smc:preset=das", "flow"), ("rbf", "flow"),
    ("halving", "scales"), ("halving:at=0.25/0.75", "flow"),
]  # fmt: skip


@pytest.fixture(scope="module")
def resizing(make_judge):
    """The judge of all tests, which like real ones resizes what it is given, so that every picture costs the same."""

    def sized(images):
        return functional.interpolate(images.float(), 16).to(torch.uint8)

    class Resizing(make_judge):
        def score(self, images, prompts):
            return super().score(sized(images), prompts)

        def patches(self, images):
            return super().patches(sized(images))

    return Resizing


@pytest.mark.parametrize(("text", "model"), LOOKING)
def test_a_search_pays_less_for_smaller_previews(text: str, model: str, request, ran, resizing) -> None:
    search, whole = parse_search(text), request.getfixturevalue(model)
    small, box, costs = whole.with_previews(2), [], []
    plan = search.plan(Budget(40, Unit.NFE), Prices(whole, resizing(), 8))
    budget = Budget(plan.cost.flops, Unit.FLOPS)
    fixed = replace(search, **{search.size: plan.parameters[search.size]})
    for generator in (whole, small):
        counted = count_flops(lambda g=generator: box.append(ran(fixed, g, budget, count=2, judges=[resizing()])))
        task = box[-1].task
        spent = [task.spent(prompt, task.judges[0]) for prompt in range(2)]
        assert all(map(budget.affords, spent))
        assert counted == sum(cost.flops for cost in spent)
        for plan, cost in zip(task.plans, spent, strict=True):
            assert cost.decode_flops == plan.cost.decode_flops
        costs.append(spent)
    for full, less in zip(*costs, strict=True):
        assert less.decode_flops < full.decode_flops
        assert (less.nfe, less.images, less.verifier_calls) == (full.nfe, full.images, full.verifier_calls)
    looks = [one for one in box[1].of(0) if not one.complete]
    assert all(one.image.shape == (3, 8, 8) for one in looks)
    assert all(one.image.shape == (3, 16, 16) for one in box[1].of(0) if one.complete)
    more = search.plan(budget, Prices(small, resizing(), 8)).parameters[search.size]
    assert more > plan.parameters[search.size]


def test_a_search_that_looks_at_no_preview_is_the_same(scales, ran) -> None:
    one, other = (ran(parse_search("beam:width=2"), each, Budget(60, Unit.NFE), count=1) for each in (scales, scales.with_previews(2)))
    assert all(torch.equal(a.image, b.image) for a, b in zip(one.of(), other.of(), strict=True))
    costs = [each.task.spent(0, each.task.judges[0]) for each in (one, other)]
    assert costs[0].flops == costs[1].flops


def test_the_setting_is_a_part_of_the_models_name() -> None:
    spec = parse_model("shapes-infinity:preview_shrink=2,temperature_factor=1.5")
    assert (spec.text, spec.preview_shrink) == ("shapes-infinity:temperature_factor=1.5,preview_shrink=2", 2)
    assert parse_model("shapes-infinity:preview_shrink=1").text == "shapes-infinity"
    assert parse_model("infinity-2b:preview_shrink=2").text == "infinity-2b:preview_shrink=2"
    assert "preview_shrink" not in parse_model("infinity-2b:preview_shrink=2").overrides
    pair = parse_model("shapes-infinity:preview_shrink=2+shapes-flux:preview_shrink=3")
    assert [one.preview_shrink for one in pair.pair] == [2, 3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("shapes-flux:preview_shrink=0", "preview_shrink=0 is not a whole number from 1: write preview_shrink=2"),
        ("shapes-flux:preview_shrink=half", "preview_shrink=half is not a whole number"),
        ("janus-pro-1b:preview_shrink=2", "unknown parameter 'preview_shrink'"),
        ("infinity-2b:preview_shrink=3", "preview_shrink=3 does not divide its latents, 64 by 64: use 1 or 2 or 4 or 8"),
        ("infinity-2b:pn=0.06M,preview_shrink=32", "preview_shrink=32 does not divide its latents, 16 by 16"),
        ("flux-dev:preview_shrink=3", "preview_shrink=3 does not divide its latents, 128 by 128"),
        ("sana-1.6b:height=512,resolution_binning=false,preview_shrink=32", "preview_shrink=32 does not divide its latents, 16 by 32"),
    ],
)
def test_what_cannot_be_set_is_refused(text: str, message: str) -> None:
    with pytest.raises(WrongInput, match=message):
        parse_model(text)


@pytest.mark.parametrize("name", ["shapes-infinity", "shapes-flux"])
def test_the_embedded_pair_takes_it(name: str) -> None:
    generator = build(entry("model", name), {}, "cpu").with_previews(2)
    assert generator.price("preview").flops == pytest.approx(generator.price("decode").flops / 4)
    with pytest.raises(WrongInput, match="preview_shrink=5 does not divide its latents"):
        generator.with_previews(5)


def test_a_model_of_the_package_is_checked_before_any_verifier_is_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("a verifier was loaded")

    monkeypatch.setattr(VerifierSpec, "load", never)
    settings = Settings(models=("shapes-flux", "shapes-infinity:preview_shrink=5"), searches=("random",), prompts=1)
    with pytest.raises(WrongInput, match="preview_shrink=5 does not divide its latents"):
        prepare_run(settings, tmp_path)
