"""Writes what a weight folder has to say about itself: card.json with every file's hash, and README.md."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from models.files import CARD_FILE, sha256_of
from suites.geneval.wording import TAGS
from verifiers.auroc import auroc, auroc_within
from verifiers.shapes.fit import Fitted
from verifiers.shapes.pool import PICTURES, Groups

DATA = (
    "Pictures of the shapes world drawn by program, three to a caption: a good one, a near miss (one kind, colour, place or "
    "number changed), and one with heavy flaws (faded, half drawn, melted, warped, smeared, between two kinds, stained, "
    "touching, or the whole picture blurred, coarse, noisy or pale). The exact grader judges each; nothing else is used."
)


def write_card(
    folder: Path, name: str, summary: str, fitted: Fitted, flops: int, parameters: int, measures: dict[str, Any]
) -> None:
    """Write card.json and README.md beside the weights; `flops` is the compute of the whole training."""
    files = {
        path.name: sha256_of(path)
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name not in (CARD_FILE, "README.md")
    }
    card = {
        "name": name,
        "summary": summary,
        "licence": "Apache-2.0",
        "parameters": parameters,
        "data": DATA,
        "training": {
            "steps": fitted.steps,
            "pictures": fitted.pictures,
            "flops": flops,
            "seconds": round(fitted.seconds),
            "final_losses": {key: round(value, 4) for key, value in fitted.losses.items()},
        },
        "held_out": measures,
        "files": files,
    }
    (folder / CARD_FILE).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(_readme(card), encoding="utf-8")


def _readme(card: dict[str, Any]) -> str:
    training, measures = card["training"], card["held_out"]
    losses = ", ".join(f"{key} {value}" for key, value in training["final_losses"].items())
    lines = [
        f"# {card['name']}",
        "",
        f"{card['summary']} {card['parameters']:,} parameters. Licence: {card['licence']}.",
        "",
        "It judges pictures of coloured shapes and nothing else.",
        "",
        "## Training",
        "",
        card["data"],
        "",
        f"* steps: {training['steps']:,} ({training['pictures']:,} pictures)",
        f"* compute: {training['flops']:.3g} FLOP ({'three times the' if losses else 'the'} forward passes)",
        f"* time: {training['seconds']:,} seconds on a shared processor, one thread",
        f"* final losses: {losses or 'closed form'}",
        "",
        "## On pictures drawn the same way and never trained on",
        "",
        "| measure | value |",
        "|---|---|",
        *(f"| {key} | {value} |" for key, value in measures.items()),
        "",
        "These are drawn pictures, not generated ones: `python -m verifiers.evaluate` measures on a run's candidates.",
        "",
        "## Files",
        "",
        "| file | SHA-256 |",
        "|---|---|",
        *(f"| {name} | `{sha256}` |" for name, sha256 in card["files"].items()),
        "",
    ]
    return "\n".join(lines)


def measure(scores_GP: np.ndarray, groups: Groups) -> dict[str, float]:
    """AUROC against the exact grader over all held-out pictures, within a caption's pictures, and per task."""
    scores, truths = scores_GP.ravel(), groups.correct.ravel().astype(float)
    rows = np.repeat(np.arange(len(groups.records)), PICTURES)
    tasks = np.repeat([record["tag"] for record in groups.records], PICTURES)
    measures = {"auroc": auroc(scores, truths), "auroc within a caption": auroc_within(scores, truths, rows)}
    measures |= {f"auroc {task}": auroc(scores[tasks == task], truths[tasks == task]) for task in TAGS}
    return {key: round(value, 3) for key, value in measures.items()}
