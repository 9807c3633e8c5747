"""The command `vistas`, run in the process of a test."""

from __future__ import annotations

from functools import cache

import typer.testing
from typer.main import get_command
from typer.testing import CliRunner, Result

from harness.cli import app

# All subcommands with their options are worked out once, not for every call: most of a short one's time.
typer.testing._get_command = cache(get_command)  # type: ignore[attr-defined]


def call(*arguments: object, columns: str = "") -> Result:
    """What the command with these arguments says, on a terminal of so many columns, and its exit code."""
    return CliRunner().invoke(app, [str(one) for one in arguments], prog_name="vistas", env={"COLUMNS": columns} if columns else None)
