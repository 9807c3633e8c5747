"""A report from run folders: `index.html`, `report.md`, `figures/` and `tables/`. No model is run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from reports import curves, gallery, style, tree
from reports.answer import Answer, answer
from reports.comparison_tables import equal_tables, paired_table
from reports.figure_labels import LABELS
from reports.gallery_figure import gallery_figure, pictured
from reports.left_out import left_out_table
from reports.load import read_runs
from reports.markdown import write_markdown
from reports.overoptimised import overoptimised_figure, overoptimised_table, shown
from reports.page import Contents, write_page
from reports.published import published_table
from reports.reliability import cross_table, reliability_figure, reliability_table
from reports.style import slug
from reports.summary import Summary, summarise
from reports.tables import Table, results_table, spent_table
from reports.trust import trust_table
from reports.up_to_date import FILE, PAGE, mark_up_to_date


def build_report(run_dirs: Sequence[Path], out: Path) -> Path:
    """Write the report of one or more runs of a suite into `out`; returns the path of the page.

    Runs may be unfinished: the report is of the units that are there. Raises WrongInput for folders that are no runs or without
    any unit, and ConflictingRuns when runs contradict each other.
    """
    (out / FILE).unlink(missing_ok=True)
    summary = summarise(read_runs(run_dirs, unfinished=True))
    _clear(out)
    found = answer(summary)
    contents = _contents(summary, found, out / "figures")
    tables = (*contents.equal, contents.left_out, contents.paired, *contents.results, contents.trust, contents.overoptimised,
              contents.cross, contents.reliability, *contents.spent, contents.published)  # fmt: skip
    for table in tables:
        table.write(out / "tables")
    write_markdown(summary, contents, tables, out / "report.md")
    page = out / PAGE
    write_page(summary, contents, page)
    mark_up_to_date(run_dirs, out)
    return page


def _clear(out: Path) -> None:
    """Take away what the last report in `out` drew, and the tables that its page links: of other runs they would stay beside this one's."""
    page = out / PAGE
    linked = re.findall(r'href="(tables/[a-z0-9-]+)\.csv"', page.read_text(encoding="utf-8")) if page.is_file() else []
    for name in (*linked, *(f"figures/{figure}" for figure in LABELS)):
        for suffix in ("csv", "tex") if name in linked else ("png", "svg"):
            (out / f"{name}.{suffix}").unlink(missing_ok=True)


def _contents(summary: Summary, found: Answer, folder: Path) -> Contents:
    verifiers = summary.runs.verifiers
    blocks, grown, trust = gallery.gallery(summary), tree.find_tree(summary), trust_table(summary)
    reliability = reliability_table(summary, trust)
    return Contents(
        answer=found,
        figures=_figures(summary, blocks, grown, folder) | _verifier_figures(summary, reliability, folder),
        shown=gallery.shown(summary),
        blocks=blocks,
        tree=grown,
        equal=equal_tables(summary, verifiers[0], found.shared),
        left_out=left_out_table(summary, found.left_out),
        results=tuple(results_table(summary, verifier, f"results-{slug(verifier)}") for verifier in verifiers),
        spent=tuple(spent_table(summary, verifier, f"spent-{slug(verifier)}") for verifier in verifiers),
        paired=paired_table(summary),
        trust=trust,
        overoptimised=overoptimised_table(summary),
        cross=cross_table(summary),
        reliability=reliability,
        published=published_table(summary),
    )


def _figures(
    summary: Summary, blocks: tuple[gallery.Block, ...], grown: tree.Tree | None, folder: Path
) -> dict[str, str]:
    """Draw everything into `folder`; SVG texts by name, for the page."""
    verifier = summary.runs.verifiers[0]
    figures: dict[str, str] = {}
    with style.context():
        if summary.truth is not None:
            figures |= _both("main", folder, curves.main_figure(summary, verifier))
            for unit in summary.axes:
                figures |= _both(f"tasks-{unit}", folder, curves.task_figure(summary, verifier, unit))
                figures |= _both(f"verifiers-{unit}", folder, curves.verifier_figure(summary, unit))
        style.save_png(gallery_figure(pictured(summary, blocks)), folder, "gallery")
        if grown is not None:
            figures["tree"] = style.save(tree.tree_figure(summary, grown), folder, "tree", LABELS["tree"])
    return figures


def _both(name: str, folder: Path, draw: curves.Drawing) -> dict[str, str]:
    """A figure drawn for a wide and for a narrow screen, the latter for the page only."""
    wide = style.save(draw(False), folder, name, LABELS[name])
    return {name: wide, f"{name}-narrow": style.themed(style.as_svg(draw(True)), f"{name}-narrow", LABELS[name])}


def _verifier_figures(summary: Summary, reliability: Table, folder: Path) -> dict[str, str]:
    """Figures that need the truth: none without it."""
    figures: dict[str, str] = {}
    with style.context():
        if shown(summary):
            figures |= _both("over-optimisation", folder, partial(overoptimised_figure, summary))
        if len(reliability.frame) and reliability.frame["within"].notna().any():
            figures |= _both("reliability", folder, partial(reliability_figure, reliability))
    return figures
