"""Small models with the protocols' exact duties, for tests of what surrounds models; run as a script it is the command `vistas`."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from harness import registry
from harness.compute.ledger import Cost
from harness.registry import Entry
from models.base import Images, ModelCard, Row, first_step
from verifiers.base import Scores, VerifierCard

STEPS, SIZE, CELLS = 3, 48, 4
WORDS = 7
"""Of a prompt that the toys say they read."""
COST = {"encode": Cost(text_flops=7), "predict": Cost(forwards=1, model_flops=100), "draw": Cost(nfe=1),
        "preview": Cost(decode_flops=10), "decode": Cost(decode_flops=10, images=1), "embed": Cost(decode_flops=10)}  # fmt: skip


@dataclass(frozen=True)
class ToyConditioning:
    prompts: tuple[str, ...]
    text_tokens: tuple[int, ...]

    @property
    def text_truncated(self) -> tuple[bool, ...]:
        return tuple(tokens > WORDS for tokens in self.text_tokens)


@dataclass(frozen=True)
class ToyState:
    conditioning: ToyConditioning
    rows: tuple[Row, ...]
    values_BC: torch.Tensor
    parents: tuple[int, ...]
    """Rows of one parent share its prediction."""
    step: int = 0
    predicted: bool = False
    looks_ahead: bool = False
    """Whether a preview needs the next prediction."""

    @property
    def pending_preview(self) -> tuple[int, ...]:
        return self.pending if self.looks_ahead else ()

    @property
    def pending(self) -> tuple[int, ...]:
        first = {parent: row for row, parent in reversed(list(enumerate(self.parents)))}
        return () if self.predicted or self.step == STEPS else tuple(sorted(first.values()))


class ToyGenerator:
    """Every step adds noise that depends on the prompt and the seed; an image is a board of coloured cells."""

    device = torch.device("cpu")

    def __init__(self, name: str, family: str, device: Any = None) -> None:
        self.card = ModelCard(name, family, "shapes", STEPS, (SIZE, SIZE), 1, "0" * 64, "none", {"toy": True})
        self.encoded = 0
        """Prompts encoded so far."""
        self.delay = float(os.environ.get("TOY_DELAY", "0"))

    def encode(self, prompts: Sequence[str]) -> ToyConditioning:
        self.encoded += len(prompts)
        return ToyConditioning(tuple(prompts), self.text_tokens(prompts))

    def text_tokens(self, prompts: Sequence[str]) -> tuple[int, ...]:
        return tuple(len(prompt.split()) for prompt in prompts)

    def noise(self, seeds: Sequence[int]) -> torch.Tensor:
        return torch.stack([torch.randn(CELLS, generator=torch.Generator().manual_seed(seed)) for seed in seeds])

    def start(self, conditioning: Any, rows: Sequence[Row]) -> ToyState:
        if self.card.family == "ar":
            empty_BC = torch.zeros(len(rows), CELLS)
            return ToyState(conditioning, tuple(rows), empty_BC, tuple(row.prompt for row in rows))
        return self.start_from(conditioning, rows, self.noise([row.seed for row in rows]))

    def start_from(self, conditioning: Any, rows: Sequence[Row], noise_BX: torch.Tensor) -> ToyState:
        return ToyState(conditioning, tuple(rows), noise_BX.clone(), tuple(range(len(rows))))

    def predict(self, state: ToyState) -> ToyState:
        if self.delay:
            time.sleep(self.delay)
        return replace(state, predicted=True)

    def draw(self, state: ToyState, seeds: Sequence[int]) -> ToyState:
        if not state.predicted or len(seeds) != len(state.rows):
            raise ValueError("draw needs a predicted state and a seed a row")
        step_BC = self.noise(seeds) if self.card.family == "ar" else state.values_BC.roll(1, dims=1) * 0.5
        own = tuple(range(len(seeds)))
        return replace(
            state, values_BC=state.values_BC + step_BC, parents=own, step=state.step + 1, predicted=False
        )

    def select(self, state: ToyState, indices: Sequence[int]) -> ToyState:
        rows, parents = ([of[index] for index in indices] for of in (state.rows, state.parents))
        return replace(state, rows=tuple(rows), values_BC=state.values_BC[list(indices)], parents=tuple(parents))

    def preview(self, state: ToyState) -> Images:
        return self.decode(state)

    def decode(self, state: ToyState) -> Images:
        grey_BHW = torch.sigmoid(state.values_BC).reshape(-1, 2, 2).repeat_interleave(SIZE // 2, 1).repeat_interleave(SIZE // 2, 2)
        return (grey_BHW * 255).to(torch.uint8)[:, None].repeat(1, 3, 1, 1)

    def price(self, operation: str, step: int = 0, text_tokens: int = 0) -> Cost:
        cost = COST[operation]
        return cost + Cost(model_flops=text_tokens) if operation == "predict" else cost


class ToyPrefixed(ToyGenerator):
    """The autoregressive one."""

    def log_prob(self, state: ToyState) -> torch.Tensor:
        return -state.values_BC.double().square().sum(1)


class ToyNoisy(ToyGenerator):
    """Diffusion with every ability; it pads every prompt to one length."""

    def text_tokens(self, prompts: Sequence[str]) -> tuple[int, ...]:
        return (WORDS,) * len(prompts)

    def start_from(self, conditioning: Any, rows: Sequence[Row], noise_BX: torch.Tensor) -> ToyState:
        return replace(super().start_from(conditioning, rows, noise_BX), looks_ahead=True)

    def draw_stochastic(self, state: ToyState, seeds: Sequence[int], level: float = 1.0) -> ToyState:
        after = self.draw(state, seeds)
        return replace(after, values_BC=after.values_BC + level * self.noise(seeds))

    def renoise(self, state: ToyState, step: int, seeds: Sequence[int]) -> ToyState:
        return replace(state, values_BC=state.values_BC + self.noise(seeds), step=step, predicted=False)

    def mutate(self, state: ToyState, seeds: Sequence[int], rate: float) -> ToyState:
        return replace(state, values_BC=state.values_BC + rate * self.noise(seeds), parents=tuple(range(len(seeds))), predicted=False)

    def join(self, states: Sequence[ToyState]) -> ToyState:
        rows = tuple(row for state in states for row in state.rows)
        values_BC = torch.cat([state.values_BC for state in states])
        return replace(states[0], rows=rows, values_BC=values_BC, parents=tuple(range(len(rows))))

    def start_image(self, conditioning: Any, rows: Sequence[Row], images: Images, strength: float) -> ToyState:
        state = self.start(conditioning, rows)
        cells_BC = images[:, 0, :: SIZE // 2, :: SIZE // 2].reshape(-1, CELLS) / 255
        return replace(state, values_BC=cells_BC + strength * state.values_BC, step=first_step(strength, STEPS))


class ToyPainter(ToyGenerator):
    """A board of shapes: what the prompt asks for or, as often, what another prompt does."""

    def __init__(self, name: str, family: str, device: Any = None) -> None:
        from suites.drawbench.shapes import shapes_prompts as drawbench
        from suites.geneval.suite import GenEvalSuite
        from suites.t2i_compbench.shapes import shapes_prompts as compbench

        super().__init__(name, family)
        known = (*GenEvalSuite().prompts("shapes"), *drawbench(), *compbench())
        self.records = {prompt.text: prompt.metadata for prompt in known}

    def decode(self, state: ToyState) -> Images:
        from suites.shapes.renderer import render
        from suites.shapes.scenes import sample_scene

        scenes = []
        for row, values in zip(state.rows, state.values_BC, strict=True):
            rng = np.random.default_rng(int(values.abs().sum() * 1e6))
            others = list(self.records.values())
            own = self.records[state.conditioning.prompts[row.prompt]]
            scenes.append(sample_scene(rng, own if rng.random() < 0.5 else others[rng.integers(len(others))]))
        return render(scenes)


class ToyVerifier:
    """Scores are a fixed function of image and prompt."""

    def __init__(self, name: str, parts: Sequence[str], device: Any = None) -> None:
        self.card = VerifierCard(name, "shapes", (0.0, 1.0), tuple(parts) or (name,), "1" * 64, "none")

    def score(self, images: Images, prompts: Sequence[str]) -> Scores:
        pairs = zip(images, prompts, strict=True)
        values = [[self._one(image, prompt, part) for part in self.card.parts] for image, prompt in pairs]
        return Scores(np.array(values, dtype=np.float64).reshape(len(prompts), -1), ("",) * len(prompts))

    def truncated(self, prompts: Sequence[str]) -> tuple[bool, ...]:
        return tuple(self.card.name == "toy-judge" and len(prompt.split()) > WORDS for prompt in prompts)

    def forget(self) -> None:
        pass

    def combine(self, values_NM: np.ndarray) -> np.ndarray:
        if len(self.card.parts) == 1:
            return values_NM[:, 0]
        ranks = (-values_NM).argsort(0, kind="stable").argsort(0, kind="stable")
        return -ranks.mean(1).astype(np.float64)

    def price(self, images: int, new_prompts: int = 0) -> Cost:
        return Cost(verifier_flops=5 * images + 3 * new_prompts, verifier_calls=images)

    @staticmethod
    def _one(image: torch.Tensor, prompt: str, part: str) -> float:
        digest = hashlib.blake2b(image.numpy().tobytes() + f"{prompt}{part}".encode(), digest_size=4).digest()
        return int.from_bytes(digest, "big") / 2**32


toy_ar = partial(ToyPrefixed, "toy-ar", "ar")
toy_diffusion = partial(ToyGenerator, "toy-diffusion", "diffusion")
toy_noisy = partial(ToyNoisy, "toy-noisy", "diffusion")
toy_painter = partial(ToyPainter, "toy-painter", "diffusion")
toy_judge = partial(ToyVerifier, "toy-judge", ())
toy_other = partial(ToyVerifier, "toy-other", ())
toy_pair = partial(ToyVerifier, "toy-pair", ("toy-judge", "toy-other"))
"""Called with a device, as loaders are."""
MODELS = {
    "toy-ar": Entry("toy_world:toy_ar", "toy", "ar", "shapes", "toy_world:ToyPrefixed"),
    "toy-diffusion": Entry("toy_world:toy_diffusion", "toy", "diffusion", "shapes", "toy_world:ToyGenerator"),
    "toy-noisy": Entry("toy_world:toy_noisy", "toy", "diffusion", "shapes", "toy_world:ToyNoisy"),
    "toy-painter": Entry("toy_world:toy_painter", "toy", "diffusion", "shapes", "toy_world:ToyPainter"),
}
VERIFIERS = {
    "toy-judge": Entry("toy_world:toy_judge", "toy", domain="shapes"),
    "toy-other": Entry("toy_world:toy_other", "toy", domain="shapes"),
    "toy-pair": Entry("toy_world:toy_pair", "toy", domain="shapes", ensemble=True),
}
"""Registered for a test under the names of this module, which its folder on sys.path makes importable."""


def use_toys(monkeypatch: Any) -> None:
    """Add the toys to the registry of this process for one test."""
    for table, toys in ((registry.MODELS, MODELS), (registry.VERIFIERS, VERIFIERS)):
        for name, entry in toys.items():
            monkeypatch.setitem(table, name, entry)


if __name__ == "__main__":
    from harness.cli import main

    registry.MODELS.update(MODELS)  # type: ignore[attr-defined]
    registry.VERIFIERS.update(VERIFIERS)  # type: ignore[attr-defined]
    main()
