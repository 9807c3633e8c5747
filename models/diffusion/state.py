"""Diffusion candidates as a value: distinct latents, and for each row which of them is its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from models.base import Row
from models.row_checks import check_selection


@dataclass(frozen=True, slots=True, eq=False)
class DiffusionConditioning:
    """Encoded prompts: each tensor of `text` has the prompts P as its first dimension, and the adapter reads it."""

    prompts: tuple[str, ...]
    text_tokens: tuple[int, ...]
    text: tuple[torch.Tensor, ...]
    text_truncated: tuple[bool, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class DiffusionState:
    """B rows sharing U <= B distinct latents: copies made by `select` stay one until a stochastic draw parts them."""

    conditioning: DiffusionConditioning
    rows: tuple[Row, ...]
    step: int
    steps: int
    """K: at this step the rows are finished."""
    latents_UX: torch.Tensor
    prompt_U: torch.Tensor
    """int64 on the latents' device: the prompt of each distinct latents."""
    source: tuple[int, ...]
    """For each row the index of its latents, 0 to U - 1, numbered by first appearance."""
    prediction_UX: torch.Tensor | None = None
    memory_UX: torch.Tensor | None = None
    """What a multistep sampler knows of the step before; none at a row's start, and after a stochastic step."""

    @property
    def pending(self) -> tuple[int, ...]:
        """The first row of each distinct latents that the next `predict` passes through the transformer."""
        if self.prediction_UX is not None or self.step == self.steps:
            return ()
        return tuple(self.source.index(u) for u in range(len(self.latents_UX)))

    @property
    def pending_preview(self) -> tuple[int, ...]:
        """Rows whose prediction a preview needs first: the same as `pending`; finished rows need none."""
        return self.pending

    def text_U(self) -> tuple[torch.Tensor, ...]:
        """The text features of each distinct latents' prompt."""
        return tuple(tensor.index_select(0, self.prompt_U) for tensor in self.conditioning.text)

    def spread(self, values_UX: torch.Tensor) -> torch.Tensor:
        """One entry per distinct latents -> one per row [B, ...]."""
        if len(self.source) == len(values_UX):
            return values_UX
        return values_UX[torch.tensor(self.source, device=values_UX.device)]

    def parted(self, step: int, latents_BX: torch.Tensor) -> DiffusionState:
        """The rows at another step, each with latents of its own."""
        return replace(
            self,
            step=step,
            latents_UX=latents_BX,
            prompt_U=self.spread(self.prompt_U),
            source=tuple(range(len(self.rows))),
            prediction_UX=None,
            memory_UX=None,
        )

    def select(self, indices: Sequence[int]) -> DiffusionState:
        """Rows by index, with repetition; copies share everything. Raises IndexError and, for no rows, ValueError."""
        check_selection(indices, len(self.rows))
        chosen = [self.source[i] for i in indices]
        kept = list(dict.fromkeys(chosen))
        number = {old: new for new, old in enumerate(kept)}
        selected = replace(self, rows=tuple(self.rows[i] for i in indices), source=tuple(number[old] for old in chosen))
        if kept == list(range(len(self.latents_UX))):
            return selected
        index = torch.tensor(kept, device=self.latents_UX.device)
        prediction, memory = self.prediction_UX, self.memory_UX
        return replace(
            selected,
            latents_UX=self.latents_UX[index],
            prompt_U=self.prompt_U[index],
            prediction_UX=None if prediction is None else prediction[index],
            memory_UX=None if memory is None else memory[index],
        )


def joined(states: Sequence[DiffusionState]) -> DiffusionState:
    """The rows of several states, in order. Raises ValueError where they differ in step, in what is predicted or remembered."""
    first = states[0]
    kinds = {(state.step, state.prediction_UX is None, state.memory_UX is None) for state in states}
    if len(kinds) != 1:
        raise ValueError(f"states at (step, unpredicted, without memory) {sorted(kinds)} cannot be joined; bring them to one step alike")
    offsets = [sum(len(state.latents_UX) for state in states[:index]) for index in range(len(states))]
    predictions = [state.prediction_UX for state in states if state.prediction_UX is not None]
    memories = [state.memory_UX for state in states if state.memory_UX is not None]
    return replace(
        first,
        rows=tuple(row for state in states for row in state.rows),
        latents_UX=torch.cat([state.latents_UX for state in states]),
        prompt_U=torch.cat([state.prompt_U for state in states]),
        source=tuple(offset + own for offset, state in zip(offsets, states, strict=True) for own in state.source),
        prediction_UX=torch.cat(predictions) if predictions else None,
        memory_UX=torch.cat(memories) if memories else None,
    )
