"""What the trainings behind the embedded generators took: steps, samples, seconds and FLOPs, from their logs."""

import json
from typing import Any

import torch
from torch import nn

from harness.compute.flops import count_flops
from models.diffusion.flops import flux_transformer_flops
from models.infinity.flops import teacher_forced_flops
from models.shapes import flux, flux_vae, infinity, tokenizer
from models.shapes.text import TEXT_TOKENS
from models.shapes.training_loop import LOG, Run
from models.text_flops import clip_text_flops, t5_encoder_flops
from suites.shapes.vocabulary import IMAGE_SIDE

TRAINED = 3
"""A training step costs about three forward passes of what it trains."""
RUNS_OF = {"infinity": ("infinity", "tokenizer", "tokenizer-previews"), "flux": ("flux", "flux-vae")}
AS_THEY_STAND = "The scripts ran from start to end with the settings they now have."


def training_facts(model: str) -> dict[str, dict[str, Any]]:
    """Return the facts of every training behind "infinity" or "flux", and their sums as "total"."""
    facts = infinity_training() if model == "infinity" else flux_training()
    seconds = sum(each.get("seconds", 0.0) for each in facts.values())
    return {**facts, "total": {"seconds": round(seconds, 1), "flops": sum(each["flops"] for each in facts.values())}}


def infinity_training() -> dict[str, dict[str, Any]]:
    """Return the facts of the trainings behind shapes-infinity; the preview decoder is trained on a frozen encoder."""
    text = t5_encoder_flops(infinity.build_t5().config.to_dict(), TEXT_TOKENS)
    sample = teacher_forced_flops(infinity.CONFIG, tokenizer.SCHEDULE, TEXT_TOKENS) + text
    encode, decode = autoencoder_flops(tokenizer.build())
    return {
        "generator": run_facts("infinity", TRAINED * sample),
        "its latents": {"samples": infinity.PICTURES, "flops": infinity.PICTURES * encode},
        "tokenizer": run_facts("tokenizer", TRAINED * (encode + decode)),
        "preview decoder": run_facts("tokenizer-previews", encode + TRAINED * decode),
    }


def flux_training() -> dict[str, dict[str, Any]]:
    """Return the facts of the trainings behind shapes-flux."""
    models = flux.build()
    sample = t5_encoder_flops(dict(models["t5"].config.to_dict()), TEXT_TOKENS)  # type: ignore[union-attr,operator]
    sample += clip_text_flops(dict(models["clip"].config.to_dict()), TEXT_TOKENS)  # type: ignore[union-attr,operator]
    sample += flux_transformer_flops(models["transformer"].config, flux.GRID**2, TEXT_TOKENS)  # type: ignore[arg-type]
    encode, decode = autoencoder_flops(flux_vae.build())
    return {
        "generator": run_facts("flux", TRAINED * sample),
        "its latents": {"samples": flux.PICTURES, "flops": flux.PICTURES * encode},
        "autoencoder": run_facts("flux-vae", TRAINED * (encode + decode)),
    }


@torch.no_grad()
def autoencoder_flops(vae: nn.Module) -> tuple[int, int]:
    """Return the counted FLOPs of encoding one picture, and of decoding it."""
    image_1CHW = torch.zeros(1, 3, IMAGE_SIDE, IMAGE_SIDE)
    latents: list[torch.Tensor] = []

    def encode() -> None:
        encoded = vae.encode(image_1CHW)  # type: ignore[operator]
        latents.append(encoded if isinstance(encoded, torch.Tensor) else encoded.latent_dist.mean)

    return count_flops(encode), count_flops(lambda: vae.decode(latents[0]))  # type: ignore[operator]


def run_facts(name: str, sample_flops: int) -> dict[str, Any]:
    """Return steps, samples, seconds, last loss and FLOPs of a run; `sample_flops` is a sample's, backward included."""
    last = read_log(name)[-1]
    return {
        "steps": last["step"],
        "samples": last["samples"],
        "seconds": last["seconds"],
        "loss": last["loss"],
        "flops": sample_flops * last["samples"],
    }


def read_log(name: str) -> list[dict[str, Any]]:
    """Return the lines of a run's log."""
    lines = (Run(name).folder / LOG).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def recipe(*runs: str) -> str:
    """Return what the runs' notes say of settings that were changed while they ran."""
    return " ".join(note for name in runs if (note := Run(name).notes())) or AS_THEY_STAND
