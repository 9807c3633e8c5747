"""A run from its settings to its report: what `run` and `ablate` have in common."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from harness.commands.exits import say
from harness.compute.amounts import counted
from harness.config import Settings
from harness.errors import WrongInput
from harness.run.shard import Shard

if TYPE_CHECKING:
    from harness.bench.speed_files import SpeedFiles
    from harness.run.prepared import Run


def fingerprint(settings: Settings) -> str:
    """What tells this run from others, as a finished one notes it."""
    from harness.run import finished

    return finished.fingerprint(settings)


def is_finished(folder: Path, fingerprint: str) -> bool:
    """Whether the run in a folder has been finished under the same fingerprint; says so, and sees to its report."""
    from harness.run.finished import finished_units

    units = finished_units(folder, fingerprint)
    if units:
        say(f"{units} of {counted(units, 'unit')} {'is' if units == 1 else 'are'} there in {folder}: nothing has to be loaded")
        see_to_report(folder)
    return units > 0


def see_to_report(folder: Path) -> None:
    """Draw the report of a finished run unless it is up to date."""
    from reports.up_to_date import up_to_date

    page = up_to_date([folder], folder / "report")
    if page is None:
        say("building the report")
        build_report([folder], folder / "report")
    else:
        typer.echo(f"report: {page} (drawn already, of these tables and by this source)")


def prepared(
    settings: Settings, out: Path | None, measured: bool = False, outlines: bool = False, speeds: SpeedFiles | None = None,
    shared: bool = False,
) -> Run:
    """The run, loaded, which takes seconds; what can be told at once has been."""
    say(f"loading libraries for {', '.join(settings.models)}")
    from harness.run.prepared import prepare_run

    return prepare_run(settings, out, measured, say, outlines, speeds, shared)


def finish(prepared: Run, fingerprint: str, profile: bool = False, shard: Shard | None = None) -> None:
    """Run what is missing, then the report (of several shards the last one makes it); `fingerprint` is the run's."""
    from rich.console import Console

    from harness.run import runner
    from harness.run.finished import mark_finished
    from harness.run.prepared import opening_lines
    from harness.run.setbacks import UnitsFailed
    from harness.run.timing import REPORT

    console = Console(stderr=True, soft_wrap=True)
    for line in opening_lines(prepared):
        console.print(line, highlight=False, markup=False)
    folder = prepared.store.folder
    unfinished = ""
    try:
        if shard is None:
            runner.finish_run(prepared, console)
        else:
            unfinished = runner.finish_shard(prepared, shard, console)
    except UnitsFailed as error:
        if error.alone:
            _report_what_is_there(folder)
        raise
    if unfinished:
        typer.echo(unfinished)
    else:
        mark_finished(folder, fingerprint)
        with prepared.watch.section(REPORT):
            see_to_report(folder)
    if profile:
        for line in runner.write_profile(prepared):
            console.print(line, highlight=False, markup=False)


def _report_what_is_there(folder: Path) -> None:
    """A report of the units that are finished, or why there is none: a run that failed has yet to say of what."""
    try:
        build_report([folder], folder / "report")
    except WrongInput as error:
        say(f"no report: {error}")


def build_report(folders: list[Path], out: Path) -> None:
    """Build the report of these folders, and say where it is."""
    from reports import build

    typer.echo(f"report: {build.build_report(folders, out)}")
