"""The command `vistas`, run in the process of a test."""

from __future__ import annotations

from typer.testing import CliRunner, Result

from harness.cli import app


def call(*arguments: object, columns: str = "") -> Result:
    """What the command with these arguments says, on a terminal of so many columns, and its exit code."""
    return CliRunner().invoke(app, [str(one) for one in arguments], prog_name="vistas", env={"COLUMNS": columns} if columns else None)
