"""The report as Markdown: the answer, figures by relative link, and every table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness import markdown
from reports.command import command
from reports.figure_labels import LABELS
from reports.gallery import Block, judgement
from reports.gallery_figure import pictured
from reports.notes import SHAPES_NOTICE, notes
from reports.page import Contents, protocol
from reports.summary import Summary
from reports.tables import Table, escape_markdown
from reports.verdict import Verdict


def write_markdown(summary: Summary, contents: Contents, tables: Sequence[Table], path: Path) -> None:
    """Write the report to `path`, beside its `figures` folder."""
    runs = summary.runs
    parts = [f"# vistas: {escape_markdown(runs.suite)}"]
    if runs.domain == "shapes":
        parts.append(f"> **The embedded shapes world.** {SHAPES_NOTICE}")
    if runs.unfinished:
        parts.append(f"> **Unfinished.** {' '.join(map(escape_markdown, runs.unfinished))}")
    if runs.cut:
        parts.append(f"> **Different prompts.** {' '.join(map(escape_markdown, runs.cut))}")
    parts.append(f"**{escape_markdown(contents.answer.headline)}**")
    if contents.answer.verdicts:
        parts.append(_answer_table(contents.answer.verdicts))
    if contents.answer.sentences:
        parts.append("\n".join(f"* {escape_markdown(sentence)}" for sentence in contents.answer.sentences))
    parts += [_figure(name) for name in LABELS if name in contents.figures and name != "tree"]
    for table in (table for table in tables if table.rows):
        parts.append(f"## {escape_markdown(table.title)}\n\n{table.markdown()}")
    shown = f"{contents.shown} {judgement(summary)}{_of_all(summary, contents.blocks)}"
    parts.append(f"## What each search chose\n\n{shown}\n\n{_figure('gallery')}")
    if contents.tree:
        caption = escape_markdown(f"{contents.tree.prompt}: {contents.tree.caption}")
        parts.append(f"## One search as a tree\n\n{caption}\n\n{_figure('tree')}")
    parts.append("## How to read this\n\n" + "\n".join(f"* {escape_markdown(note)}" for note in notes(summary)))
    parts.append("## Protocol")
    for folder, manifest in zip(runs.folders, runs.manifests, strict=True):
        parts.append(f"### Run {escape_markdown(folder.name)}")
        parts.append(f"```sh\n{command(manifest['configuration'])}\n```")
        parts += [f"* Note: {escape_markdown(note)}" for note in manifest["notes"]]
        for title, lines in protocol(manifest).items():
            body = "\n".join(f"* {escape_markdown(key)}: {escape_markdown(value)}" for key, value in lines.items())
            parts.append(f"**{escape_markdown(title)}**\n\n{body}")
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _of_all(summary: Summary, blocks: Sequence[Block]) -> str:
    """What of the page's gallery the picture has not."""
    some = pictured(summary, blocks)
    rows, prompts = len(some[0].rows) < len(blocks[0].rows), len(some) < len(blocks)
    methods = "the methods coloured in the figures" if rows else ""
    parts = " and ".join(filter(None, [f"the first {len(some)} of these {len(blocks)} prompts" if prompts else "", methods]))
    return f" Here are {parts}; `index.html` has all." if parts else ""


def _figure(name: str) -> str:
    return f"![{LABELS[name]}](figures/{name}.png)"


def _answer_table(verdicts: Sequence[Verdict]) -> str:
    rows = []
    for one in verdicts:
        where = one.where + (f" ({one.spent})" if one.spent else "")
        lead = one.ahead + (f"; other model: {one.model_lead}" if one.model_lead else "")
        rows.append(tuple(map(escape_markdown, (where, one.highest, one.score, lead, one.told))))
    return markdown.table(("per prompt", "highest", "score", "ahead by", "can it be told?"), rows)
