"""Folders of images on the command line: what tests of `vistas score` share."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from command_line import call

RUN = ["--model", "toy-painter", "--search", "random", "--verifier", "toy-judge", "--set", "metrics=[]"]


def score(folder: Path, *more: object) -> tuple[pd.DataFrame, str]:
    """The table of a scored folder of the shapes world, and what was said."""
    result = call("score", folder, "--domain", "shapes", *more)
    assert result.exit_code == 0, result.output
    return pd.read_parquet(folder.with_name(f"{folder.name}-scores") / "scores.parquet"), result.stdout
