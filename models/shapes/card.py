"""Writes the card of an exported generator: what it was trained on, what that cost, and how good it is.

card.json is for programs (its `files` are checked on loading), README.md and loss.png are for people.
`python -m models.shapes.card infinity flux` rewrites what comes from the logs and notes of the trainings, and measures
nothing anew.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib
import torch

from models.base import Generator
from models.card_file import CARD_FILE, checked_card
from models.diffusion.flux import load_flux_pipeline
from models.hashes import sha256_of
from models.shapes import load, tokenizer
from models.shapes.evaluate import shapes_prompts, task_scores
from models.shapes.facts import RUNS_OF, read_log, recipe, training_facts
from models.shapes.previews import preview_correlations, sample_with_previews
from models.shapes.reconstruction import accepted_share, flux_round_trip, save_sheet, tokenizer_round_trip

matplotlib.use("Agg")
from matplotlib import pyplot

PROMPTS = 240
CANDIDATES = 8
"""Pictures of each prompt for the correlation of previews."""
CORRELATED_PROMPTS = 24


def write_card(model: str, folder: Path) -> dict[str, Any]:
    """Measure the exported folder of "infinity" or "flux", and write card.json, README.md, loss.png and samples.png."""
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".safetensors", ".json"))
    hashes = {str(path.relative_to(folder)): sha256_of(path) for path in files if path.name != CARD_FILE}
    (folder / CARD_FILE).write_text(json.dumps({"files": hashes}), encoding="utf-8")
    generator: Generator = load.shapes_infinity() if model == "infinity" else load.shapes_flux()
    _draw_losses(model, folder / "loss.png")
    card = {
        "name": f"shapes-{model}",
        "licence": load.LICENCE,
        "data": "pictures of suites/shapes drawn by seed, 1 to 4 shapes on plain tints, with GenEval's six captions",
        "image_side": generator.card.image_size[0],
        "transformer_parameters": generator.card.parameters,
        "steps": generator.card.steps,
        "sampling": dict(generator.card.settings),
        "training": training_facts(model),
        "recipe": recipe(*RUNS_OF[model]),
        "autoencoder": autoencoder_facts(generator),
        "geneval_shapes": task_scores(*one_picture_each(generator, folder / "samples.png")),
        "preview_correlation": correlations(generator),
        "files": hashes,
    }
    _save(card, folder)
    return card


def refresh_card(model: str, folder: Path) -> None:
    """Rewrite the training facts, the recipe, README.md and loss.png of a measured card.

    Raises:
        ValueError: the training has gone on since the weights were exported, so its log is no longer theirs.
    """
    card = checked_card(folder)
    facts: dict[str, Any] = {"training": training_facts(model), "recipe": recipe(*RUNS_OF[model])}
    now, then = (each["training"]["generator"]["steps"] for each in (facts, card))
    if now != then:
        raise ValueError(f"{card['name']} was exported at step {then}, its log is at {now}: export it again instead")
    last = ("autoencoder", "geneval_shapes", "preview_correlation", "files")
    kept = {key: value for key, value in card.items() if key not in (*facts, *last)}
    _draw_losses(model, folder / "loss.png")
    _save({**kept, **facts, **{key: card[key] for key in last}}, folder)


def _save(card: dict[str, Any], folder: Path) -> None:
    (folder / CARD_FILE).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(readme(card), encoding="utf-8")


def autoencoder_facts(generator: Any) -> dict[str, Any]:
    """Return PSNR and accepted share of the exported autoencoder, for a tokenizer also of its partial decodes."""
    if generator.card.family == "diffusion":
        return accepted_share(flux_round_trip(load_flux_pipeline(load.weights("shapes-flux")).vae))
    scales = range(2, len(tokenizer.SCHEDULE) + 1)
    return {f"after {k} scales": accepted_share(tokenizer_round_trip(generator.vae, k)) for k in scales}


def one_picture_each(generator: Generator, sheet: Path) -> tuple[torch.Tensor, Any]:
    """Return one picture for each of the card's prompts, and save the first ones as a sheet."""
    prompts = shapes_prompts(PROMPTS)
    parts = [
        sample_with_previews(generator, [prompt.text for prompt in prompts[i : i + 40]], seed=1000 + i)[-1]
        for i in range(0, len(prompts), 40)
    ]
    images = torch.cat(parts)
    save_sheet(images[:: len(images) // 48][:48], str(sheet))
    return images, prompts


def correlations(generator: Generator) -> list[float]:
    """Return how well the score of a preview ranks the candidates of a prompt, after each step."""
    prompts = [prompt for prompt in shapes_prompts(CORRELATED_PROMPTS) for _ in range(CANDIDATES)]
    return preview_correlations(sample_with_previews(generator, [prompt.text for prompt in prompts], 77), prompts)


def _draw_losses(model: str, path: Path) -> None:
    runs = RUNS_OF[model]
    figure, axes = pyplot.subplots(1, len(runs), figsize=(4 * len(runs), 3), layout="constrained")
    for axis, name in zip(axes, runs, strict=True):
        lines = read_log(name)
        axis.plot([line["step"] for line in lines], [line["loss"] for line in lines], linewidth=1)
        axis.set(title=name, xlabel="step", ylabel="loss", yscale="log")
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def readme(card: dict[str, Any]) -> str:
    """Return the card as Markdown."""
    lines = [
        f"# {card['name']}",
        "",
        f"Trained from scratch on {card['data']}. Nothing measured with it is evidence about the published models.",
        f"Licence {card['licence']}. {card['transformer_parameters']:,} parameters in the transformer, "
        f"pictures of {card['image_side']} pixels a side, {card['steps']} steps.",
        "",
        "| training | steps | samples | hours | FLOPs |",
        "|---|---|---|---|---|",
    ]
    for name, facts in card["training"].items():
        hours = f"{facts['seconds'] / 3600:.2f}" if "seconds" in facts else ""
        lines.append(
            f"| {name} | {facts.get('steps', '')} | {facts.get('samples', '')} | {hours} | {facts['flops']:.2e} |"
        )
    lines += ["", "FLOPs of training are three forward passes of what was trained, one of what was frozen.", ""]
    lines += [card["recipe"]]
    lines += ["", f"One picture for each of {PROMPTS} prompts of geneval@shapes, graded exactly:", ""]
    lines += [f"| {' | '.join(card['geneval_shapes'])} |", "|" + "---|" * len(card["geneval_shapes"])]
    lines += [f"| {' | '.join(str(score) for score in card['geneval_shapes'].values())} |", ""]
    lines += ["Autoencoder (share of pictures still accepted by the grader):", ""]
    lines += ["```", json.dumps(card["autoencoder"], indent=1), "```", ""]
    lines += [
        "Rank correlation of a preview's score with the final picture's, among the candidates of a prompt, step by step:",
        ", ".join(str(value) for value in card["preview_correlation"]),
        "",
        "![losses](loss.png)",
        "![samples](samples.png)",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Refresh the cards named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", choices=RUNS_OF)
    for model in parser.parse_args().models:
        refresh_card(model, load.weights(f"shapes-{model}"))


if __name__ == "__main__":
    main()
