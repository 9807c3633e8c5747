"""Draws the losses of an embedded verifier's training."""

from pathlib import Path

import matplotlib

from models.shapes.facts import read_log

matplotlib.use("Agg")
from matplotlib import pyplot

CURVE_FILE = "loss.png"


def draw_losses(run: str, folder: Path) -> None:
    """Draw every part of a run's loss over its steps as loss.png in the folder."""
    lines = read_log(run)
    figure, axis = pyplot.subplots(figsize=(5, 3), layout="constrained")
    for part in [key for key in lines[0] if key not in ("seconds", "step")]:
        axis.plot([line["step"] for line in lines], [line[part] for line in lines], linewidth=1, label=part)
    axis.set(title=run, xlabel="step", ylabel="loss, running mean", yscale="log")
    axis.legend()
    figure.savefig(folder / CURVE_FILE, dpi=100)
    pyplot.close(figure)
