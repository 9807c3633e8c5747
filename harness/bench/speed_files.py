"""Speeds that `vistas bench-model --csv FILE` has measured, of the models and verifiers of a plan on any machine."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from harness.assignments import members_of, name_of
from harness.bench.measured import SEARCH
from harness.bench.origin import Origin
from harness.compute.clock import PATCHES, scoring
from harness.compute.speeds import Speeds, Swing
from harness.errors import WrongInput
from models.base import ModelCard
from models.pair import Pair
from verifiers.base import Verifier, cascading

if TYPE_CHECKING:
    from models.offload import Offload

_OF_MODELS = ("encode", "predict", "draw", "preview", "decode", "embed")


class Line(NamedTuple):
    """A call, measured so often; files of before calls were repeated have all of them once."""

    operation: str
    step: int
    rows: int
    seconds: float
    lowest: float
    highest: float
    calls: int


@dataclass(frozen=True)
class ModelSpeeds:
    """Of one model of a plan, or of a pair."""

    speeds: Speeds
    told: tuple[str, ...]
    """Where they come from and how the planned model differs, a sentence each."""
    origins: tuple[Origin, ...]
    """What was measured: of a pair that of each model."""


class SpeedFiles:
    """Figures of one or more files, by what they are of."""

    def __init__(self, figures: Mapping[Origin, Sequence[Line]], offload: Offload = "none") -> None:
        """`offload`: how models are to be offloaded."""
        self._figures, self._offload = figures, offload

    @classmethod
    def read(cls, files: Sequence[Path], models: Sequence[str], offload: Offload = "none") -> SpeedFiles:
        """What `--tiny` has shrunk, verifiers too, is left out.

        Raises WrongInput for a file that bench-model has not written, and for a model, or part of a pair, that none is of.
        """
        figures: dict[Origin, list[Line]] = {}
        for file in files:
            for origin, line in _lines(file):
                figures.setdefault(origin, []).append(line)
        shrunk = {origin for origin in figures if _tiny(origin)}
        of_use = {origin: lines for origin, lines in figures.items() if origin not in shrunk}
        measured = [name_of(origin.model) for origin in of_use]
        for name in dict.fromkeys(name_of(member) for text in models for member in members_of(text)):
            if name not in measured:
                if tiny := next((origin.model for origin in shrunk if name_of(origin.model) == name), ""):
                    raise WrongInput(f"--speeds has {tiny} shrunk by --tiny, which says nothing of {name}: measure it without --tiny")
                raise WrongInput(
                    f"--speeds says nothing of {name}: measure it where it shall run, with vistas bench-model {name} --random-weights "
                    f"--batch 1,8,32 --prompts 8 --verifier … --csv {name}.csv, and add --speeds {name}.csv"
                )
        return cls(of_use, offload)

    def of(self, text: str, model: Any, verifiers: Sequence[Verifier]) -> ModelSpeeds:
        """Of a loaded model, or pair, and the verifiers: operations that were not measured last nothing (`Speeds.unmeasured`).

        Raises WrongInput for an autoregressive model of another number of steps, none of which is like another.
        """
        if isinstance(model, Pair):
            draft, refine = (self.of(*one, verifiers) for one in zip(members_of(text), (model.draft, model.refine), strict=True))
            return ModelSpeeds(draft.speeds.refined_by(refine.speeds), (*draft.told, *refine.told), (*draft.origins, *refine.origins))
        origin = self._nearest(text, model.card)
        lines = [*self._judged_beside(origin), *self._figures[origin]]
        measured = Speeds.of(line[:4] for line in lines)
        scores = [scoring(stage.card) for one in verifiers for stage in getattr(cascading(one), "stages", (one,))]
        filled = measured.filled([*_OF_MODELS, PATCHES, *scores])
        return ModelSpeeds(filled, tuple(self._told(text, origin, model.card, lines)), (origin,))

    def _nearest(self, text: str, card: ModelCard) -> Origin:
        """What was measured of the model with the fewest other settings."""
        own = [origin for origin in self._figures if name_of(origin.model) == name_of(text)]
        nearest = min(own, key=lambda origin: len([*origin.differences(card, self._offload)]))
        same = [origin for origin in own if (origin.model, origin.settings) == (nearest.model, nearest.settings)]
        if len(same) > 1:
            where = " and ".join(f"{origin.device} ({origin.versions})" for origin in same)
            raise WrongInput(f"--speeds has {nearest.model} twice, from {where}: give the file of one")
        if card.family == "ar" and (measured := len(self._steps(nearest))) != card.steps:
            raise WrongInput(f"--speeds has {nearest.model} in {measured} steps, and {text} has {card.steps}: measure {text} itself")
        return nearest

    def _steps(self, origin: Origin) -> set[int]:
        return {line.step for line in self._figures[origin] if line.operation == "predict"}

    def _judged_beside(self, origin: Origin) -> Iterator[Line]:
        """Verifiers that were measured on the same device beside another model, and not beside this one."""
        own = {line.operation for line in self._figures[origin]}
        for other, lines in self._figures.items():
            if other.device == origin.device:
                yield from (line for line in lines if line.operation not in {*own, *_OF_MODELS})

    def _told(self, text: str, origin: Origin, card: ModelCard, lines: Sequence[Line]) -> Iterator[str]:
        sizes = ", ".join(map(str, sorted({line.rows for line in lines})))
        once = ", each call once" if all(line.calls == 1 for line in lines) else ""
        yield f"speeds of {text}: measured on {origin.device} with {origin.versions}, in batches of {sizes}{once}"
        swing = Swing.of((line.seconds, line.lowest, line.highest) for line in lines)
        if swing.told:
            yield f"speeds of {text}: {swing.told}"
        differing = ", ".join(origin.differences(card, self._offload))
        if differing:
            yield f"speeds of {text}: measured of {origin.model} with {differing}"


def _tiny(origin: Origin) -> bool:
    return bool(json.loads(origin.settings).get("tiny"))


def _line(row: Mapping[str, str]) -> tuple[Origin, Line]:
    """Raises KeyError, ValueError or TypeError for what bench-model does not write."""
    origin = Origin(*(row[one.name] for one in fields(Origin)))
    dict(json.loads(origin.settings))
    rows, seconds, calls = int(row["rows"]), float(row["seconds"]), int(row.get("calls", 1))
    lowest, highest = (float(row.get(f"seconds_{end}", seconds)) for end in ("lowest", "highest"))
    if rows < 1 or calls < 1 or not 0 <= lowest <= seconds <= highest < inf:
        raise ValueError(f"{rows} rows in {seconds} s, from {lowest} to {highest} s in {calls} calls")
    return origin, Line(row["operation"], int(row["step"]), rows, seconds, lowest, highest, calls)


def _lines(file: Path) -> Iterator[tuple[Origin, Line]]:
    """Raises WrongInput."""
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        yield from (_line(row) for row in rows if row["operation"] != SEARCH)
    except OSError as error:
        raise WrongInput(f"--speeds {file} cannot be read ({error.strerror}): give a file of vistas bench-model --csv") from error
    except (KeyError, ValueError, TypeError) as error:
        raise WrongInput(f"--speeds {file} is no file of vistas bench-model --csv ({error!r}): measure again") from error
    if not rows:
        raise WrongInput(f"--speeds {file} has no figures: measure again with vistas bench-model --csv")
