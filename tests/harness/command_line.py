"""The command `vistas`, run in the process of a test."""

from __future__ import annotations

from typer.testing import CliRunner, Result

from harness.cli import app


def call(*arguments: object) -> Result:
    """What the command with these arguments says, and its exit code."""
    return CliRunner().invoke(app, [str(one) for one in arguments], prog_name="vistas")
