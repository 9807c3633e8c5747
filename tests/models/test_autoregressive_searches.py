"""Every search that fits an autoregressive model, on each published family at tiny width: the ledger, the budget, the batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tiny_janus
import tiny_published
import torch

from harness.compute.flops import count_flops
from harness.compute.ledger import Budget, BudgetTooSmall, Cost, Unit
from harness.registry import Entry, entries
from harness.search.base import Task
from harness.search.prepare import prepare
from harness.search.spec import fits, parse_search
from harness.seeds import Seeds
from models.base import Generator, Images
from models.infinity import published
from models.janus import load as janus
from suites.base import Prompt
from verifiers.base import Scores, VerifierCard

CPU = torch.device("cpu")
AR = Entry("", "", "ar", "photo", "models.janus.generator:JanusGenerator")
TEXTS = ["red circle", "two blue star above red circle", "blue star"]
SEARCHES = [name for name, known in entries("search").items() if known.family in ("", "ar")]
EVERY_SEARCH = ("infinity-8b", "janus")
"""Patches of a scale, and rows of one token after another: what there is to differ between families."""
EVERY_OPERATION = ("random", "beam", "tts-var")
"""Searches that together ask the others for all that a search asks: rollouts, previews, forks and resampling."""
LEDGERS = [(family, search) for family in ("infinity-125m", "infinity-2b", *EVERY_SEARCH)
           for search in (SEARCHES if family in EVERY_SEARCH else EVERY_OPERATION)]  # fmt: skip


class Brightness:
    """A smooth score of the pixels, so that rounding changes nothing but its last digits."""

    card = VerifierCard("brightness", "photo", (0.0, 1.0), ("brightness",), "0" * 64, "none")

    def score(self, images: Images, prompts: Any) -> Scores:
        weights_HW = torch.linspace(1, 2, images.shape[-1]).expand(images.shape[-2:])
        values_N = (images.float() * weights_HW).mean((1, 2, 3)).double().numpy()
        return Scores(values_N[:, None], ("",) * len(images))

    def forget(self) -> None:
        pass

    def combine(self, values_NM: np.ndarray) -> np.ndarray:
        return values_NM[:, 0]

    def price(self, images: int, new_prompts: int = 0) -> Cost:
        return Cost(verifier_calls=images)

    def patches(self, images: Images) -> torch.Tensor:
        """Four by four means of each picture's pixels, as features beside the verifier."""
        return torch.nn.functional.adaptive_avg_pool2d(images.float(), 4).flatten(2).transpose(1, 2)

    def patches_price(self) -> Cost:
        return Cost()


@pytest.fixture(scope="module")
def generators(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Generator]:
    """Three scales of each Infinity family, and Janus with rows of three tokens; loaded from the published layouts."""
    found: dict[str, Generator] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(published, "published_schedule", lambda *_: published.FULL_SCHEDULES["1.5"].prefix(4))
        for name, size in tiny_published.TINY.items():
            patch.setitem(published.SIZES, name, size)
            row, folders = tiny_published.publish(tmp_path_factory.mktemp(name), name)
            settings = row.merged({"dtype": "float32", "text_dtype": "float32", "pn": "0.06M", "cfg": 2.0})
            found[name] = published.load(row, folders, CPU, settings)
    folder = tmp_path_factory.mktemp("janus")
    tiny_janus.save(folder, side=3)
    found["janus"] = janus.load(tiny_janus.row(), {"weights": folder}, CPU, tiny_janus.SETTINGS)
    return found


def prompts(count: int) -> list[Prompt]:
    return [Prompt(f"{n:05}", TEXTS[n], "any") for n in range(count)]


def task_of(search: str, generator: Generator, budget: Budget, count: int, max_rows: int) -> Task:
    return prepare(parse_search(search), generator, [Brightness()], prompts(count), budget, Seeds(0, "test"), max_rows)


def smallest(search: str, generator: Generator, count: int, unit: Unit) -> Budget:
    """The least that the search can do with."""
    with pytest.raises(BudgetTooSmall) as refused:
        task_of(search, generator, Budget(0.5, unit), count, 8)
    return Budget(refused.value.smallest, unit)


def run(search: str, generator: Generator, budget: Budget, count: int = 2, max_rows: int = 8) -> Task:
    task = task_of(search, generator, budget, count, max_rows)
    parse_search(search).run(task)
    return task


def transformer_of(generator: Any) -> Callable[..., Any]:
    """Its first block: what passes through it passes through the transformer."""
    if hasattr(generator, "transformer"):
        return generator.transformer.ordered_blocks[0]
    return generator.network.language_model.layers[0]


@pytest.mark.parametrize(("family", "search"), LEDGERS)
def test_the_ledger_is_what_was_computed(generators: dict[str, Generator], family: str, search: str) -> None:
    generator = generators[family]
    assert fits(parse_search(search), AR, family) is None
    budget = smallest(search, generator, 2, Unit.NFE)
    passed = [0]
    hook = transformer_of(generator).register_forward_hook(lambda _, args, kwargs, __: passed.__setitem__(
        0, passed[0] + len(args[0] if args else kwargs["hidden_states"])), with_kwargs=True)
    tasks: list[Task] = []
    counted = count_flops(lambda: tasks.append(run(search, generator, budget)))
    hook.remove()
    judge = tasks[0].judges[0]
    spent = [tasks[0].spent(prompt, judge) for prompt in range(2)]
    total = sum(spent, Cost())
    assert counted == total.flops - total.verifier_flops
    assert passed[0] == total.forwards
    assert total.nfe <= 2 * budget.amount
    for prompt, cost in enumerate(spent):
        assert budget.affords(cost) or search == "adaptive"  # which moves what is left between prompts
        entered = tasks[0].candidates[judge.card.name][prompt]
        assert any(candidate.complete for candidate in entered)
        assert entered[-1].spent.nfe <= cost.nfe


@pytest.mark.parametrize("search", SEARCHES)
@pytest.mark.parametrize("family", EVERY_SEARCH)
def test_batches_of_one_and_of_many_give_the_same(generators: dict[str, Generator], family: str, search: str) -> None:
    generator = generators[family]
    budget = smallest(search, generator, 2, Unit.FLOPS)
    one, many = (run(search, generator, budget, 2, rows) for rows in (1, 16))
    for prompt in range(2):
        alone, together = (task.candidates["brightness"][prompt] for task in (one, many))
        assert [candidate.path for candidate in alone] == [candidate.path for candidate in together]
        for a, b in zip(alone, together, strict=True):
            assert a.values_M[0] == pytest.approx(b.values_M[0], abs=0.05)
            assert (a.image.int() - b.image.int()).abs().max() <= 1
            assert (a.spent.nfe, a.spent.flops) == (b.spent.nfe, b.spent.flops)


@pytest.mark.parametrize("score", ["rollout", "preview"])
def test_beams_of_janus_cost_a_pass_for_every_token(generators: dict[str, Generator], score: str) -> None:
    """Width 2, 2 children: rows of 3 tokens, as many of them as a child is followed."""
    task = run(f"beam:width=2,candidates=2,score={score}", generators["janus"], Budget(1e9, Unit.NFE))
    rows = {"rollout": 4 * (3 + 2 + 1), "preview": 4 * 3}[score]
    spent = task.spent(0, task.judges[0])
    assert spent.nfe == 3 * rows
    own = 2 * rows  # passes between the tokens of a row, shared by nobody
    before = {"rollout": 1 + 4 * 2 + 4 * 1, "preview": 1 + 2 + 2}[score]  # passes before a row, shared by siblings
    assert spent.forwards == 2 * (own + before)
