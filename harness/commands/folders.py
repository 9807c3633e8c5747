"""The commands on folders of images: score and export."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harness.commands.exits import reported, say
from harness.commands.options import Debug, PromptsFrom, Weights


class DomainName(StrEnum):
    """What the pictures are."""

    PHOTO = "photo"
    SHAPES = "shapes"


class LayoutName(StrEnum):
    """Folder forms."""

    GENEVAL = "geneval"
    T2I_COMPBENCH = "t2i-compbench"
    FLAT = "flat"


_SCORED = Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of images.")]
_RUN = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")]
_LAYOUT = Annotated[
    LayoutName | None,
    typer.Option("--layout", help="Form of the folder; without it flat where it has a prompts.csv, .tsv or .jsonl, else the suite's own."),
]
_DOMAIN = Annotated[DomainName | None, typer.Option(help="What the pictures are; without it, what their prompts say.")]
_OUT = Annotated[Path | None, typer.Option("--out", help="Folder of the tables; FOLDER-scores without it.")]
_EXPORT_OUT = Annotated[Path | None, typer.Option("--out", help="Folder to write; export-LAYOUT in the run without it.")]
_ScoredBy = Annotated[
    list[str] | None, typer.Option("--verifier", metavar="NAME", help="Score by it as well; repeat for several.")
]
_OnlyModels = Annotated[list[str] | None, typer.Option("--model", metavar="NAME", help="Only this model; repeat for several.")]
_OnlySearches = Annotated[list[str] | None, typer.Option("--search", metavar="NAME", help="Only this search; repeat for several.")]
_OnlyVerifiers = Annotated[
    list[str] | None, typer.Option("--verifier", metavar="NAME", help="Only this verifier; repeat for several.")
]
_OnlyBudgets = Annotated[list[float] | None, typer.Option("--budget", metavar="N", help="Only this budget; repeat for several.")]


def score(
    folder: _SCORED,
    suite: Annotated[
        str | None, typer.Option(help="Whose prompts and rules; without it geneval, or file where the folder lists prompts of its own.")
    ] = None,
    domain: _DOMAIN = None,
    verifier: _ScoredBy = None,
    layout: _LAYOUT = None,
    out: _OUT = None,
    prompts_from: PromptsFrom = None,
    weights: Weights = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda …")] = "auto",
    debug: Debug = False,
) -> None:
    """Grade a folder of images, whoever made it: in a benchmark's own layout, or beside a list of files and prompts."""
    with reported(debug):
        from harness.commands.early_checks import check_scored

        check_scored(folder, suite, verifier or (), device)
        from harness.score.folder import score_folder

        lines = score_folder(
            folder, suite, domain.value if domain else None, out, layout.value if layout else None, verifier or (),
            str(prompts_from) if prompts_from else None, device, weights or (), say,
        )  # fmt: skip
        for line in lines:
            typer.echo(line)


def export(
    run: _RUN,
    layout: Annotated[LayoutName, typer.Option("--layout", help="Form of the folder.")] = LayoutName.GENEVAL,
    out: _EXPORT_OUT = None,
    model: _OnlyModels = None,
    search: _OnlySearches = None,
    verifier: _OnlyVerifiers = None,
    budget: _OnlyBudgets = None,
    debug: Debug = False,
) -> None:
    """Write the images a run has selected in the layout of a benchmark's own evaluator."""
    with reported(debug):
        from harness.export import export_run

        only = {"model": model or (), "search": search or (), "verifier": verifier or (), "budget": budget or ()}
        for line in export_run(run, layout.value, out, only):
            typer.echo(line)
