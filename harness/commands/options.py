"""Options that several commands take, declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Suite = Annotated[str | None, typer.Argument(metavar="SUITE", help="Prompt suite, such as drawbench; geneval without it.")]
SuiteFile = Annotated[
    Path | None, typer.Option("--suite-file", metavar="PATH", help="Any file of prompts as the suite: CSV, TSV, JSON, JSONL, TXT.")
]
PromptsFrom = Annotated[
    Path | None, typer.Option("--prompts-from", metavar="PATH", help="Local file or folder of the suite's prompts.")
]
Models = Annotated[
    list[str] | None, typer.Option("--model", metavar="NAME[:KEY=VALUE,…]", help="Generator; repeat for several.")
]
Searches = Annotated[
    list[str] | None, typer.Option("--search", metavar="NAME[:KEY=VALUE,…]", help="Search; repeat for several.")
]
Verifiers = Annotated[list[str] | None, typer.Option("--verifier", metavar="NAME", help="Verifier; repeat for several.")]
Budgets = Annotated[list[str] | None, typer.Option("--budget", metavar="6,12,…", help="Budgets per prompt, 5G is 5e9; may be repeated.")]
UnitName = Annotated[str | None, typer.Option("--unit", metavar="nfe|flops|images|seconds", help="What budgets count.")]
Prompts = Annotated[str | None, typer.Option("--prompts", metavar="N|all", help="An even sample per task, or all.")]
SeedList = Annotated[list[str] | None, typer.Option("--seed", metavar="0,1,…", help="Run seeds; may be repeated.")]
Out = Annotated[Path | None, typer.Option("--out", help="Folder of the run; without it, one of its own.")]
Config = Annotated[Path | None, typer.Option("--config", help="YAML, TOML or JSON file of configuration keys; --set and flags win.")]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A configuration key, wins over --config; repeat for several.")
]
Weights = Annotated[
    list[str] | None,
    typer.Option(
        "--weights", metavar="NAME=PATH", help="Local folder of published weights, or NAME.role=PATH; repeat for several."
    ),
]
Reuse = Annotated[
    list[str] | None,
    typer.Option("--reuse", metavar="DIR", help="Another run: take over what it has finished of this one; repeat for several."),
]
OneShard = Annotated[
    str | None,
    typer.Option("--shard", metavar="K/N", help="Part K, from 0, of N of about equal FLOPs, then what others leave; all with one --out."),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
