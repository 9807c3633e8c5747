"""What every training script shares: seeded threads, resumable runs with atomic checkpoints, averaged weights, logs."""

import hashlib
import json
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from models.shapes.muon import MuonWithAdamW

RUNS = Path("training/shapes")
"""Beside where a script is started, as a run's folder is: a package that is installed is not written into."""
LOG = "log.jsonl"
NOTES = "notes.txt"
MUON_RATE, ADAM_RATE = 3e-3, 1.5e-3
"""Of the generators."""
EVERY, SAVE_EVERY = 50, 200
"""Steps between two lines of the log, and between two checkpoints."""


def prepare(seed: int) -> torch.device:
    """Seed the generator and return where to train: the first GPU, else the processor.

    On a processor one thread per process is fastest, and denormals are flushed; on a GPU float32 products may use TF32.
    Everything random is drawn on the processor and then moved, so that both draw the same.
    """
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.set_float32_matmul_precision("high")
    torch.manual_seed(seed)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def cosine(step: int, steps: int, warmup: int = 100) -> float:
    """Return the factor of the learning rate: linear warm-up, then half a cosine to zero."""
    return min(1.0, (step + 1) / warmup) * 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))


def linear_tail(step: int, steps: int, warmup: int = 100, tail: float = 0.4) -> float:
    """Return the factor of the learning rate: warm-up, constant, then linear to zero over the last `tail` part."""
    return min(1.0, (step + 1) / warmup, max(0.0, (steps - step) / (tail * steps)))


class Average:
    """Exponential moving average of a module's parameters, with a short horizon in the first steps."""

    def __init__(self, module: nn.Module, decay: float = 0.998) -> None:
        self.decay = decay
        self.weights = {name: value.detach().clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Move towards the module's present weights."""
        decay = min(self.decay, (1 + step) / (10 + step))
        now = {name: value for name, value in module.state_dict().items() if value.is_floating_point()}
        torch._foreach_lerp_([self.weights[name] for name in now], list(now.values()), 1 - decay)


class Run:
    """A training run's folder, which is there once something is written: checkpoint, log of JSON lines, clock over all its restarts."""

    def __init__(self, name: str) -> None:
        self.folder = RUNS / name
        self.started = time.monotonic()
        self.earlier_seconds = 0.0

    @property
    def seconds(self) -> float:
        """Wall time spent in this run, restarts included."""
        return self.earlier_seconds + time.monotonic() - self.started

    def load(self) -> dict[str, Any] | None:
        """Return the last checkpoint, or None in a fresh folder."""
        path = self.folder / "checkpoint.pt"
        if not path.exists():
            return None
        state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
        self.earlier_seconds = float(state["seconds"])
        return state

    def save(self, **state: Any) -> None:
        """Write the checkpoint atomically."""
        partial = self._made() / "checkpoint.partial"
        torch.save({**state, "seconds": self.seconds}, partial)
        os.replace(partial, self.folder / "checkpoint.pt")

    def note(self, text: str) -> None:
        """Write notes.txt of the run's folder: what its settings were where they are not those of the script."""
        (self._made() / NOTES).write_text(text + "\n", encoding="utf-8")

    def notes(self) -> str:
        """Return notes.txt of the run's folder; empty without one."""
        path = self.folder / NOTES
        return " ".join(path.read_text(encoding="utf-8").split()) if path.exists() else ""

    def log(self, **values: Any) -> None:
        """Append one line of JSON and print it."""
        line = json.dumps({"seconds": round(self.seconds, 1), **values})
        with (self._made() / LOG).open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")
        print(line, flush=True)

    def _made(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder


def restore(run: Run, module: nn.Module, average: Average, optimizer: Any) -> int:
    """Put a run's last checkpoint back and return its step, 0 in a fresh folder.

    A run made of shipped weights (`models/shapes/resume.py`) holds no moments of the optimiser, which then begin at zero.
    """
    state = run.load()
    if state is None:
        return 0
    module.load_state_dict(state["model"])
    for part, weight in average.weights.items():
        weight.copy_(state["average"][part])
    if "optimizer" in state:
        optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])


def fit(
    run: Run,
    models: nn.ModuleDict,
    heads: Iterable[str],
    loss_of: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    batches: Callable[[int], Iterator[tuple[torch.Tensor, torch.Tensor]]],
    seed: int,
    steps: int,
    **kept: torch.Tensor,
) -> Path:
    """Train a generator on batches of latents and captions, from where its run stopped; returns the run's folder.

    `heads` are trained by AdamW, `batches` begin at a step, and `kept` goes into every checkpoint.
    """
    average = Average(models)
    optimizer = MuonWithAdamW(models.children(), MUON_RATE, ADAM_RATE, heads)
    first = restore(run, models, average, optimizer)
    losses = []
    for step, (latents, ids) in zip(range(first, steps), batches(first), strict=False):
        torch.manual_seed(seed * 1_000_003 + step)
        loss = loss_of(latents, ids)
        loss.backward()
        nn.utils.clip_grad_norm_(models.parameters(), 1.0)
        optimizer.step(linear_tail(step, steps))
        average.update(models, step)
        losses.append(loss.detach())
        if (step + 1) % EVERY == 0:
            run.log(step=step + 1, samples=(step + 1) * len(ids), loss=torch.stack(losses).mean().item())
            losses.clear()
        if (step + 1) % SAVE_EVERY == 0 or step + 1 == steps:
            run.save(model=models.state_dict(), average=average.weights, optimizer=optimizer.state_dict(), step=step + 1, **kept)
    return run.folder


def hash_of(module: nn.Module) -> str:
    """Return the SHA-256 of a module's weights, names included."""
    digest = hashlib.sha256()
    for name, value in module.state_dict().items():
        digest.update(name.encode() + value.cpu().numpy().tobytes())
    return digest.hexdigest()


def averaged_weights(name: str) -> dict[str, torch.Tensor]:
    """Return the averaged weights of a run.

    Raises:
        FileNotFoundError: the run has no checkpoint yet.
    """
    state = Run(name).load()
    if state is None:
        raise FileNotFoundError(f"run {name!r} has no checkpoint; run `python -m models.shapes.train {name}` first")
    return dict(state["average"])
