"""The models of a run by name: those with published weights are in memory only while they are in use.

Models that come with the package are small and stay, as do outlines, which hold no weights. A run goes model by model, so that a
published one is loaded for its planning, and for its first unit again where another was in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from harness.memory import release
from harness.model_spec import ModelSpec
from models.base import Generator, ModelCard
from models.pair import Pair


class LoadedModels(Mapping[str, Any]):
    """Loads what is asked for and lets go of the published models that were asked for before; a pair is both its models.

    Who asks must not keep what the next one has to make room for: `before_release` is called to let go of it.
    """

    def __init__(self, specs: Mapping[str, ModelSpec], load: Callable[[ModelSpec], Generator]) -> None:
        self._specs, self._load = specs, load
        self._parts: dict[str, Generator] = {}
        self._pairs: dict[str, Pair] = {}
        self._cards: dict[str, ModelCard] = {}
        self._device = ""
        self.before_release: Callable[[], None] = lambda: None
        for text, one in self._members().items():
            if one.entry.row is None:
                self._parts[text] = load(one)

    def __getitem__(self, name: str) -> Any:
        spec = self._specs[name]
        self._make_room({one.text for one in spec.members})
        for one in spec.members:
            if one.text not in self._parts:
                self._parts[one.text] = self._load(one)
        if spec.pair and name not in self._pairs:
            self._pairs[name] = Pair(name, *(self._parts[one.text] for one in spec.members))
        model = self._pairs[name] if spec.pair else self._parts[name]
        self._cards[name], self._device = model.card, str(model.device)
        return model

    def __iter__(self) -> Iterator[str]:
        return iter(self._specs)

    def __len__(self) -> int:
        return len(self._specs)

    def __contains__(self, name: object) -> bool:
        return name in self._specs  # without loading it

    def card(self, name: str) -> ModelCard:
        """A model's card, which stays when the model is let go of."""
        return self._cards[name] if name in self._cards else self[name].card

    @property
    def device(self) -> str:
        """Where models compute; "" before any has been asked for."""
        return self._device

    def _members(self) -> dict[str, ModelSpec]:
        return {one.text: one for spec in self._specs.values() for one in spec.members}

    def _make_room(self, needed: set[str]) -> None:
        members = self._members()
        leaving = [
            text for text, model in self._parts.items()
            if text not in needed and members[text].entry.row is not None and str(model.device) != "meta"
        ]  # fmt: skip
        if leaving:
            self.before_release()
            self._pairs.clear()
            for text in leaving:
                del self._parts[text]
            release()
