"""The commands on models and all else that has a name: fetch, doctor, bench-model and list."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from harness.commands.exits import reported, say
from harness.commands.options import Debug, Weights
from harness.errors import WrongInput, unknown
from harness.registry import entries
from results.files import check_writable


class Kind(StrEnum):
    """What can be listed."""

    MODELS = "models"
    SEARCHES = "searches"
    VERIFIERS = "verifiers"
    SUITES = "suites"
    GRADERS = "graders"
    FEATURES = "features"


class OffloadName(StrEnum):
    """`models.offload.Offload`, of which a command line knows without torch."""

    NONE = "none"
    TEXT = "text"
    MODEL = "model"


_SINGULAR = {Kind.MODELS: "model", Kind.SEARCHES: "search", Kind.VERIFIERS: "verifier", Kind.SUITES: "suite",
             Kind.GRADERS: "grader", Kind.FEATURES: "features"}  # fmt: skip

PUBLISHED, SETTINGS = "published", "settings"
"""What `list` prints otherwise: numbers printed in papers, and the keys of a configuration."""


def fetch(
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="Models, verifiers or graders with published weights.")],
    check: Annotated[bool, typer.Option("--check", help="Download nothing: read what is here whole, and compare its hashes.")] = False,
    weights: Weights = None,
    debug: Debug = False,
) -> None:
    """Download published weights into the hub's cache and check them."""
    with reported(debug):
        from harness.weights.fetching import check_all, fetch_all
        from harness.weights.local import LocalWeights

        for line in check_all(names, LocalWeights.parse(weights or ())) if check else fetch_all(names):
            typer.echo(line)


def doctor(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME[:KEY=VALUE,…]", help="Published models, all without; what is beside them.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:0,cuda:1 …")] = "auto",
    memory: Annotated[
        str | None, typer.Option(metavar="GB[,GB…]", help="Plan for this much free memory instead, of each device, on any machine.")
    ] = None,
    weights: Weights = None,
    debug: Debug = False,
) -> None:
    """Show this machine, what each published model needs of it, and the largest batch that fits."""
    with reported(debug):
        from harness.commands.early_checks import check_models_and_beside
        from harness.compute.amounts import bytes_of
        from harness.device_names import check_device_names

        check_device_names(device)
        check_models_and_beside(names or ())
        if memory is not None:
            bytes_of(memory)
        from harness.doctor.show import show

        show(names or (), device, memory, weights or ())


def bench_model(
    name: Annotated[str, typer.Argument(metavar="NAME[:KEY=VALUE,…]", help="A model.")],
    random_weights: Annotated[
        bool, typer.Option("--random-weights", help="Build it at its published size with random weights; the only way yet for these.")
    ] = False,
    verifier: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Measure scoring too, with random weights; repeat for several.")
    ] = None,
    batch: Annotated[str, typer.Option(metavar="1,2,4,…", help="Rows of one batch; stops where memory runs out.")] = "1,2,4",
    prompts: Annotated[int, typer.Option(help="Prompts that these rows are of, at most: one shares its text and first step.")] = 1,
    repeat: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Times each call is measured, the median counts; 3 without it, short ones more.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:0,cuda:1 …")] = "auto",
    offload: Annotated[OffloadName, typer.Option("--offload", help="Networks that rest in host memory, as in a run.")] = OffloadName.NONE,
    tiny: Annotated[bool, typer.Option("--tiny", help="Shrink published networks, verifiers too, and images and steps not given.")] = False,
    csv: Annotated[Path | None, typer.Option(help="Also write all figures here, for `plan --speeds`.")] = None,
    debug: Debug = False,
) -> None:
    """Measure a model at its published size: seconds, memory and share of the card's peak, of every step and of a search."""
    with reported(debug):
        from harness.bench.rows import sizes, some_prompts
        from harness.commands.early_checks import check_measured

        check_measured(name, verifier or (), device, random_weights, tiny, resting=offload is not OffloadName.NONE)
        if csv is not None:
            check_writable(csv.parent, "--csv")
        texts, batches = some_prompts(prompts), sizes(batch, prompts)
        from harness.bench.measured import Measured
        from harness.bench.model import bench
        from harness.bench.origin import Origin, load_now, other_work
        from harness.bench.request import check_judges, judges, prepared
        from harness.bench.table import as_csv, as_markdown

        check_judges(verifier or ())
        say(f"building {', '.join((name, *(verifier or ())))}")
        load = load_now()
        text, generator, peak = prepared(name, device, tiny, offload.value)
        scoring = judges(verifier or (), generator, tiny)
        rows = f", rows of up to {prompts} prompts" if prompts > 1 else ""
        weights = "random" if generator.card.weights_sha256 == "random" else "its own"
        resting = f", offload {offload.value}" if offload is not OffloadName.NONE else ""
        typer.echo(f"{text} on {generator.device}, {'tiny, ' if tiny else ''}{weights} weights{resting}{rows}\n")
        measured, busy = [], other_work(generator.device, load)

        def kept() -> Iterator[Measured | str]:
            for one in bench(generator, batches, peak, texts, say, scoring, repeat):
                measured.append(one)
                yield one

        for line in as_markdown(kept(), share=peak == peak, memory=generator.device.type == "cuda"):
            typer.echo(line)
        if busy:
            typer.echo(busy)
        origin = Origin.of(text, generator, device, tiny, offload.value)
        if generator.device.type == "cuda":
            typer.echo(origin.versions)
        if csv is not None:
            csv.parent.mkdir(parents=True, exist_ok=True)
            csv.write_text(as_csv([one for one in measured if isinstance(one, Measured)], origin), encoding="utf-8")


def list_(
    kind: Annotated[
        str | None,
        typer.Argument(metavar="KIND", help=f"One of {', '.join(Kind)}; {PUBLISHED}: numbers printed in papers; {SETTINGS}: what "
                       "--set and --config take. All but these two without it."),
    ] = None,
    prices: Annotated[bool, typer.Option("--prices", help="Sizes and prices of published models, from their configurations.")] = False,
    model: Annotated[
        list[str] | None, typer.Option(metavar="NAME[:KEY=VALUE,…]", help=f"With --prices or {PUBLISHED}: of these only.")
    ] = None,
    suite: Annotated[str | None, typer.Option(metavar="NAME", help=f"With {PUBLISHED}: of this one only.")] = None,
    debug: Debug = False,
) -> None:
    """List all that has a name; of published weights also terms, size, and whether they are here."""
    with reported(debug):
        if kind == PUBLISHED and not prices:
            from harness.commands.published_numbers import show as show_printed

            show_printed(suite, model or ())
            return
        if suite is not None or kind == PUBLISHED:
            raise WrongInput(f"--suite goes with {PUBLISHED}, --prices with models: ask for one at a time")
        if (prices or model) and kind not in (None, Kind.MODELS):
            raise WrongInput(f"--prices and --model are about models, not {kind}: give `vistas list models --prices`")
        if prices or model:
            from harness.sheets import show as show_prices

            show_prices(model or ())
            return
        if kind == SETTINGS:
            from harness.config import settings_lines

            for line in settings_lines():
                typer.echo(line)
            return
        from harness.named_searches import named_searches
        from harness.weights.fetching import described

        if kind is not None and kind not in list(Kind):
            raise WrongInput(unknown("kind", kind, [*Kind, PUBLISHED, SETTINGS]))
        for each in [Kind(kind)] if kind else list(Kind):
            typer.echo(f"{each}:")
            known = entries(_SINGULAR[each])
            width = max(map(len, known))
            for name, one in known.items():
                typer.echo(f"  {name:<{width}}  {described(one)}")
            if each is Kind.SEARCHES:
                typer.echo("named searches:")
                width = max(map(len, named_searches()))
                for name, named in named_searches().items():
                    typer.echo(f"  {name:<{width}}  {named.search} ({named.source})")
