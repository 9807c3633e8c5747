"""Searches on every published diffusion family: tiny checkpoints loaded from disk, every FLOP counted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_families import FAMILIES, save

from harness.compute.flops import count_flops
from harness.compute.ledger import Budget, BudgetTooSmall, Cost, Unit
from harness.compute.prices import Prices
from harness.registry import SEARCHES, Entry
from harness.search.spec import fits
from models.base import Generator, Images
from models.diffusion.published import load
from models.published import PublishedModel
from verifiers.base import Scores, VerifierCard


class Pattern:
    """A verifier that takes no multiply-add: how much brighter an image is on some of its pixels than on the others."""

    card = VerifierCard("judge", "photo", (-1.0, 1.0), ("a",), "0" * 64, "apache-2.0")

    def score(self, images: Images, prompts: Sequence[str]) -> Scores:
        signs = torch.randint(0, 2, images.shape[1:], generator=torch.Generator().manual_seed(1)) * 2 - 1
        values = (images.float() / 255 * signs).mean((1, 2, 3)).double().numpy()[:, None]
        return Scores(values, ("",) * len(prompts))

    def forget(self) -> None:
        pass

    def combine(self, values_NM: np.ndarray) -> np.ndarray:
        return values_NM[:, 0]

    def price(self, images: int, new_prompts: int = 0) -> Cost:
        return Cost(verifier_calls=images)


DIFFUSION = Entry("", "", "diffusion", "photo", "models.diffusion.generator:DiffusionGenerator")
NAMES = [name for name, known in SEARCHES.items() if known.family in ("", "diffusion")]
WHOLE = ("random", "zero-order")
"""Those that need nothing but whole images, of which no two are the same."""
SKIPPING = "sd3 without blocks"
"""A third pass in the second step: a step whose price is not the others'."""
EVERY_SEARCH = ("flux", "pixart", SKIPPING)
"""A flow without memory, a multistep sampler, and steps of several prices: what there is to differ between families."""
EVERY_OPERATION = ("random", "beam", "evolution", "rbf")
"""Searches that together ask the others for all that a search asks: SDE steps, mutations, joins, noise added again, mixed steps."""
RUNS = [(name, family) for family in (*FAMILIES, SKIPPING) for name in (NAMES if family in EVERY_SEARCH else EVERY_OPERATION)]


@pytest.fixture(scope="module")
def generators(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Generator]:
    root = tmp_path_factory.mktemp("families")
    made = {family: tiny(family, save(family, root / family)) for family in FAMILIES}
    return made | {SKIPPING: tiny("sd3", root / "sd3", steps=6, skip_guidance_layers="1")}


def tiny(family: str, folder: Path, **changes: Any) -> Generator:
    row = PublishedModel(f"tiny-{family}", "", "diffusion", "", "", "none", "", {}, {}, {})
    settings = {**FAMILIES[family].settings, "dtype": "float32", **changes}
    return load(row, {"weights": folder}, torch.device("cpu"), settings)


@pytest.mark.parametrize(("name", "family"), RUNS)
def test_searches_run_within_their_budget_and_are_charged_what_they_compute(
    name: str, family: str, generators: dict[str, Generator], ran: Any
) -> None:
    generator, judge = generators[family], Pattern()
    search = SEARCHES[name].resolve()()
    assert fits(search, DIFFUSION, family) is None
    unit = Unit.FLOPS if family == SKIPPING else Unit.NFE
    budget = Budget(12, unit)
    try:
        search.plan(budget, Prices(generator, judge, generator.text_tokens(["x"])[0]))
    except BudgetTooSmall as error:
        budget = Budget(error.smallest, unit)
    box: dict[str, Any] = {}
    counted = count_flops(lambda: box.update(ran=ran(search, generator, budget, count=2, judges=[judge])))
    task = box["ran"].task
    spent = [task.spent(prompt, task.judges[0]) for prompt in (0, 1)]
    assert sum(cost.flops for cost in spent) == counted
    shares = [spent] if name == "adaptive" else [[cost] for cost in spent]  # it spends one total over all prompts
    for share in shares:
        assert 0.5 * budget.amount * len(share) <= sum(cost.amount(unit) for cost in share) <= budget.amount * len(share)
    for prompt in (0, 1):
        finished = [candidate for candidate in box["ran"].of(prompt) if candidate.complete]
        if name in WHOLE:
            assert len({candidate.image.numpy().tobytes() for candidate in finished}) == len(finished)
        assert sum(candidate.kept for candidate in finished) >= 1


@pytest.mark.parametrize("family", FAMILIES)
def test_a_prompts_candidates_do_not_depend_on_the_others(family: str, generators: dict[str, Generator], ran: Any) -> None:
    search = SEARCHES["zero-order"].resolve()(neighbours=2, candidates=3)
    runs = [ran(search, generators[family], count=count, max_rows=rows, judges=[Pattern()]) for count, rows in ((3, 64), (1, 1))]
    together, alone = (torch.stack([candidate.image for candidate in one.of(0)]).int() for one in runs)
    assert (together - alone).abs().max() <= 1
