"""The command `vistas`: its commands, in the order of `--help`. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import typer

from harness.commands.exits import end_at_sigterm
from harness.commands.folders import export, score
from harness.commands.models import bench_model, doctor, fetch, list_
from harness.commands.run import ablate, plan, report, run

COMMANDS: Mapping[str, Callable[..., None]] = {
    "run": run, "plan": plan, "ablate": ablate, "report": report,
    "fetch": fetch, "doctor": doctor, "bench-model": bench_model, "list": list_,
    "score": score, "export": export,
}  # fmt: skip

app = typer.Typer(
    name="vistas",
    help="Compare inference-time search on autoregressive and diffusion image generators under one compute ledger.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for _name, _command in COMMANDS.items():
    app.command(_name)(_command)


def main() -> None:
    """Entry point of the command."""
    end_at_sigterm()
    app(prog_name="vistas")
