"""Measures how well a preview's score predicts the final picture's, step by step, with the grader's soft score."""

from collections.abc import Sequence

import numpy as np
import torch
from scipy.stats import spearmanr

from models.base import Generator, Row
from suites.base import Prompt
from suites.shapes.oracle import soft_scores


def sample_with_previews(generator: Generator, texts: Sequence[str], seed: int) -> list[torch.Tensor]:
    """Return the previews after each step, the last being the finished pictures: K tensors uint8 [N, 3, H, W].

    A diffusion model's preview needs a prediction; its finished picture stands for the last one.
    """
    steps = generator.card.steps
    conditioning = generator.encode(texts)
    state = generator.start(conditioning, [Row(row, seed + row) for row in range(len(texts))])
    pictures = []
    for step in range(steps):
        if generator.card.family == "diffusion":
            state = generator.predict(state)
            pictures.append(generator.preview(state))
        state = generator.draw(
            generator.predict(state), [seed * 1009 + 100_003 * (step + 1) + row for row in range(len(texts))]
        )
        if generator.card.family == "ar":
            pictures.append(generator.preview(state))
    return [*pictures[:-1], generator.decode(state)]


def preview_correlations(pictures: Sequence[torch.Tensor], prompts: Sequence[Prompt]) -> list[float]:
    """Return for each step Spearman's correlation between the soft scores of the previews and of the final pictures.

    Both are taken relative to their prompt's mean over its candidates, so that a prompt's difficulty does not count:
    prompts must be repeated, one entry per picture.
    """
    records = [prompt.metadata for prompt in prompts]
    groups = np.unique([prompt.id for prompt in prompts], return_inverse=True)[1]
    relative = []
    for images in pictures:
        scores = soft_scores(images, records).numpy()
        means = np.bincount(groups, scores) / np.bincount(groups)
        relative.append(scores - means[groups])
    return [round(float(np.nan_to_num(spearmanr(each, relative[-1]).statistic)), 3) for each in relative]
