"""Prices: what the operations of a search cost for one prompt, before they are run.

All columns except seconds are static and exact. Seconds are estimates from a calibration, so a budget in seconds also needs a
deadline.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from statistics import median
from typing import Any

from harness.compute.clock import PATCHES, Clock, scoring
from harness.compute.every_operation import every_operation
from harness.compute.ledger import Budget, Cost, Ledger, Unit
from harness.compute.meter import MeteredGenerator
from harness.compute.repeats import enough_to_start
from models.base import Family, Generator, Operation
from models.pair import Pair
from verifiers.base import Describing, Verifier, cascading

REFINING = "refining "
"""Prefix, in a calibration, of the names of operations of a pair's second model."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Measured seconds per row of each operation, in batches of the size that `calibrate` was given."""

    per_row: Mapping[tuple[str, int], float]
    """(operation, step) to seconds; for a step that was not measured, the mean over the operation's measured steps is used."""
    _means: dict[str, float] = field(default_factory=dict, init=False, repr=False, compare=False)

    def seconds(self, operation: str, step: int = 0) -> float:
        """Seconds of one row; raises KeyError for an operation that was never measured."""
        if (operation, step) in self.per_row:
            return self.per_row[operation, step]
        if operation not in self._means:
            known = [seconds for (name, _), seconds in self.per_row.items() if name == operation]
            if not known:
                raise KeyError(f"operation {operation!r} was not calibrated; measure it with calibrate()")
            self._means[operation] = sum(known) / len(known)
        return self._means[operation]

    def as_rows(self) -> list[list[str | int | float]]:
        """Everything that was measured, as [operation, step, seconds]."""
        return [[operation, step, seconds] for (operation, step), seconds in self.per_row.items()]

    @classmethod
    def from_rows(cls, rows: Sequence[Sequence[Any]]) -> Calibration:
        """The calibration that `as_rows` was called on; raises ValueError or TypeError for rows of another form."""
        return cls({(str(operation), int(step)): float(seconds) for operation, step, seconds in rows})

    def of_refining(self) -> Calibration:
        """The calibration of a pair's second model alone."""
        own = {key: each for key, each in self.per_row.items() if not key[0].startswith(REFINING)}
        own |= {(name.removeprefix(REFINING), step): each for (name, step), each in self.per_row.items() if name.startswith(REFINING)}
        return Calibration(own)


def calibrate(generator: Generator | Pair, verifiers: Sequence[Verifier], text: str, rows: int) -> Calibration:
    """Measure every operation on `rows` independent images of one prompt, after a warm-up of the same shape: the median of several
    times, of one where that takes long (`harness.compute.repeats.enough_to_start`)."""
    if isinstance(generator, Pair):
        draft, refine = (calibrate(one, verifiers, text, rows).per_row for one in (generator.draft, generator.refine))
        return Calibration({**draft, **{(REFINING + name, step): each for (name, step), each in refine.items()}})
    _measure(generator, verifiers, text, rows)
    clocks: list[Clock] = []
    while not enough_to_start([sum(timing.seconds for timing in clock.values()) for clock in clocks]):
        clocks.append(_measure(generator, verifiers, text, rows))
    return Calibration({key: median(clock[key].seconds / clock[key].rows for clock in clocks) for key in clocks[0]})


def _measure(generator: Generator, verifiers: Sequence[Verifier], text: str, rows: int) -> Clock:
    metered = MeteredGenerator(generator, Ledger(1))
    for _ in every_operation(generator, metered, verifiers, [text], rows):
        pass
    return metered.clock


class Prices:
    """Costs of one row (or, where a method says so, of one prompt), for a prompt of `text_tokens` tokens and one verifier."""

    def __init__(
        self,
        generator: Generator | Pair,
        verifier: Verifier,
        text_tokens: int,
        calibration: Calibration | None = None,
        text_paid: bool = False,
    ) -> None:
        """`text_paid`: the prompt's text has gone through generator and verifier."""
        self.refining: Prices | None = None
        """For a pair: prices of its second model; everything else here is of the first. The verifier's text pass is paid with the first."""
        if isinstance(generator, Pair):
            refined = calibration.of_refining() if calibration else None
            self.refining = Prices(generator.refine, verifier, generator.refine_tokens, refined)
            generator = generator.draft
        self.steps = generator.card.steps
        self.family: Family = generator.card.family
        self._generator, self._verifier, self._cascade = generator, verifier, cascading(verifier)
        deciding = self._cascade.stages[1] if self._cascade else verifier
        self.ranks = len(deciding.card.parts) > 1
        """Whether scores are ranks, which can be compared only within one pool."""
        self._tokens, self._calibration = text_tokens, calibration
        self._text_paid = text_paid
        self._priced = cache(self._price)
        self._plain = cache(self._without_evaluations)

    def check(self, budget: Budget) -> None:
        """Raise ValueError if `budget` is in seconds and nothing has been measured."""
        if budget.unit is Unit.SECONDS and self._calibration is None:
            raise ValueError(f"budget {budget} cannot be planned without measured speeds: calibrate() first")

    @cached_property
    def opened(self) -> Prices:
        """The same prices, for a prompt whose text has been paid for already."""
        return self if self._text_paid else Prices(self._generator, self._verifier, self._tokens, self._calibration, text_paid=True)

    def encode(self) -> Cost:
        """The prompt's text through the generator's encoders, once per prompt."""
        return self._priced("encode", 0)

    def predict(self, step: int) -> Cost:
        """Transformer pass of one row at `step`."""
        return self._priced("predict", step)

    def draw(self, step: int) -> Cost:
        """Random part of one row's step."""
        return self._priced("draw", step)

    def preview(self, step: int) -> Cost:
        """Preview of one row after `step` draws, without the prediction that it may need first."""
        return self._priced("preview", step)

    def decode(self) -> Cost:
        """Decode one finished row to an image."""
        return self._priced("decode", self.steps)

    def embed(self) -> Cost:
        """Encode one image that a row starts from (generators that are `Refinable`)."""
        return self._priced("embed", 0)

    def score(self) -> Cost:
        """Score one image by the verifier (of a cascade: by its first stage), without the pass of the prompt's text."""
        return self._scored(self._cascade.stages[0] if self._cascade else self._verifier)

    def settling(self, candidates: int) -> Cost:
        """Cost of a cascade's second stage at the end of a round with this many candidates; nothing for other verifiers."""
        return self._scored(self._cascade.stages[1]) * self._cascade.going(candidates) if self._cascade else Cost()

    def _scored(self, verifier: Verifier) -> Cost:
        seconds = self._calibration.seconds(scoring(verifier.card)) if self._calibration else 0.0
        return replace(verifier.price(1), seconds=seconds, verifier_seconds=seconds)

    def of(self, operation: str, step: int) -> Cost:
        """One row of "predict", "draw", "preview", "decode", "score" or "patches", without NFE: these are counted over a whole
        search (`harness/compute/nfe.py`)."""
        return self._plain(operation, step)

    def _without_evaluations(self, operation: str, step: int) -> Cost:
        if operation == "patches":
            return self.patches()
        cost = self.score() if operation == "score" else self._priced(operation, step)
        return replace(cost, nfe=0)

    def patches(self) -> Cost:
        """Compute the features of one image, by the network beside the verifier (`verifiers.base.Describing`)."""
        if not isinstance(self._verifier, Describing):
            raise ValueError(f"verifier {self._verifier.card.name} has no features beside it: verifiers.features.described")
        seconds = self._calibration.seconds(PATCHES) if self._calibration else 0.0
        return replace(self._verifier.patches_price(), seconds=seconds, verifier_seconds=seconds)

    def opening(self) -> Cost:
        """What a prompt costs once, in every search: its text through generator and verifier."""
        return Cost() if self._text_paid else self.encode() + self._verifier.price(0, 1)

    def path(self, first: int, last: int) -> Cost:
        """One row from `first` to `last` draws: the predictions and draws of these steps, without sharing."""
        return sum((self.predict(step) + self.draw(step) for step in range(first, last)), Cost())

    def image(self) -> Cost:
        """One complete independent image with its text and score, without `settling`: the minimum that any search costs."""
        return self._image

    @cached_property
    def _image(self) -> Cost:
        return self.opening() + self.path(0, self.steps) + self.decode() + self.score()

    def _price(self, operation: Operation, step: int) -> Cost:
        cost = self._generator.price(operation, step, self._tokens)
        return replace(cost, seconds=self._calibration.seconds(operation, step)) if self._calibration else cost
