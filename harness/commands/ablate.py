"""The command that runs an ablation and writes its table."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.commands import finishing
from harness.commands.early_checks import check_settings
from harness.commands.exits import reported
from harness.commands.options import Assignments, Debug, Out, Prompts, SeedList
from harness.errors import WrongInput
from results.files import check_run_folder, check_writable


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
        fingerprint = "" if plan_only else finishing.fingerprint(settings)
        prepared = None if finishing.is_finished(folder, fingerprint) else finishing.prepared(settings, folder, calibrate)
        if plan_only and prepared is not None:
            from harness.forecast.text_and_json import plan_lines

            for line in plan_lines(prepared):
                typer.echo(line)
            return
    with reported(debug, None if prepared is None else prepared.store):
        if prepared is not None:
            finishing.finish(prepared, fingerprint)
        from reports.ablation import write_ablation

        typer.echo(write_ablation(asked, folder, folder / "report").markdown())
