"""The training loop that the embedded verifiers share: seeded, resumable, on averaged weights."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import nn

from models.shapes.facts import recipe
from models.shapes.muon import MuonWithAdamW
from models.shapes.training_loop import RUNS, Average, Run, linear_tail, prepare
from verifiers.shapes.generated_pool import load_generated
from verifiers.shapes.pool import Groups, batches, join, load_pool

SEED = 0
SHARDS = 48
"""Of drawn pictures."""
GENERATED_SHARDS = 16
"""Of each generator's pictures."""
GROUPS_PER_BATCH = 32
POOL = RUNS / "verifier-pool"
EVERY = 50
HELD_OUT_SEED = 2**31
"""Pictures drawn under this seed are never trained on."""

Loss = Callable[[Groups], dict[str, torch.Tensor]]
"""Named parts of the loss of one batch; their sum is minimised."""


@dataclass(frozen=True)
class Fitted:
    """What a training run took and gave."""

    steps: int
    pictures: int
    seconds: float
    losses: dict[str, float]
    recipe: str


def pictures_of(groups: Groups) -> torch.Tensor:
    """Return all pictures of the groups as the networks take them: float32 [G * 3, C, H, W] in -1 to 1."""
    return torch.from_numpy(groups.images).flatten(0, 1).float() / 127.5 - 1


def fit(name: str, module: nn.Module, loss: Loss, steps: int, lr: float, heads: Iterable[str]) -> Fitted:
    """Train the module in place, resuming where an earlier run under this name stopped; it ends with averaged weights."""
    prepare(SEED)
    run = Run(name)
    optimizer = MuonWithAdamW([module], lr=lr, adam_lr=lr, heads=heads)
    average, first, recent = Average(module), 0, {}
    if state := run.load():
        module.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        average.weights, first, recent = state["average"], int(state["step"]), state["losses"]
    stream = batches(training_pool(SHARDS, GENERATED_SHARDS), SEED, GROUPS_PER_BATCH, first)
    module.train()
    for step in range(first, steps):
        torch.manual_seed(SEED * 1_000_003 + step)
        parts = loss(next(stream))
        torch.stack(list(parts.values())).sum().backward()
        nn.utils.clip_grad_norm_(module.parameters(), 2.0)
        optimizer.step(linear_tail(step, steps))
        average.update(module, step)
        recent = {key: 0.95 * recent.get(key, value.item()) + 0.05 * value.item() for key, value in parts.items()}
        if (step + 1) % EVERY == 0 or step + 1 == steps:
            run.log(step=step + 1, **{key: round(value, 4) for key, value in recent.items()})
            run.save(
                model=module.state_dict(),
                average=average.weights,
                optimizer=optimizer.state_dict(),
                step=step + 1,
                losses=recent,
            )
    module.load_state_dict(average.weights)
    module.eval()
    return Fitted(steps, steps * GROUPS_PER_BATCH * 3, run.seconds, recent, recipe(name))


def training_pool(shards: int, generated_shards: int) -> Groups:
    """Return drawn pictures and those of every generator."""
    return join([load_pool(POOL, SEED, shards), load_generated(POOL, SEED, generated_shards)])


def held_out() -> Groups:
    """Return groups that no training has seen."""
    return load_pool(POOL, HELD_OUT_SEED, shards=2)
