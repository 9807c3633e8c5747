"""Writes what a weight folder has to say about itself: card.json with every file's hash, and README.md."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from models.card_file import CARD_FILE
from models.hashes import sha256_of
from suites.geneval.wording import TAGS
from verifiers.auroc import auroc, auroc_within
from verifiers.shapes.curves import CURVE_FILE
from verifiers.shapes.pool import PICTURES, Groups
from verifiers.shapes.training_loop import Fitted

DATA = (
    "Pictures of the shapes world drawn by program, three to a caption: a good one, a near miss (one kind, colour, place or "
    "number changed), and one with heavy flaws (faded, half drawn, melted, warped, smeared, between two kinds, stained, "
    "touching, or the whole picture blurred, coarse, noisy or pale); and pictures that both embedded generators made, three to a "
    "caption. The exact grader judges each; nothing else is used."
)


def write_card(
    folder: Path, name: str, summary: str, fitted: Fitted, flops: int, parameters: int, measures: dict[str, Any]
) -> None:
    """Write card.json and README.md beside the weights; `flops` is the compute of the whole training.

    What generated pictures show is added by `python -m verifiers.evaluate --write`.
    """
    files = {
        path.name: sha256_of(path)
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name not in (CARD_FILE, "README.md", CURVE_FILE)
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
            "recipe": fitted.recipe,
        },
        "held_out": measures,
        "files": files,
    }
    save_card(card, folder)


def save_card(card: dict[str, Any], folder: Path) -> None:
    """Write the card as card.json, and README.md from it."""
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
        f"* recipe: {training['recipe']}",
        *(["", "![losses](loss.png)"] if losses else []),
        "",
        "## On pictures drawn the same way and never trained on",
        "",
        "| measure | value |",
        "|---|---|",
        *(f"| {key} | {value} |" for key, value in measures.items()),
        "",
        *_generated_lines(card.get("generated", {})),
        "## Files",
        "",
        "| file | SHA-256 |",
        "|---|---|",
        *(f"| {name} | `{sha256}` |" for name, sha256 in card["files"].items()),
        "",
    ]
    return "\n".join(lines)


def _generated_lines(generated: dict[str, Any]) -> Iterator[str]:
    yield "## On generated pictures"
    yield ""
    if not generated:
        yield "Not measured yet: `python -m verifiers.evaluate --model NAME --write` does."
    for model, found in generated.items():
        made_by = f"{model} (weights `{found['weights_sha256'][:12]}`)"
        yield f"{found['images']} pictures of {made_by} for {found['prompts']} prompts, judged by the exact grader:"
        yield ""
        yield "| task | share right | AUROC | AUROC within a prompt |"
        yield "|---|---|---|---|"
        for task, row in {"all": found, **found["tasks"]}.items():
            cells = ("–" if row[key] is None else str(row[key]) for key in ("right", "auroc", "auroc_within"))
            yield f"| {task} | {' | '.join(cells)} |"
        yield ""


def measure(scores_GP: np.ndarray, groups: Groups) -> dict[str, float]:
    """AUROC against the exact grader over all held-out pictures, within a caption's pictures, and per task."""
    scores, truths = scores_GP.ravel(), groups.correct.ravel().astype(float)
    rows = np.repeat(np.arange(len(groups.records)), PICTURES)
    tasks = np.repeat([record["tag"] for record in groups.records], PICTURES)
    measures = {"auroc": auroc(scores, truths), "auroc within a caption": auroc_within(scores, truths, rows)}
    measures |= {f"auroc {task}": auroc(scores[tasks == task], truths[tasks == task]) for task in TAGS}
    return {key: round(value, 3) for key, value in measures.items()}
