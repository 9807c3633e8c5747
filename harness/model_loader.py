"""A model of a run into memory: from its weights or, to plan only, as an outline of nothing but its configuration."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from harness.choice import ModelChoice
from harness.errors import RunFailed
from harness.memory import out_of_memory
from harness.timing import LOAD, Stopwatch
from harness.weights.local import build
from harness.weights.located import Folders
from models.base import Generator
from models.random_weights import outlined


@dataclass(frozen=True)
class ModelLoader:
    """Loads what a shelf asks for (`harness/shelf.py`)."""

    folders: Mapping[str, Folders | None]
    """By the model's text; None for an outline."""
    devices: Sequence[torch.device]
    offload: str
    watch: Stopwatch

    def __call__(self, choice: ModelChoice) -> Generator:
        """The model with its settings; raises RunFailed where memory does not hold it."""
        with self.watch.section(LOAD):
            folders = self.folders[choice.text]
            try:
                generator = self._build(choice, folders)
            except Exception as error:
                if not out_of_memory(error):
                    raise
                raise RunFailed(
                    f"{choice.text} runs out of memory while it is loaded: take a smaller size or dtype, --set offload=model or "
                    "--set device=A,B (`vistas doctor` says what fits)"
                ) from error
            smaller: Generator = generator.with_previews(choice.preview_shrink) if choice.preview_shrink > 1 else generator
            return smaller

    def _build(self, choice: ModelChoice, folders: Folders | None) -> Any:
        if folders is None:
            return outlined(choice.entry.row, choice.entry.row.merged(choice.overrides))
        choice.entry.resolve()  # imports the libraries
        for library in ("diffusers", "transformers"):
            logging = sys.modules.get(f"{library}.utils.logging")
            if logging is not None:  # their bars, one for each file, drown what this program says
                logging.disable_progress_bar()
        return build(choice.entry, folders, self.devices[0], choice.overrides, self.offload, self.devices)
