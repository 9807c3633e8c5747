"""The toy models and verifiers for tests of what surrounds models, and one run of theirs from its start to its tables."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import toy_runs
import toy_world


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are registered for one test."""
    toy_world.use_toys(monkeypatch)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, pd.DataFrame]]:
    """Folder and tables of the run; both are not to be changed."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    with pytest.MonkeyPatch.context() as monkeypatch:
        toy_world.use_toys(monkeypatch)
        return folder, toy_runs.run(folder)
