"""One run of the toy models from its start to its tables, for all tests that read it or compare with it."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import toy_runs
import toy_world


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, pd.DataFrame]]:
    """Its folder and its tables; both are not to be changed."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    with pytest.MonkeyPatch.context() as monkeypatch:
        toy_world.use_toys(monkeypatch)
        return folder, toy_runs.run(folder)
