"""The commands that search: run, plan, ablate, and the report of what was run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.commands.asked import Asked, asking
from harness.commands.early_checks import check_each_once, check_settings, check_shard
from harness.commands.exits import reported, say
from harness.commands.options import Assignments, Debug, OneShard, Out, Prompts, SeedList
from harness.compute.amounts import counted
from harness.compute.ledger import Unit
from harness.config import Settings, run_folder
from harness.errors import WrongInput
from harness.forecast.gpu_hours import check_hours, speeds_of
from harness.run.shard import Shard
from results.files import check_run_folder, check_writable

if TYPE_CHECKING:
    from harness.run.prepared import Run


@asking
def run(
    asked: Asked,
    profile: Annotated[bool, typer.Option("--profile", help="Show where the time went; write profile.json.")] = False,
    shard: OneShard = None,
    debug: Debug = False,
) -> None:
    """Run searches on a suite and build the report. The same command again finishes what is missing."""
    with reported(debug, before=True):
        settings = asked.settings()
        part = Shard.parse(shard) if shard is not None else None
        check_shard(part, asked.out)
        folder = run_folder(settings, asked.out)
        check_writable(folder)
        check_run_folder(folder)
        check_settings(settings)
        fingerprint = _fingerprint(settings)
        if not profile and _is_finished(folder, fingerprint):
            return
        prepared = _prepared(settings, asked.out, shared=part is not None)
    with reported(debug, prepared.store):
        _finish(prepared, fingerprint, profile, part)


@asking
def plan(
    asked: Asked,
    shard: OneShard = None,
    calibrate: Annotated[bool, typer.Option("--calibrate", help="Measure every operation, to estimate time.")] = False,
    tflops: Annotated[
        list[str] | None,
        typer.Option(metavar="[NAME=]N", help="TFLOP/s that a card really does (bench-model): say GPU-hours. Repeat for several models."),
    ] = None,
    speeds: Annotated[
        list[Path] | None,
        typer.Option("--speeds", metavar="FILE", help="What bench-model --csv has measured on a card: say hours. Repeat for several."),
    ] = None,
    hours: Annotated[
        float | None, typer.Option("--hours", metavar="N", help="Hours of a card that you have: say how many prompts they pay for.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    debug: Debug = False,
) -> None:
    """Say what `run` with the same options would do and cost; nothing is run and nothing written."""
    with reported(debug):
        settings = asked.settings()
        part = Shard.parse(shard) if shard is not None else None
        check_settings(settings)
        if calibrate and speeds:
            raise WrongInput("--calibrate measures here and --speeds takes what was measured elsewhere: give one of them")
        rough = speeds_of(tflops or (), settings.models)
        check_hours(hours, bool(calibrate or speeds or rough or settings.unit is Unit.SECONDS))
        prepared = _prepared(settings, asked.out, calibrate, outlines=True, speeds=speeds or ())
        from harness.forecast.text_and_json import plan_json, plan_lines

        for line in [plan_json(prepared, rough, part, hours)] if as_json else plan_lines(prepared, rough, part, hours):
            typer.echo(line)


def ablate(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Without it, the ablations are listed.")] = None,
    prompts: Prompts = None,
    seed: SeedList = None,
    out: Out = None,
    set_: Assignments = None,
    plan_only: Annotated[bool, typer.Option("--plan", help="Say what it would do and cost; run nothing.")] = False,
    calibrate: Annotated[bool, typer.Option("--calibrate", help="With --plan: measure every operation, to estimate time.")] = False,
    debug: Debug = False,
) -> None:
    """Run one of the ablations on the embedded pair and write its table. The same command again goes on with it."""
    with reported(debug, before=not plan_only):
        from harness.ablation import ablation, ablations

        if calibrate and not plan_only:
            raise WrongInput("--calibrate estimates time for --plan: give both, or neither")
        if name is None:
            width = max(map(len, ablations()))
            for one in ablations().values():
                typer.echo(f"{one.name:<{width}}  {one.question}")
            return
        asked = ablation(name)
        settings = asked.settings(set_ or (), {"prompts": prompts, "seeds": seed})
        folder = out if out is not None else asked.folder(settings)
        if not plan_only:
            check_writable(folder)
            check_run_folder(folder)
        check_settings(settings)
        fingerprint = "" if plan_only else _fingerprint(settings)
        prepared = None if _is_finished(folder, fingerprint) else _prepared(settings, folder, calibrate)
        if plan_only and prepared is not None:
            from harness.forecast.text_and_json import plan_lines

            for line in plan_lines(prepared):
                typer.echo(line)
            return
    with reported(debug, None if prepared is None else prepared.store):
        if prepared is not None:
            _finish(prepared, fingerprint)
        from reports.ablation import write_ablation

        typer.echo(write_ablation(asked, folder, folder / "report").markdown())


def report(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR", help="Folders of runs; of one that is not finished, what is there.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the report; the DIR's own without it, required for several.")] = None,
    debug: Debug = False,
) -> None:
    """Build the report of one or more runs."""
    with reported(debug):
        if out is None and len(folders) > 1:
            raise WrongInput(f"a report of {len(folders)} runs belongs to none of their folders: say where with --out")
        check_each_once(folders)
        place = out if out is not None else folders[0] / "report"
        if out is not None or folders[0].is_dir():
            check_writable(place)
        _build_report(folders, place)


def _fingerprint(settings: Settings) -> str:
    from harness.run.finished import fingerprint

    return fingerprint(settings)


def _is_finished(folder: Path, fingerprint: str) -> bool:
    """Whether the run in a folder has been finished under the same fingerprint; says so, and sees to its report."""
    from harness.run.finished import finished_units

    units = finished_units(folder, fingerprint)
    if units:
        say(f"{units} of {counted(units, 'unit')} {'is' if units == 1 else 'are'} there in {folder}: nothing has to be loaded")
        _see_to_report(folder)
    return units > 0


def _see_to_report(folder: Path) -> None:
    """Draw the report of a finished run unless it is up to date."""
    from reports.up_to_date import up_to_date

    page = up_to_date([folder], folder / "report")
    if page is None:
        say("building the report")
        _build_report([folder], folder / "report")
    else:
        typer.echo(f"report: {page} (drawn already, of these tables and by this source)")


def _prepared(
    settings: Settings, out: Path | None, measured: bool = False, outlines: bool = False, speeds: Sequence[Path] = (), shared: bool = False
) -> Run:
    """The run, loaded, which takes seconds; what can be told at once has been."""
    say(f"loading libraries for {', '.join(settings.models)}")
    from harness.bench.speed_files import SpeedFiles
    from harness.run.prepared import prepare_run

    files = SpeedFiles.read(speeds, settings.models, settings.offload) if speeds else None
    return prepare_run(settings, out, measured, say, outlines, files, shared)


def _finish(prepared: Run, fingerprint: str, profile: bool = False, shard: Shard | None = None) -> None:
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
            _see_to_report(folder)
    if profile:
        for line in runner.write_profile(prepared):
            console.print(line, highlight=False, markup=False)


def _report_what_is_there(folder: Path) -> None:
    """A report of the units that are finished, or why there is none: a run that failed has yet to say of what."""
    try:
        _build_report([folder], folder / "report")
    except WrongInput as error:
        say(f"no report: {error}")


def _build_report(folders: list[Path], out: Path) -> None:
    from reports.build import build_report

    typer.echo(f"report: {build_report(folders, out)}")
