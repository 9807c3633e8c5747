"""The commands that search: run, plan, and the report of what was run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.commands import finishing
from harness.commands.asked import Asked, asking
from harness.commands.early_checks import check_each_once, check_settings, check_shard
from harness.commands.exits import reported
from harness.commands.options import Debug, OneShard
from harness.compute.ledger import Unit
from harness.errors import WrongInput
from harness.forecast.gpu_hours import check_hours, speeds_of
from harness.run.shard import Shard
from harness.run_folder import run_folder
from results.files import MANIFEST, check_run_folder, check_writable


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
        check_settings(settings, folder)
        fingerprint = finishing.fingerprint(settings)
        if not profile and finishing.is_finished(folder, fingerprint):
            return
        prepared = finishing.prepared(settings, asked.out, shared=part is not None)
    with reported(debug, prepared.store):
        finishing.finish(prepared, fingerprint, profile, part)


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
        check_settings(settings, run_folder(settings, asked.out))
        if calibrate and speeds:
            raise WrongInput("--calibrate measures here and --speeds takes what was measured elsewhere: give one of them")
        rough = speeds_of(tflops or (), settings.models)
        check_hours(hours, bool(calibrate or speeds or rough or settings.unit is Unit.SECONDS))
        from harness.bench.speed_files import SpeedFiles

        files = SpeedFiles.read(speeds, settings.models, settings.offload) if speeds else None
        prepared = finishing.prepared(settings, asked.out, calibrate, outlines=True, speeds=files)
        from harness.forecast.text_and_json import plan_json, plan_lines

        for line in [plan_json(prepared, rough, part, hours)] if as_json else plan_lines(prepared, rough, part, hours):
            typer.echo(line)


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
        if (place / MANIFEST).is_file():
            raise WrongInput(f"--out {place} is the folder of a run: give a folder for the report, such as {place / 'report'}")
        if out is not None or folders[0].is_dir():
            check_writable(place)
        finishing.build_report(folders, place)
