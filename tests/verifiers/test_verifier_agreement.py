"""AUROC tables from judged images, and from a run's table of candidates."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from verifiers.agreement import agreement
from verifiers.evaluate import from_run


def judged() -> pd.DataFrame:
    rows = [
        ("m", "v", "colors", "1", 0.1, 0.0),
        ("m", "v", "colors", "1", 0.2, 1.0),
        ("m", "v", "colors", "2", 0.8, 0.0),
        ("m", "v", "colors", "2", 0.9, 1.0),
        ("m", "v", "counting", "3", 0.5, 1.0),
        ("m", "v", "counting", "3", 0.6, 0.0),
        ("m", "v", "counting", "3", np.nan, 1.0),
        ("m", "v", "counting", "3", 0.7, np.nan),
    ]
    table = pd.DataFrame(rows, columns=["model", "verifier", "task", "prompt_id", "score", "truth"])
    return table.assign(seed=0, search="random", budget=4.0)


def test_one_row_per_task_and_one_over_all() -> None:
    table = agreement(judged()).set_index("task")
    assert list(table.index) == ["colors", "counting", "all"]
    assert table["auroc"].to_dict() == pytest.approx({"colors": 0.75, "counting": 0.0, "all": 5 / 9})
    assert table["auroc_within"].to_dict() == pytest.approx({"colors": 1.0, "counting": 0.0, "all": 2 / 3})
    assert table["images"].to_dict() == {"colors": 4, "counting": 2, "all": 6}
    assert table["right"].to_dict() == pytest.approx({"colors": 0.5, "counting": 0.5, "all": 0.5})


def test_a_missing_column_is_named() -> None:
    with pytest.raises(ValueError, match="lacks truth"):
        agreement(judged().drop(columns="truth"))


def test_only_finished_candidates_of_a_run_count(tmp_path: Path) -> None:
    table = judged().assign(complete=[True] * 6 + [False] * 2)
    table.to_parquet(tmp_path / "candidates.parquet")
    assert len(from_run(tmp_path)) == 6
    with pytest.raises(ValueError, match="finished run"):
        from_run(tmp_path / "other")
