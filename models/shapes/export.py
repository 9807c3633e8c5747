"""Writes the shipped weight folders from the training runs: `python -m models.shapes.export infinity flux`.

shapes-infinity is our own folder format with its text encoder beside it; shapes-flux is a standard diffusers pipeline.
All weights are averaged ones in float32.
"""

import argparse
import json
import shutil
from dataclasses import asdict
from pathlib import Path

from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline

from models.diffusion.flux import FluxSettings
from models.infinity.pretrained import InfinityParts, save_pretrained
from models.infinity.sampling import Sampling
from models.shapes import tokenizer
from models.shapes.card import write_card
from models.shapes.evaluate import FluxSampler, InfinitySampler
from models.shapes.facts import RUNS_OF
from models.shapes.load import LOGS, SETTINGS, TEXT_ENCODER, TOKENIZER
from models.shapes.text import TEXT_TOKENS, build_tokenizer
from models.shapes.training_loop import LOG, Run
from suites.shapes.vocabulary import IMAGE_SIDE

FOLDER = Path(__file__).parent / "weights"

INFINITY_SAMPLING = Sampling(guidance=2.5, temperature=(1.0, 0.8, 0.6, 0.5, 0.4))
FLUX_SETTINGS = FluxSettings(
    steps=10,
    guidance_scale=1.0,
    true_cfg_scale=3.0,
    height=IMAGE_SIDE,
    width=IMAGE_SIDE,
    max_sequence_length=TEXT_TOKENS,
)


def export_infinity(folder: Path) -> None:
    """Write shapes-infinity with its tokenizer and text encoder."""
    sampler = InfinitySampler.load()
    transformer = sampler.models["transformer"]
    save_pretrained(InfinityParts(transformer, sampler.vae, tokenizer.SCHEDULE, INFINITY_SAMPLING), folder)  # type: ignore[arg-type]
    sampler.models["t5"].save_pretrained(folder / TEXT_ENCODER)  # type: ignore[operator]
    build_tokenizer().save_pretrained(folder / TOKENIZER)


def export_flux(folder: Path) -> None:
    """Write shapes-flux; the VAE's scale and shift are those of the latents it was trained on."""
    sampler = FluxSampler.load()
    sampler.vae.register_to_config(scaling_factor=sampler.scale, shift_factor=sampler.shift)
    words = build_tokenizer()
    pipeline = FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=1.0, use_dynamic_shifting=False),
        vae=sampler.vae,
        text_encoder=sampler.models["clip"],
        tokenizer=words,
        text_encoder_2=sampler.models["t5"],
        tokenizer_2=words,
        transformer=sampler.models["transformer"],
    )
    pipeline.save_pretrained(folder, safe_serialization=True)
    (folder / SETTINGS).write_text(json.dumps(asdict(FLUX_SETTINGS), indent=1) + "\n", encoding="utf-8")


def save_logs(model: str, folder: Path) -> None:
    """Put the logs of the trainings beside the weights, so that training can go on from them (`models/shapes/resume.py`)."""
    (folder / LOGS).mkdir()
    for name in RUNS_OF[model]:
        shutil.copyfile(Run(name).folder / LOG, folder / LOGS / f"{name}.jsonl")


def main() -> None:
    """Export the models named, and measure each for its card."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", choices=("infinity", "flux"))
    options = parser.parse_args()
    for model in options.models:
        folder = FOLDER / f"shapes-{model}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if model == "infinity":
            export_infinity(folder)
        else:
            export_flux(folder)
        for path in folder.rglob("*.safetensors"):
            path.chmod(0o644)
        save_logs(model, folder)
        print(json.dumps(write_card(model, folder), indent=1))


if __name__ == "__main__":
    main()
