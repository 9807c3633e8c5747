"""Whole runs against counters at the networks themselves, column by column: no part of the ledger is another's, and none is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch

from harness.compute.flops import FlopCounter
from harness.compute.ledger import COLUMNS, Budget, BudgetTooSmall, Cost, Unit
from harness.compute.prices import Prices
from harness.search.base import Task
from harness.search.prepare import prepare
from harness.search.spec import parse_search
from harness.seeds import Seeds
from models.base import Generator
from models.pair import Pair
from models.published import published_models
from models.random_weights import random_generator
from suites.base import Prompt
from verifiers.base import Verifier, cascading
from verifiers.features import described, features_of
from verifiers.spec import parse_verifier

SMALL = {"steps": 4, "height": 64, "width": 32}
LISTS = {"pn": "0.06M", "cfg": (1.0, 3.0, 2.0, 1.0, 1.0, 1.0, 1.0), "top_p": 0.9, "aspect": "2.0"}
CASES: dict[str, tuple[str, dict[str, Any], str]] = {
    "guided by scale": ("infinity-2b", LISTS, "tts-var"),
    "guided within": ("infinity-2b", {"pn": "0.06M", "cfg_insertion_layer": "-5", "negative_prompt": "very ugly"}, "lookahead:scales=0/1"),
    "patches": ("infinity-8b", {"dtype": "bfloat16"}, "smc"),
    "raster": ("janus-pro-1b", {}, "halving"),
    "guided twice": ("flux-dev", {**SMALL, "true_cfg_scale": 2.0, "negative_prompt": "ugly"}, "rbf"),
    "three passes": ("sd3.5-medium", {**SMALL, "steps": 6, "skip_guidance_layers": "7/8/9"}, "random"),
    "noise": ("sdxl", SMALL, "zero-order:neighbours=1"),
    "renoised": ("pixart-sigma", {**SMALL, "resolution_binning": False}, "paths"),
    "linear attention": ("sana-1.6b", {**SMALL, "resolution_binning": False}, "halving"),
}  # fmt: skip
"""A published model, its settings, and a search that asks of it what others do not."""
PROMPTS = [Prompt("0", "a red circle", "any"), Prompt("1", "two blue stars above a red circle", "any")]


class Seen(Counter[str]):
    """What passes the networks: FLOPs by ledger column, sequences and images; `close` takes the watchers off again."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = FlopCounter()
        self._undo: list[Callable[[], None]] = []

    def close(self) -> None:
        for undo in reversed(self._undo):
            undo()

    def put(self, owner: Any, name: str, watcher: Callable[..., Any]) -> None:
        """Watch a method of one object."""
        vars(owner)[name] = watcher
        self._undo.append(lambda: vars(owner).pop(name))

    def within(self, owner: Any, name: str, column: str, images: str = "") -> None:
        """Everything that a method computes belongs to `column`, the images that it is given are counted as `images`."""
        method = getattr(owner, name)

        def watched(*args: Any, **kwargs: Any) -> Any:
            before = self.flops.flops
            made = method(*args, **kwargs)
            self[column] += self.flops.flops - before
            self[images] += len(args[0]) if images else 0
            return made

        self.put(owner, name, watched)

    def sequences(self, network: torch.nn.Module) -> None:
        def passed(_: Any, args: Any, kwargs: Any) -> None:
            self["forwards"] += len(next(one for one in (*args, *kwargs.values()) if isinstance(one, torch.Tensor)))

        self._undo.append(network.register_forward_pre_hook(passed, with_kwargs=True).remove)

    def generator(self, generator: Any) -> None:
        """The networks of any family."""
        if hasattr(generator, "adapter"):
            pipeline = generator.adapter.pipeline
            self.sequences(generator.adapter.transformer)
            self.within(pipeline.vae, "decode", "decode_flops")
            self.within(pipeline.vae, "encode", "decode_flops")
            for part in ("text_encoder", "text_encoder_2", "text_encoder_3"):
                if getattr(pipeline, part, None) is not None:
                    self.within(getattr(pipeline, part), "forward", "text_flops")
        elif hasattr(generator, "network"):
            self.sequences(generator.network.language_model.layers[0])
            self.within(generator.network, "pixels_of", "decode_flops")
        else:
            self.sequences(generator.transformer.ordered_blocks[0])
            self.within(generator.vae, "decode", "decode_flops")
            self.within(generator.text_encoder.model, "forward", "text_flops")
        decode = generator.decode
        self.put(generator, "decode", lambda state: (self.update(images=len(state.rows)), decode(state))[1])

    def verifier(self, verifier: Verifier) -> None:
        cascade = cascading(verifier)
        for stage in cascade.stages if cascade else (verifier,):
            self.within(stage, "score", "verifier_flops", "verifier_calls")
        self.within(verifier, "patches", "verifier_flops")


def check(generator: Any, search_text: str, judged: str, rows: int = 3) -> Task:
    """Run a search on the least it can do with, and compare all that its prompts were charged with what was seen."""
    search, (judge,) = parse_search(search_text), described([parse_verifier(judged).load()], features_of("shapes"))
    with pytest.raises(BudgetTooSmall) as refused:
        search.plan(Budget(1, Unit.FLOPS), Prices(generator, judge, max(generator.text_tokens([one.text for one in PROMPTS]))))
    budget, seen = Budget(refused.value.smallest, Unit.FLOPS), Seen()
    for one in (generator.draft, generator.refine) if isinstance(generator, Pair) else (generator,):
        seen.generator(one)
    seen.verifier(judge)
    try:
        with seen.flops:
            task = prepare(search, generator, [judge], PROMPTS, budget, Seeds(0, "test"), rows)
            search.run(task)
    finally:
        seen.close()
    spent = [task.spent(prompt, task.judges[0]) for prompt in range(len(PROMPTS))]
    total = sum(spent, Cost())
    named = ("decode_flops", "text_flops", "verifier_flops", "forwards", "images", "verifier_calls")
    assert {name: getattr(total, name) for name in named} == {name: seen[name] for name in named}
    assert total.model_flops == seen.flops.flops - seen["decode_flops"] - seen["text_flops"] - seen["verifier_flops"]
    meters = [task.generator, *task.judges, *([task.refiner.generator] if task.refiner else [])]
    assert total.seconds == pytest.approx(sum(timing.seconds for meter in meters for timing in meter.clock.values()))
    assert total.flops <= budget.amount * len(PROMPTS)
    for prompt, cost in enumerate(spent):
        rows_of = [one.spent for one in task.candidates[judge.card.name][prompt]]
        for column in COLUMNS:
            values = [getattr(one, column) for one in rows_of]
            assert values == sorted(values), f"{column} never falls"
            assert values[-1] == pytest.approx(getattr(cost, column), rel=1e-12), f"{column} ends at what was spent"
    return task


@pytest.mark.parametrize("case", CASES)
def test_every_column_is_what_passed_the_networks(case: str) -> None:
    name, settings, search = CASES[case]
    model = published_models()[name]
    generator = random_generator(model, model.merged({"dtype": "float32", **settings}), [torch.device("cpu")], tiny=True)
    check(generator, search, "shapes-ensemble")


@pytest.mark.parametrize(
    "judged", ["cascade:cheap=likelihood,expensive=shapes-ensemble,keep=1", "ensemble:shapes-clip=1,shapes-aesthetic=2"]
)
def test_a_pair_too(judged: str, infinity: Generator, flux: Generator) -> None:
    task = check(Pair("pair", infinity, flux), "hybrid:drafts=2,refinements=3,search=halving", judged)
    assert all(sum(one.step == 4 for one in entered) == 3 for entered in task.candidates[judged])
