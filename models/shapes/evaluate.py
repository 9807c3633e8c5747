"""Samples a generator under training with its averaged weights and grades the pictures by geneval@shapes.

`python -m models.shapes.evaluate flux --prompts 120 --guidance 3` prints the score of each task and saves a sheet.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from models.infinity.generation import generation
from models.infinity.rollout import Rollout
from models.infinity.sampling import Sampling, draw_by_row
from models.infinity.vae import InfinityVAE
from models.pixels import floored
from models.shapes import flux, infinity, tokenizer
from models.shapes.reconstruction import save_sheet
from models.shapes.text import build_tokenizer, token_ids
from models.shapes.training_loop import RUNS, Run, averaged_weights
from suites.base import Prompt
from suites.geneval.suite import GenEvalSuite
from suites.geneval.summary import summarize
from suites.sample import sample
from suites.shapes.oracle import soft_scores

PROMPT_SEED = 0


@dataclass(frozen=True)
class FluxSampler:
    """shapes-flux from a checkpoint: Euler steps of the rectified flow with classifier-free guidance."""

    models: nn.ModuleDict
    vae: Any
    shift: float
    scale: float

    @classmethod
    def load(cls, name: str = "flux") -> "FluxSampler":
        """Take the averaged weights of a run."""
        models = flux.build().eval()
        models.load_state_dict(averaged_weights(name))
        state = Run(name).load()
        assert state is not None
        return cls(models, flux.load_vae(), float(state["shift"]), float(state["scale"]))

    @torch.no_grad()
    def __call__(self, captions: Sequence[str], seed: int, steps: int = 10, guidance: float = 3.0) -> torch.Tensor:
        """Return one picture for each caption, uint8 [N, 3, H, W]."""
        ids = token_ids(build_tokenizer(), captions)
        both = torch.cat([ids, flux.empty_caption().expand_as(ids)])
        latents = torch.randn(len(ids), 36, 24, generator=torch.Generator().manual_seed(seed))
        for step in range(steps):
            time = torch.full((2 * len(ids),), 1 - step / steps)
            asked, free = flux.velocity(self.models, torch.cat([latents, latents]), time, both).chunk(2)
            latents = latents - (free + guidance * (asked - free)) / steps
        cells = latents.view(-1, 6, 6, 6, 2, 2).permute(0, 3, 1, 4, 2, 5).reshape(-1, 6, 12, 12)
        return floored(self.vae.decode(cells / self.scale + self.shift).sample)


@dataclass(frozen=True)
class InfinitySampler:
    """shapes-infinity from a checkpoint."""

    models: nn.ModuleDict
    vae: InfinityVAE

    @classmethod
    def load(cls, name: str = "infinity", vae: str = "tokenizer-previews") -> "InfinitySampler":
        """Take the averaged weights of a run and of a tokenizer."""
        models = infinity.build().eval()
        models.load_state_dict(averaged_weights(name))
        return cls(models, infinity.load_vae(vae))

    @torch.no_grad()
    def features(self, captions: Sequence[str], seed: int, sampling: Sampling) -> list[torch.Tensor]:
        """Return the sum of codes after each scale, [N, d, h, w] each."""
        rollout = Rollout(self.models["transformer"], tokenizer.SCHEDULE, sampling)  # type: ignore[arg-type]
        text = infinity.text_features(self.models["t5"], token_ids(build_tokenizer(), captions))
        offsets = iter(range(len(tokenizer.SCHEDULE)))

        def draw(p_BnD: torch.Tensor) -> torch.Tensor:
            scale = next(offsets)
            return draw_by_row(p_BnD, [seed * 1_000_003 + 1009 * row + scale for row in range(len(p_BnD))])

        return generation(rollout, text, draw).features

    def __call__(self, captions: Sequence[str], seed: int, sampling: Sampling) -> torch.Tensor:
        """Return one picture for each caption, uint8 [N, 3, H, W]."""
        return floored(self.vae.decode(self.features(captions, seed, sampling)[-1]))


def shapes_prompts(count: int) -> tuple[Prompt, ...]:
    """Return `count` prompts of geneval@shapes, spread evenly over its tasks."""
    return sample(GenEvalSuite().prompts("shapes"), count, PROMPT_SEED)


def task_scores(images: torch.Tensor, prompts: Sequence[Prompt]) -> dict[str, float]:
    """Return the share of correct pictures of each task, their mean as "overall", and the mean soft score."""
    summary = summarize(GenEvalSuite().grade(images, prompts, "shapes"), prompts)
    soft = soft_scores(images, [prompt.metadata for prompt in prompts]).mean().item()
    scores = {"overall": summary.overall, **summary.tasks, "soft": soft}
    return {name: round(score, 3) for name, score in scores.items()}


def evaluate(
    sampler: FluxSampler | InfinitySampler, prompts: Sequence[Prompt], sheet: str, **settings: Any
) -> Mapping[str, float]:
    """Sample one picture for each prompt, save the sheet, and return the scores."""
    captions = [prompt.text for prompt in prompts]
    images = torch.cat([sampler(captions[i : i + 40], i, **settings) for i in range(0, len(captions), 40)])
    save_sheet(images, sheet)
    return task_scores(images, prompts)


def per_scale(text: str) -> float | tuple[float, ...]:
    """Parse one number, or one for each scale separated by commas."""
    values = tuple(float(part) for part in text.split(","))
    return values[0] if len(values) == 1 else values


def main() -> None:
    """Evaluate one generator."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=("flux", "infinity"))
    parser.add_argument("--prompts", type=int, default=120)
    parser.add_argument("--guidance", type=per_scale, default=3.0)
    parser.add_argument("--temperature", type=per_scale, default=1.0)
    parser.add_argument("--top-p", type=float, default=0.97)
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    prompts, sheet = shapes_prompts(options.prompts), str(RUNS / f"{options.model}.png")
    if options.model == "flux":
        scores = evaluate(FluxSampler.load(), prompts, sheet, steps=options.steps, guidance=options.guidance)
    else:
        sampling = Sampling(guidance=options.guidance, temperature=options.temperature, top_p=options.top_p)
        scores = evaluate(InfinitySampler.load(), prompts, sheet, sampling=sampling)
    print(json.dumps(scores))


if __name__ == "__main__":
    main()
