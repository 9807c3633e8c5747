"""The command `vistas`: its commands, in the order of `--help`. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import typer

from harness.commands.ablate import ablate
from harness.commands.exits import end_at_sigterm
from harness.commands.folders import export, score
from harness.commands.models import bench_model, doctor, fetch, list_
from harness.commands.run import plan, report, run

COMMANDS: Mapping[str, tuple[Callable[..., None], str]] = {
    "run": (run, "Run searches on a suite and build the report."),
    "plan": (plan, "Say what a run would do and cost."),
    "ablate": (ablate, "Run an ablation on the embedded pair."),
    "report": (report, "Build the report of one or more runs."),
    "fetch": (fetch, "Download published weights and check them."),
    "doctor": (doctor, "Show what fits on this machine."),
    "bench-model": (bench_model, "Measure a model's speed and memory."),
    "list": (list_, "List models, searches, suites and more."),
    "score": (score, "Grade a folder of images, whoever made it."),
    "export": (export, "Write a run's images for other evaluators."),
}
"""Each with its line in `vistas --help`, short enough not to be cut on a terminal of 80 columns."""

app = typer.Typer(
    name="vistas",
    help="Compare inference-time search on autoregressive and diffusion image generators under one compute ledger.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for _name, (_command, _line) in COMMANDS.items():
    app.command(_name, short_help=_line)(_command)


def main() -> None:
    """Entry point of the command."""
    end_at_sigterm()
    app(prog_name="vistas")
