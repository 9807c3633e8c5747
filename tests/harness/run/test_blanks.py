"""Pictures that are no numbers: one is an unscored candidate, and a model that draws nothing else is stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from toy_runs import run
from toy_world import ToyGenerator

from harness.compute.drawn import HOPELESS, Drawn
from harness.errors import RunFailed
from models.blank import NO_NUMBERS, are_blank, blank
from models.pixels import floored
from reports.load import read_runs
from reports.notes import notes
from reports.summary import summarise

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


def test_one_picture_is_enough_to_go_on() -> None:
    drawn = Drawn()
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
