"""Of all metrics, a run that is gone on with keeps those that it was begun with, whatever weights have come since."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from toy_runs import BASE, before_each, run, tables

from harness.config import Settings
from harness.errors import WrongInput
from harness.run.prepared import Run, prepare_run
from harness.run.runner import finish_run

pytestmark = pytest.mark.usefixtures("toys")
ASKED: dict[str, Any] = {**BASE, "models": ("toy-ar",), "searches": ("random",), "budgets": (6,), "metrics": ("all",)}


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """These verifiers have weights here, and no other."""
    return lambda *names: monkeypatch.setattr("harness.run.pairing.found", lambda name, *_: name in names)


def prepared(folder: Path, **changes: Any) -> Run:
    return prepare_run(Settings(**{**ASKED, **changes}), folder)


def finish_untouched(ready: Run) -> None:
    with before_each(lambda unit: pytest.fail(f"made again: {unit.title}")):
        finish_run(ready, Console(quiet=True))


def test_weights_that_come_later_do_not_make_another_run_of_it(fetched: Callable[..., None], tmp_path: Path) -> None:
    fetched("toy-judge")
    run(tmp_path, **ASKED)
    fetched("toy-judge", "toy-other")
    ready = prepared(tmp_path)
    said = f"not measured, as the run in {tmp_path} has no scores by them: toy-other; the same command with --reuse {tmp_path} and "
    assert said in "\n".join(ready.notes)
    finish_untouched(ready)
    with pytest.raises(WrongInput, match="holds a different run"):
        finish_run(prepared(tmp_path, metrics=("toy-other",)), Console(quiet=True))


def test_in_another_folder_they_measure_the_pictures_that_are_there(fetched: Callable[..., None], tmp_path: Path) -> None:
    fetched("toy-judge")
    run(tmp_path / "small", **ASKED)
    fetched("toy-other")
    finish_untouched(larger := prepared(tmp_path / "large", reuse=(str(tmp_path / "small"),)))
    assert larger.session.evaluator.metrics == ("toy-judge", "toy-other", "grade"), "what it had, and what has come"
    assert set(tables(tmp_path / "large")["scores"]["metric"]) == {"toy-judge", "toy-other", "grade"}


def test_weights_that_have_gone_since_are_asked_for_by_name(fetched: Callable[..., None], tmp_path: Path) -> None:
    fetched("toy-judge", "toy-other")
    run(tmp_path, **ASKED)
    fetched("toy-judge")
    assert prepared(tmp_path).session.evaluator.metrics == ("toy-judge", "toy-other", "grade")


def test_a_run_of_named_metrics_says_nothing_of_what_all_are(fetched: Callable[..., None], tmp_path: Path) -> None:
    fetched("toy-judge", "toy-other")
    run(tmp_path / "small", **{**ASKED, "metrics": ()})
    ready = prepared(tmp_path / "large", reuse=(str(tmp_path / "small"),))
    assert not any("no scores by them" in note for note in ready.notes)
    finish_untouched(ready)
