"""Writes the model card of an exported generator: what it was trained on, what that cost, and how good it is."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import matplotlib
import torch

from models.diffusion.flops import clip_text_flops, flux_transformer_flops, t5_encoder_flops
from models.diffusion.generator import DiffusionGenerator
from models.infinity.flops import teacher_forced_flops
from models.infinity.generator import InfinityGenerator
from models.shapes import flux, infinity, latents, tokenizer
from models.shapes.evaluate import spread_prompts, task_scores
from models.shapes.load import checked_folder_hashes, shapes_flux, shapes_infinity
from models.shapes.loop import Run
from models.shapes.previews import preview_correlations, sample_with_previews
from models.shapes.text import TEXT_TOKENS
from verifiers.files import CARD_FILE

matplotlib.use("Agg")

BACKWARD = 3
"""A training step costs about three forward passes."""
PROMPTS = 276
"""Prompts of geneval@shapes that the card's scores are measured on, one picture each."""


def training_facts(run_name: str, sample_flops: int, batch: int) -> dict[str, Any]:
    """Return steps, samples, FLOPs and seconds of a run, from its log."""
    last = read_log(run_name)[-1]
    samples = last["step"] * batch
    return {
        "steps": last["step"],
        "samples": samples,
        "flops": BACKWARD * sample_flops * samples,
        "seconds": last["seconds"],
        "final_loss": last["loss"],
    }


def read_log(run_name: str) -> list[dict[str, Any]]:
    """Return the lines of a run's log."""
    lines = (Run(run_name).folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def flux_sample_flops(generator: DiffusionGenerator) -> int:
    """Return the forward FLOPs of one training sample, its text included."""
    models = flux.build()
    text = t5_encoder_flops(models["t5"].config.to_dict(), TEXT_TOKENS)  # type: ignore[union-attr,operator]
    text += clip_text_flops(models["clip"].config.to_dict(), TEXT_TOKENS)  # type: ignore[union-attr,operator]
    config = models["transformer"].config
    return flux_transformer_flops(config, flux.GRID**2, TEXT_TOKENS) + text  # type: ignore[arg-type]


def infinity_sample_flops(generator: InfinityGenerator) -> int:
    """Return the forward FLOPs of one training sample, its text included."""
    text = t5_encoder_flops(infinity.build_t5().config.to_dict(), TEXT_TOKENS)
    return teacher_forced_flops(infinity.CONFIG, tokenizer.SCHEDULE, TEXT_TOKENS) + text
