"""One self-contained HTML page: figures inline, pictures as data, nothing from the network."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, get_args

import jinja2
from markupsafe import Markup

from models.base import Domain
from reports.answer import Answer
from reports.certainty import intervals_drawn
from reports.command import command
from reports.devices import differ
from reports.emphasis import emphasis_note, emphasised
from reports.figure_labels import LABELS
from reports.gallery import Block, GalleryRow, judgement
from reports.notes import SHAPES_NOTICE, notes
from reports.pictures import data_uri
from reports.summary import Summary
from reports.tables import Table
from reports.tree import Tree


@dataclass(frozen=True, slots=True)
class Contents:
    """Everything a page shows beyond the summary itself; figures are SVG text by name."""

    answer: Answer
    figures: Mapping[str, str]
    shown: str
    """Which prompts and seed the blocks are of."""
    blocks: tuple[Block, ...]
    tree: Tree | None
    equal: tuple[Table, ...]
    """Under the same budgets, at the largest common amounts spent, and at smaller ones."""
    left_out: Table
    """Who is not in a comparison at equal compute, and why."""
    results: tuple[Table, ...]
    spent: tuple[Table, ...]
    paired: Table
    trust: Table
    overoptimised: Table
    """How score and truth change as search tries harder."""
    cross: Table
    """Searched by one verifier, scored by all."""
    reliability: Table
    """What a verifier costs next to how far it can be trusted."""
    published: Table
    """What papers print of the suite and the models; no rows in the shapes world."""


def write_page(summary: Summary, contents: Contents, path: Path) -> None:
    """Render the page to `path`."""
    runs = summary.runs
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("reports", "templates"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    text = environment.get_template("page.html").render(
        summary=summary,
        contents=contents,
        notice=SHAPES_NOTICE if runs.domain == "shapes" else "",
        notes=notes(summary),
        axes=summary.axes,
        labels=LABELS,
        emphasis=emphasis_note(summary),
        judgement=judgement(summary),
        parted=partial(_parted, {method[:2] for method in emphasised(summary)}),
        drawn=intervals_drawn(summary),
        devices=differ(summary),
        # Figures are drawn by us from escaped text; everything else in the page is escaped by Jinja.
        figures={name: Markup(svg) for name, svg in contents.figures.items()},
        picture=data_uri,
        manifests=[
            (folder.name, command(manifest["configuration"]), protocol(manifest))
            for folder, manifest in zip(runs.folders, runs.manifests, strict=True)
        ],
    )
    path.write_text(_together(text), encoding="utf-8")


def _parted(strong: Collection[tuple[str, ...]], rows: Sequence[GalleryRow]) -> tuple[list[GalleryRow], list[GalleryRow]]:
    """Rows of a block that are shown at once, and those folded beneath them: of the methods (model, search) that stand out, the others."""
    return [row for row in rows if row[0][:2] in strong], [row for row in rows if row[0][:2] not in strong]


def _together(text: str) -> str:
    """ "95 %" and "[−0.02, +0.12]", which on two lines read as two things, kept on one."""
    text = re.sub(r"(?<=\d) %", "\u00a0%", text)
    return re.sub(r"(\[[+−]?[\d.]+,) ([+−]?[\d.]+\])", "\\1\u00a0\\2", text)


def protocol(manifest: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """A manifest as sections of "path: value" lines: suite card, configuration, models, verifiers, machine."""
    sections: dict[str, Any] = {
        "Suite": _used(manifest["suite"]),
        "Configuration": manifest["configuration"],
        **{f"Model {name}": card for name, card in manifest["models"].items()},
        **{f"Verifier {name}": card for name, card in manifest["verifiers"].items()},
    }
    environments = manifest["environments"]
    for place, environment in enumerate(environments):
        sections["Machine" if len(environments) == 1 else f"Machine {place + 1}"] = environment
    return {title: dict(_lines(section)) for title, section in sections.items()}


def _used(suite: Mapping[str, Any]) -> dict[str, Any]:
    """A suite's card without what it says of the domain that the run is not of: settings under that domain's name."""
    settings = {key: value for key, value in suite["settings"].items() if key not in get_args(Domain) or key == suite.get("domain")}
    return {**suite, "settings": settings}


def _lines(value: Any, path: str = "") -> list[tuple[str, str]]:
    if isinstance(value, Mapping):
        return [line for key, inner in value.items() for line in _lines(inner, f"{path} · {key}" if path else str(key))]
    if isinstance(value, (list, tuple)) and not any(isinstance(inner, (Mapping, list)) for inner in value):
        return [(path, ", ".join("open" if inner is None else str(inner) for inner in value))]
    if isinstance(value, (list, tuple)):
        return [line for place, inner in enumerate(value) for line in _lines(inner, f"{path} {place + 1}")]
    return [(path, str(value))] if value not in (None, "") else []
