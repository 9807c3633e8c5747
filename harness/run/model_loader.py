"""A model of a run into memory: from its weights or, to plan only, as an outline of nothing but its configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from harness.errors import RunFailed
from harness.memory import free_and_total, out_of_memory
from harness.model_spec import ModelSpec
from harness.run.timing import LOAD, Stopwatch
from harness.weights.local import build
from harness.weights.repository import gigabytes
from harness.weights.run_weights import Folders
from models.base import Generator
from models.offload import Offload
from models.random_weights import outlined
from models.sheet import sheet

LESS = "take a smaller size or dtype, --set offload=model or --set device=A,B (`vistas doctor` says what fits)"
_WIDENED = 2
"""Weights in memory are at most so many times their files: these have 16 bits a number or more, and computing has at most 32."""


@dataclass(frozen=True)
class ModelLoader:
    """Loads what `LoadedModels` asks for (`harness/run/loaded_models.py`)."""

    folders: Mapping[str, Folders | None]
    """By the model's text; None for an outline."""
    devices: Sequence[torch.device]
    offload: Offload
    watch: Stopwatch

    def __call__(self, spec: ModelSpec) -> Generator:
        """The model with its settings; raises RunFailed where memory does not hold it."""
        with self.watch.section(LOAD):
            folders = self.folders[spec.text]
            try:
                generator = self._build(spec, folders)
            except Exception as error:
                if not out_of_memory(error):
                    raise
                raise RunFailed(f"{spec.text} runs out of memory while it is loaded: {LESS}") from error
            smaller: Generator = generator.with_previews(spec.preview_shrink) if spec.preview_shrink > 1 else generator
            return smaller

    def _build(self, spec: ModelSpec, folders: Folders | None) -> Any:
        if folders is None:
            return outlined(spec.entry.row, spec.entry.row.merged(spec.overrides))
        self._check_room(spec, folders)
        return build(spec.entry, folders, self.devices[0], spec.overrides, self.offload, self.devices)

    def _check_room(self, spec: ModelSpec, folders: Folders) -> None:
        """Raise RunFailed where the weights alone are more than the devices have free, before minutes of reading them."""
        files = {path for folder in folders.values() for path in folder.rglob("*") if path.is_file()}
        free = sum(free_and_total(device)[0] for device in self.devices)
        if _WIDENED * sum(path.stat().st_size for path in files) <= free:  # no sheet is needed to know that
            return
        if not spec.published().sheet:  # another package's model need not have one
            return
        one = sheet(spec.published(), spec.published().merged(spec.overrides))
        needed, what = one.bytes_at_a_time(self.offload), "its largest network" if self.offload == "model" else "its weights"
        if needed > free:
            where = ",".join(map(str, self.devices))
            raise RunFailed(f"{spec.text} needs {gigabytes(needed)} for {what}, and {where} has {gigabytes(free)} free: {LESS}")
