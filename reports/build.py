"""A report from run folders: `index.html`, `report.md`, `figures/` and `tables/`. No model is run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reports import curves, gallery, style, tree
from reports.answer import Answer, answer
from reports.comparison_tables import equal_tables, paired_table
from reports.load import read_runs
from reports.markdown import write_markdown
from reports.overoptimised import overoptimised_figure, overoptimised_table, shown
from reports.page import Contents, write_page
from reports.published import published_table
from reports.reliability import cross_table, reliability_figure, reliability_table
from reports.style import slug
from reports.summary import AXES, Summary, summarise
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
    found = answer(summary)
    contents = _contents(summary, found, out / "figures")
    tables = (*contents.equal, contents.paired, *contents.results, contents.trust, contents.overoptimised,
              contents.cross, contents.reliability, *contents.spent,
              *([contents.published] if contents.published.rows else []))  # fmt: skip
    for table in tables:
        table.write_csv(out / "tables")
    write_markdown(summary, contents, tables, out / "report.md")
    page = out / PAGE
    write_page(summary, contents, page)
    mark_up_to_date(run_dirs, out)
    return page


def _contents(summary: Summary, found: Answer, folder: Path) -> Contents:
    verifiers = summary.runs.verifiers
    blocks, grown, trust = gallery.gallery(summary), tree.find_tree(summary), trust_table(summary)
    reliability = reliability_table(summary, trust)
    return Contents(
        answer=found,
        figures=_figures(summary, blocks, grown, folder) | _verifier_figures(summary, reliability, folder),
        blocks=blocks,
        tree=grown,
        equal=equal_tables(summary, verifiers[0], found.shared),
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
            figures["main"] = style.save(curves.main_figure(summary, verifier), folder, "main")
            narrow = style.as_svg(curves.main_figure(summary, verifier, narrow=True))
            figures["main-narrow"] = style.themed(narrow, "main-narrow")
            for unit in AXES:
                name = f"tasks-{unit}"
                figures[name] = style.save(curves.task_figure(summary, verifier, unit), folder, name)
                name = f"verifiers-{unit}"
                figures[name] = style.save(curves.verifier_figure(summary, unit), folder, name)
        style.save_png(gallery.gallery_figure(summary, blocks), folder, "gallery")
        if grown is not None:
            figures["tree"] = style.save(tree.tree_figure(summary, grown), folder, "tree")
    return figures


def _verifier_figures(summary: Summary, reliability: Table, folder: Path) -> dict[str, str]:
    """Figures that need the truth: none without it."""
    figures: dict[str, str] = {}
    with style.context():
        if shown(summary):
            figures["over-optimisation"] = style.save(overoptimised_figure(summary), folder, "over-optimisation")
        if len(reliability.frame) and reliability.frame["within"].notna().any():
            figures["reliability"] = style.save(reliability_figure(reliability), folder, "reliability")
    return figures
