"""The command `vistas`: run, report, list. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from harness.config import load_settings, run_folder
from harness.errors import WrongInput, unknown
from harness.folder_commands import add as add_folder_commands
from harness.options import (
    Assignments,
    Budgets,
    Config,
    Debug,
    Models,
    Out,
    Prompts,
    PromptsFrom,
    Searches,
    SeedList,
    Suite,
    SuiteFile,
    UnitName,
    Verifiers,
    Weights,
)
from harness.registry import entries
from harness.shard import Shard
from harness.suites import suite_flags
from results.files import FULL, check_writable

if TYPE_CHECKING:
    from results.store import Store

WRONG_INPUT, FAILED, INTERRUPTED = 2, 1, 130

app = typer.Typer(
    name="vistas",
    help="Compare inference-time search on autoregressive and diffusion image generators under one compute ledger.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


class Kind(StrEnum):
    """What can be listed."""

    MODELS = "models"
    SEARCHES = "searches"
    VERIFIERS = "verifiers"
    SUITES = "suites"
    GRADERS = "graders"
    FEATURES = "features"


_SINGULAR = {Kind.MODELS: "model", Kind.SEARCHES: "search", Kind.VERIFIERS: "verifier", Kind.SUITES: "suite",
             Kind.GRADERS: "grader", Kind.FEATURES: "features"}  # fmt: skip

PUBLISHED = "published"
"""What `list` prints as a table: numbers printed in papers."""


@app.command()
def run(
    suite: Suite = None,
    model: Models = None,
    search: Searches = None,
    verifier: Verifiers = None,
    budget: Budgets = None,
    unit: UnitName = None,
    prompts: Prompts = None,
    seed: SeedList = None,
    out: Out = None,
    config: Config = None,
    set_: Assignments = None,
    weights: Weights = None,
    suite_file: SuiteFile = None,
    prompts_from: PromptsFrom = None,
    profile: Annotated[bool, typer.Option("--profile", help="Show where the time went; write profile.json.")] = False,
    shard: Annotated[
        str | None, typer.Option(metavar="K/N", help="Run every N-th unit from K = 0 on; others run the rest into the same folder.")
    ] = None,
    debug: Debug = False,
) -> None:
    """Run searches on a suite and build the report. The same command again finishes what is missing."""
    with _reported(debug):
        flags = {
            **suite_flags(suite, suite_file, prompts_from), "models": model, "searches": search, "verifiers": verifier,
            "budgets": _numbers(budget), "unit": unit, "prompts": prompts, "seeds": seed,
            "weights": weights,
        }  # fmt: skip
        settings = load_settings(config, set_ or (), flags)
        part = Shard.parse(shard) if shard is not None else None
        check_writable(run_folder(settings, out))
        from harness import runner

        prepared = runner.prepare_run(settings, out, say=_say)
    with _reported(debug, prepared.store):
        _finish(prepared, profile, part)


@app.command()
def plan(
    suite: Suite = None,
    model: Models = None,
    search: Searches = None,
    verifier: Verifiers = None,
    budget: Budgets = None,
    unit: UnitName = None,
    prompts: Prompts = None,
    seed: SeedList = None,
    out: Out = None,
    config: Config = None,
    set_: Assignments = None,
    weights: Weights = None,
    suite_file: SuiteFile = None,
    prompts_from: PromptsFrom = None,
    calibrate: Annotated[bool, typer.Option("--calibrate", help="Measure every operation, to estimate time.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    debug: Debug = False,
) -> None:
    """Say what `run` with the same options would do and cost; nothing is run and nothing written."""
    with _reported(debug):
        flags = {
            **suite_flags(suite, suite_file, prompts_from), "models": model, "searches": search, "verifiers": verifier,
            "budgets": _numbers(budget), "unit": unit, "prompts": prompts, "seeds": seed,
            "weights": weights,
        }  # fmt: skip
        settings = load_settings(config, set_ or (), flags)
        from harness.forecast_lines import plan_json, plan_lines
        from harness.runner import prepare_run

        prepared = prepare_run(settings, out, measured=calibrate, say=_say)
        for line in [plan_json(prepared)] if as_json else plan_lines(prepared):
            typer.echo(line)


@app.command()
def ablate(
    name: Annotated[str | None, typer.Argument(help="Without it, the ablations are listed.")] = None,
    prompts: Prompts = None,
    seed: SeedList = None,
    out: Out = None,
    set_: Assignments = None,
    plan_only: Annotated[bool, typer.Option("--plan", help="Say what it would do and cost; run nothing.")] = False,
    calibrate: Annotated[bool, typer.Option("--calibrate", help="With --plan: measure every operation, to estimate time.")] = False,
    debug: Debug = False,
) -> None:
    """Run one of the ablations on the embedded pair and write its table. The same command again goes on with it."""
    with _reported(debug):
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
        from harness import runner

        prepared = runner.prepare_run(settings, folder, measured=calibrate, say=_say)
        if plan_only:
            from harness.forecast_lines import plan_lines

            for line in plan_lines(prepared):
                typer.echo(line)
            return
    with _reported(debug, prepared.store):
        folder = _finish(prepared)
        from reports.ablation import write_ablation

        typer.echo(write_ablation(asked, folder, folder / "report").markdown())


@app.command()
def report(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR…", help="Folders of finished runs.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the report; the DIR's own without it, required for several.")] = None,
    debug: Debug = False,
) -> None:
    """Build the report of one or more runs."""
    with _reported(debug):
        if out is None and len(folders) > 1:
            raise WrongInput(f"a report of {len(folders)} runs belongs to none of their folders: say where with --out")
        if out is not None:
            check_writable(out)
        _build_report(folders, out if out is not None else folders[0] / "report")


@app.command()
def fetch(
    names: Annotated[list[str], typer.Argument(metavar="NAME…", help="Models, verifiers or graders with published weights.")],
    check: Annotated[bool, typer.Option("--check", help="Download nothing: read what is here whole, and compare its hashes.")] = False,
    weights: Weights = None,
    debug: Debug = False,
) -> None:
    """Download published weights into the hub's cache and check them."""
    with _reported(debug):
        from harness.fetching import check_all, fetch_all
        from harness.weights import LocalWeights

        for line in check_all(names, LocalWeights.parse(weights or ())) if check else fetch_all(names):
            typer.echo(line)


@app.command()
def doctor(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME[:KEY=VALUE,…]…]", help="Published models; all without.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:0,cuda:1 …")] = "auto",
    memory: Annotated[str | None, typer.Option(metavar="GB[,GB…]", help="Plan for this much free memory instead, of each device.")] = None,
    weights: Weights = None,
    debug: Debug = False,
) -> None:
    """Show this machine, what each published model needs of it, and the largest batch that fits."""
    with _reported(debug):
        from harness.doctor import show

        show(names or (), device, memory, weights or ())


@app.command("bench-model")
def bench_model(
    name: Annotated[str, typer.Argument(metavar="NAME[:KEY=VALUE,…]", help="A published model.")],
    random_weights: Annotated[
        bool, typer.Option("--random-weights", help="Build it at its published size with random weights; the only way yet.")
    ] = False,
    batch: Annotated[str, typer.Option(metavar="1,2,4,…", help="Rows of one batch; stops where memory runs out.")] = "1,2,4",
    prompts: Annotated[int, typer.Option(help="Prompts that these rows are of, at most: one shares its text and first step.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:0,cuda:1 …")] = "auto",
    tiny: Annotated[bool, typer.Option("--tiny", help="Shrink every network, and images and steps not given.")] = False,
    csv: Annotated[Path | None, typer.Option(help="Also write all figures here.")] = None,
    debug: Debug = False,
) -> None:
    """Measure a model at its published size: seconds, memory and share of the card's peak, of every step and of a search."""
    with _reported(debug):
        if not random_weights:
            raise WrongInput(f"bench-model measures random weights only, it does not read those of {name}: add --random-weights")
        from harness.bench_model import Measured, bench, prepared, sizes, some_prompts
        from harness.bench_table import as_csv, as_markdown

        if csv is not None:
            check_writable(csv.parent, "--csv")
        texts = some_prompts(prompts)
        batches = sizes(batch, prompts)
        _say(f"building {name} with random weights")
        text, generator, peak = prepared(name, device, tiny)
        rows = f", rows of up to {prompts} prompts" if prompts > 1 else ""
        typer.echo(f"{text} on {generator.device}, {'tiny, ' if tiny else ''}random weights{rows}\n")
        measured = []

        def kept() -> Iterator[Measured | str]:
            for one in bench(generator, batches, peak, texts, _say):
                measured.append(one)
                yield one

        for line in as_markdown(kept(), share=peak == peak, memory=generator.device.type == "cuda"):
            typer.echo(line)
        if csv is not None:
            csv.parent.mkdir(parents=True, exist_ok=True)
            csv.write_text(as_csv([one for one in measured if isinstance(one, Measured)]), encoding="utf-8")


@app.command("list")
def list_(
    kind: Annotated[
        str | None,
        typer.Argument(metavar=f"[{'|'.join((*Kind, PUBLISHED))}]", help=f"One kind only; {PUBLISHED}: numbers printed in papers."),
    ] = None,
    prices: Annotated[bool, typer.Option("--prices", help="Sizes and prices of published models, from their configurations.")] = False,
    model: Annotated[
        list[str] | None, typer.Option(metavar="NAME[:KEY=VALUE,…]", help=f"With --prices or {PUBLISHED}: of these only.")
    ] = None,
    suite: Annotated[str | None, typer.Option(metavar="NAME", help=f"With {PUBLISHED}: of this one only.")] = None,
    debug: Debug = False,
) -> None:
    """List all that has a name; of published weights also terms, size, and whether they are here."""
    with _reported(debug):
        if kind == PUBLISHED and not prices:
            from harness.printed import show as show_printed

            show_printed(suite, model or ())
            return
        if suite is not None or kind == PUBLISHED:
            raise WrongInput(f"--suite goes with {PUBLISHED}, --prices with models: ask for one at a time")
        if prices or model:
            from harness.sheets import show as show_prices

            show_prices(model or ())
            return
        from harness.fetching import described
        from harness.named_searches import named_searches

        if kind is not None and kind not in list(Kind):
            raise WrongInput(unknown("kind", kind, [*Kind, PUBLISHED]))
        for each in [Kind(kind)] if kind else list(Kind):
            typer.echo(f"{each}:")
            known = entries(_SINGULAR[each])
            width = max(map(len, known))
            for name, one in known.items():
                typer.echo(f"  {name:<{width}}  {described(one)}")
            if each is Kind.SEARCHES:
                typer.echo("named searches:")
                for name, named in named_searches().items():
                    typer.echo(f"  {name}  {named.search} ({named.source})")


def main() -> None:
    """Entry point of the command."""
    app(prog_name="vistas")


def _finish(prepared: Any, profile: bool = False, shard: Shard | None = None) -> Path:
    """Run what is missing, then the report (of several shards the last one makes it); returns the run's folder."""
    from rich.console import Console

    from harness import runner
    from harness.timing import REPORT

    console = Console(stderr=True, soft_wrap=True)
    for line in runner.opening_lines(prepared):
        console.print(line, highlight=False, markup=False)
    folder: Path = prepared.store.folder
    unfinished = ""
    if shard is None:
        runner.finish_run(prepared, console)
    else:
        unfinished = runner.finish_shard(prepared, shard, console)
    if unfinished:
        typer.echo(unfinished)
    else:
        console.print("building the report", highlight=False)
        with prepared.watch.section(REPORT):
            _build_report([folder], folder / "report")
    if profile:
        for line in runner.write_profile(prepared):
            console.print(line, highlight=False, markup=False)
    return folder


def _build_report(folders: list[Path], out: Path) -> None:
    from reports.build import build_report

    typer.echo(f"report: {build_report(folders, out)}")


def _numbers(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise WrongInput(f"--budget {text!r} is not a list of numbers: write --budget 6,12,24, for example") from None


@contextmanager
def _reported(debug: bool, store: Store | None = None) -> Iterator[None]:
    """Turn errors into one line and an exit code: 2 for WrongInput, 1 for anything else, 130 for Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        _leave(f"interrupted: {_kept(store)}" if store else "interrupted", INTERRUPTED)
    except (typer.Exit, typer.Abort, BrokenPipeError):  # the last: a reader such as `head` had enough; typer ends quietly
        raise
    except Exception as error:
        if debug:
            traceback.print_exc()
        if isinstance(error, WrongInput):
            _leave(_line(error), WRONG_INPUT)
        if isinstance(error, OSError) and error.errno in FULL:
            folder = store.folder if store else Path(error.filename).parent if error.filename else None
            where = f" in {folder}" if folder else ""
            _leave(f"failed: no space left on disk{where}: free space and give the same command again", FAILED)
        _leave(f"failed: {_line(error)}" + ("" if debug else " (--debug shows where)"), FAILED)


add_folder_commands(app, _reported)


def _kept(store: Store) -> str:
    finished = store.finished()
    if not finished:
        return "no unit was finished, nothing is kept"
    return f"{finished} finished {'unit is' if finished == 1 else 'units are'} kept in {store.folder}; give the same command again to go on"


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    known = type(error).__module__.startswith(("harness", "results", "reports", "models", "verifiers", "suites"))
    return text if text and known else f"{type(error).__name__}: {text}"


def _leave(line: str, code: int) -> NoReturn:
    typer.echo(f"vistas: {line}", err=True)
    sys.exit(code)
