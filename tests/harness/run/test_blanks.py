"""Pictures that are no numbers: one is an unscored candidate, and a model that draws nothing else is stopped."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import toy_world
from toy_runs import before_each, run
from toy_world import ToyGenerator, ToyPrefixed, ToyVerifier

from harness import registry
from harness.compute.drawn import HOPELESS, Drawn
from harness.errors import RunFailed
from models.blank import NO_NUMBERS, are_blank, blank
from models.pixels import floored
from reports.load import read_runs
from reports.notes import notes
from reports.summary import summarise
from results.schema import TOTALS
from verifiers.base import Scores

pytestmark = pytest.mark.usefixtures("toys")
ASKED: dict[str, Any] = {"models": ("toy-ar",), "searches": ("random",), "budgets": (12,), "keep": 1}
original = ToyGenerator.decode


@pytest.fixture
def overflow(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Any], bool]], None]:
    """Rows of the state for which this says so are no numbers when they are decoded."""

    def when(which: Callable[[Any], bool]) -> None:
        def decode(generator: Any, state: Any) -> torch.Tensor:
            values_NCHW = original(generator, state) / 127.5 - 1
            for row in range(len(state.rows)):
                if which(state.values_BC[row]):
                    values_NCHW[row, 0, 0, 0] = torch.nan
            return floored(values_NCHW)

        monkeypatch.setattr(ToyGenerator, "decode", decode)

    return when


def test_a_picture_that_is_no_numbers_is_unscored_and_the_rest_of_its_batch_as_ever(overflow: Any, tmp_path: Path) -> None:
    overflow(lambda values_C: False)
    whole = run(tmp_path / "whole", **ASKED)["candidates"]
    overflow(lambda values_C: values_C[0] > 2.5)
    found = run(tmp_path / "run", **ASKED)
    candidates = found["candidates"]
    lost = candidates["reason"] == NO_NUMBERS
    assert 0 < lost.sum() < len(candidates) / 4
    assert candidates.loc[lost, ["score", "truth"]].isna().all(axis=None)
    assert not candidates.loc[lost, "kept"].any()
    assert set(candidates.loc[lost, "image"]) == {""}, "no stand-in is saved"
    for column in ("score", "image", "truth", "flops", "nfe"):
        assert candidates.loc[~lost, column].equals(whole.loc[~lost, column]), column
    assert candidates["verifier_calls"].equals(whole["verifier_calls"]), "a blank is paid for as any picture is"
    said = [note for note in notes(summarise(read_runs([tmp_path / "run"]))) if "no numbers" in note]
    assert [note.partition(" are no")[0] for note in said] == [f"{lost.sum()} of {len(lost)} pictures of toy-ar, previews included,"]


@pytest.mark.parametrize("search", ["beam:score=preview", "smc", "halving", "tts-var"])
def test_guided_searches_go_on_without_it(overflow: Any, search: str, tmp_path: Path) -> None:
    overflow(lambda values_C: values_C[0] > 1)
    found = run(tmp_path, **ASKED | {"searches": (search,), "budgets": (36,)})
    assert (found["candidates"]["reason"] == NO_NUMBERS).any()
    assert found["selections"]["score"].notna().all()


@pytest.mark.parametrize(("search", "budget", "least", "most"), [
    ("evolution:population=9", 74, 74, -2.0), ("paths:width=3,sigma=0.6", 39, 33, -0.3), ("beam:width=3", 30, 30, -0.7),
    ("beam:width=3,reuse=True", 24, 22, -0.7), ("beam:width=3,score=preview", 27, 26, -1.2), ("zero-order", 30, 30, 0.8),
    ("rbf", 30, 30, -0.3),
])  # fmt: skip
def test_no_search_breeds_from_what_has_no_score_while_there_is_another(
    overflow: Any, search: str, budget: int, least: int, most: float, tmp_path: Path
) -> None:
    """Nor spends more than its budget by it, or much less."""
    overflow(lambda values_C: values_C[0] > most)
    found = run(tmp_path, **ASKED | {"models": ("toy-noisy",), "searches": (search,), "budgets": (budget,)})
    lost = 0
    for _, pool in found["candidates"].groupby("prompt_id"):
        score = pool.set_index("candidate")["score"]
        generation = pool["candidate"].str.count(r"\.").set_axis(score.index)
        for parent in set(pool["parent"]) & set(score.index):
            others = score[generation == generation[parent]]
            assert score.notna()[parent] or others.isna().all(), parent
            lost += others.isna().any() and 0 < others.notna().sum() < 3
    assert lost, "somewhere fewer are scored than go on"
    assert found["selections"][TOTALS["nfe"]].between(least, budget).all()


def test_hybrid_refines_what_has_a_score_and_no_blank(overflow: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = ASKED | {"models": ("toy-ar+toy-noisy",), "searches": ("hybrid:drafts=9",), "budgets": (36,)}
    overflow(lambda values_C: values_C[0] > 1)
    score = ToyVerifier._one
    with monkeypatch.context() as patch:
        patch.setattr(ToyVerifier, "_one", staticmethod(lambda *asked: math.nan if score(*asked) < 0.3 else score(*asked)))
        found = run(tmp_path / "some", **pair)["candidates"]
    drafts, refined = found[found["parent"] == ""], found[found["parent"] != ""]
    kept = drafts[drafts["score"].notna()].groupby("prompt_id")["candidate"].agg(set)
    assert 0 < (drafts["reason"] == NO_NUMBERS).sum() < drafts["score"].isna().sum()
    assert refined.groupby("prompt_id")["parent"].agg(set).to_dict() == kept[kept.index.isin(refined["prompt_id"])].to_dict()
    overflow(lambda values_C: len(seen) < 6 and not seen.append(1))
    seen: list[int] = []
    tables = run(tmp_path / "none", **pair | {"prompts": 2}, chunk=1)
    found = tables["candidates"]
    (lost,) = found.groupby("prompt_id").filter(lambda pool: (pool["parent"] == "").all())["prompt_id"].unique()
    drafts = found[found["prompt_id"] == lost]
    assert drafts["score"].isna().tolist() == [True] * 6 + [False] * 6, "what there is nothing to refine for buys more drafts"
    assert drafts["candidate"].is_unique
    assert tables["selections"].set_index("prompt_id").loc[lost, [TOTALS["nfe"], "score"]].tolist() == [36, drafts["score"].max()]


def test_a_prompt_without_any_picture_is_unscored_and_the_run_ends(overflow: Any, tmp_path: Path) -> None:
    """Its seeds make the same of it whenever the run is gone on with: as a failure it would never let the run end."""
    first: list[float] = []

    def of_the_first(values_C: Any) -> bool:
        return len(first) < 4 and not first.append(float(values_C[0]))  # type: ignore[func-returns-value]

    overflow(of_the_first)
    found = run(tmp_path, **ASKED, chunk=1)
    chosen = found["selections"]
    assert (chosen["candidate"] == "").sum() == 1
    reasons = set(found["scores"].loc[found["scores"]["value"].isna(), "reason"])
    assert f"no candidate could be scored: {NO_NUMBERS}" in reasons


def test_a_model_that_draws_nothing_else_is_stopped_at_its_third_prompt(overflow: Any, tmp_path: Path) -> None:
    seen = []
    overflow(lambda values_C: not seen.append(1))
    with pytest.raises(RunFailed, match=r"toy-ar draws values that are no numbers \(NaN\) in all pictures of 3 prompts: its weights"):
        run(tmp_path, **ASKED, chunk=1)


def test_one_setting_that_draws_says_nothing_of_another(overflow: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cards of one model in two types have one name."""

    def half(device: Any) -> ToyPrefixed:
        made = ToyPrefixed("toy-ar", "ar")
        made.card = replace(made.card, settings={"dtype": "float16"})
        return made

    monkeypatch.setattr(toy_world, "half", half, raising=False)
    monkeypatch.setitem(registry.MODELS, "toy-ar-half", replace(toy_world.MODELS["toy-ar"], target="toy_world:half"))
    running: list[str] = []
    overflow(lambda values_C: running[-1] == "toy-ar-half")
    with before_each(lambda unit: running.append(unit.model)), pytest.raises(RunFailed, match="model toy-ar-half: toy-ar draws"):
        run(tmp_path, **ASKED | {"models": ("toy-ar", "toy-ar-half")})
    assert set(running) == {"toy-ar", "toy-ar-half"}


def test_the_reason_is_a_blank_only_where_no_picture_was_drawn(overflow: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ToyVerifier, "score", lambda judge, images, texts: Scores(np.full((len(texts), 1), np.nan), ("dark",) * len(texts)))
    overflow(lambda values_C: len(seen) < 3 and not seen.append(1))
    seen: list[int] = []
    scores = run(tmp_path, **ASKED, chunk=1)["scores"]
    assert set(scores.loc[scores["metric"] == "grade", "reason"]) == {"no candidate could be scored: dark"}


def test_one_picture_is_enough_to_go_on() -> None:
    drawn = Drawn("model")
    for prompt in ("a", "b", "b", "a"):
        drawn.look("model", [prompt], [True])
    drawn.look("model", ["c", "c"], [True, False])
    for prompt in map(str, range(2 * HOPELESS)):
        drawn.look("model", [prompt], [True])


def test_a_blank_is_no_picture_and_no_picture_a_blank() -> None:
    images_NCHW = torch.zeros(3, 3, 8, 16, dtype=torch.uint8)
    images_NCHW[1] = blank(8, 16)
    assert are_blank(images_NCHW) == [False, True, False]
    assert are_blank(images_NCHW[:0]) == []
