"""A cascade in a run: units of its own where others share a pool, metrics of its stages, and its errors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import toy_world
from rich.console import Console

from harness.config import Settings
from harness.errors import WrongInput
from harness.run.prepared import prepare_run
from harness.run.runner import finish_run
from harness.run.table_rows import CHEAP_ONLY
from results.schema import MEASURED, TABLES
from verifiers.base import Scores
from verifiers.spec import parse_verifier

pytestmark = pytest.mark.usefixtures("toys")

CASCADE = "cascade:cheap=toy-judge,expensive=toy-other,keep=2"


def run(folder: Path, budgets: tuple[float, ...], verifiers: tuple[str, ...], interrupted: bool = False) -> dict[str, pd.DataFrame]:
    settings = Settings(
        models=("toy-ar",), searches=("random", "beam:width=2"), verifiers=verifiers, metrics=(), budgets=budgets, prompts=4,
    )  # fmt: skip
    if interrupted:
        half = prepare_run(settings, folder)
        half.units = half.units[::2]
        finish_run(half, Console(quiet=True))
    finish_run(prepare_run(settings, folder), Console(quiet=True))
    found = {name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLES}
    return {name: table.drop(columns=[column for column in MEASURED if column in table]) for name, table in found.items()}


def test_every_budget_of_a_cascade_is_a_pool_of_its_own(tmp_path: Path) -> None:
    found = run(tmp_path / "both", (24, 48), ("toy-judge", CASCADE))["selections"]
    units = found.groupby(["search", "verifier"])["unit"].nunique()
    assert units["random", "toy-judge"] == 1
    assert units["random", CASCADE] == units["beam:width=2", CASCADE] == 2
    assert (found["nfe"] <= found["budget"]).all()
    for budget in (24, 48):
        alone = run(tmp_path / str(budget), (budget,), (CASCADE,))["selections"]
        same = found[(found["verifier"] == CASCADE) & (found["budget"] == budget)].reset_index(drop=True)
        pd.testing.assert_frame_equal(same.drop(columns="unit"), alone.drop(columns="unit"))


def test_a_stopped_run_ends_in_the_same_tables(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", (24, 48), ("toy-judge", CASCADE))
    resumed = run(tmp_path / "resumed", (24, 48), ("toy-judge", CASCADE), interrupted=True)
    for name, table in whole.items():
        pd.testing.assert_frame_equal(table, resumed[name])


def test_both_stages_are_metrics_of_what_is_returned(tmp_path: Path) -> None:
    tables = run(tmp_path, (48,), (CASCADE,))
    scores = tables["scores"]
    assert {"toy-judge", "toy-other"} <= set(scores["metric"])
    measured = scores[scores["metric"].isin(["toy-judge", "toy-other"])]
    assert np.isfinite(measured["value"]).all()
    final = tables["selections"].set_index(["search", "prompt_id"])["score"]
    expensive = scores[scores["metric"] == "toy-other"].set_index(["search", "prompt_id"])["value"]
    pd.testing.assert_series_equal(final.sort_index(), expensive.sort_index(), check_names=False)


def test_a_place_below_what_the_dear_stage_judged_is_marked(tmp_path: Path) -> None:
    candidates = run(tmp_path, (48,), ("toy-judge", CASCADE))["candidates"]
    assert (candidates.loc[candidates["verifier"] == "toy-judge", "reason"] == "").all()
    pool = candidates[(candidates["verifier"] == CASCADE) & (candidates["search"] == "random")]
    for _, of_prompt in pool.groupby("prompt_id"):
        best = of_prompt.sort_values("score", ascending=False)
        assert list(best["reason"]) == ["", "", *[CHEAP_ONLY] * (len(best) - 2)]
        assert best["score"].diff().iloc[3:].isin([0, -1]).all()


def test_a_metric_that_is_lost_has_its_own_stages_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cheap stage sees nothing, the expensive one everything."""
    score = toy_world.ToyVerifier.score

    def scored(self: toy_world.ToyVerifier, images: torch.Tensor, prompts: list[str]) -> Scores:
        found = score(self, images, prompts)
        blind = self.card.name == "toy-judge"
        return Scores(np.full_like(found.values_NM, np.nan), ("no face",) * len(prompts)) if blind else found

    monkeypatch.setattr(toy_world.ToyVerifier, "score", scored)
    tables = run(tmp_path, (48,), (CASCADE.replace("keep=2", "keep=all"),))
    reasons = tables["scores"].groupby("metric")["reason"].unique().map(list)
    assert reasons["toy-judge"] == ["no face"]
    assert reasons["toy-other"] == [""]
    assert (tables["candidates"]["reason"] == "").all()
    assert np.isfinite(tables["candidates"]["score"]).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cascade", "has no cheap and no expensive and no keep: write cascade:cheap=NAME,expensive=NAME,keep=N"),
        ("cascade:cheap=toy-judge,expensive=toy-other", "has no keep"),
        ("cascade:cheap=toy-judge,expensive=toy-other,keep=0", "keep=0 is not a number of candidates"),
        ("cascade:cheap=toy-judge,expensive=toy-other,keep=half", "keep=half is not a number of candidates"),
        ("cascade:cheap=toy-judge,expensive=toy-judge,keep=1", "is no cascade of two: name two different verifiers"),
        ("cascade:cheap=toy-judge,expensive=cascade,keep=1", "'cascade' has no cheap"),
        ("cascade:cheap=toy-judge,expnsive=toy-other,keep=1", "unknown parameter 'expnsive', did you mean expensive"),
        ("cascade:cheap=toy-judge,expensive=aesthetic,keep=1", "mixes shapes and photo"),
        ("cascade:cheap=toy-jugde,expensive=toy-other,keep=1", "did you mean toy-judge"),
    ],
)
def test_what_is_no_cascade_is_refused(text: str, message: str) -> None:
    with pytest.raises(WrongInput, match=message):
        parse_verifier(text)


def test_a_cascade_can_end_in_an_ensemble() -> None:
    loaded = parse_verifier("cascade:cheap=toy-judge,expensive=toy-pair,keep=all").load()
    assert loaded.card.parts == ("toy-judge", "toy-judge", "toy-other")
    assert loaded.card.domain == "shapes"
