"""A cascade: a cheap verifier for every candidate of a round, an expensive one for the best few of each prompt.

Who is among the best shows when the round is over, so it is a rule of rounds (`harness/search/rounds.py`), which run the
stages one after the other and charge what each has really been given.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

from harness.compute.ledger import Cost
from models.base import Images
from verifiers.base import Scores, Verifier, asked, joined_reasons, joint_card, members_of


class Cascade:
    """Two verifiers in stages; `score` asks both about everything, as a metric is measured and not as a round is judged."""

    def __init__(self, cheap: Verifier, expensive: Verifier, name: str, keep: int | None) -> None:
        """`keep`: candidates of one prompt and round that the expensive one is given; None for all of them."""
        self.stages = (cheap, expensive)
        self._keep = keep
        first, second = cheap.card, expensive.card
        self.card = joint_card((first, second), name, second.domain or first.domain, (-np.inf, second.score_range[1]))

    @property
    def members(self) -> tuple[Verifier, ...]:
        """All verifiers in it, an ensemble's own ones in its place."""
        return tuple(member for stage in self.stages for member in members_of(stage))

    def going(self, candidates: int) -> int:
        """How many of a prompt's candidates of one round the expensive one is given."""
        return candidates if self._keep is None else min(self._keep, candidates)

    def score(self, images: Images, prompts: Sequence[str]) -> Scores:
        """Raw scores of both for every image; the reason names each that could not score, where they differ in why."""
        first, second = (stage.score(images, prompts) for stage in self.stages)
        names = [stage.card.name for stage in self.stages]
        reasons = tuple(joined_reasons(names, each) for each in zip(first.reasons, second.reasons, strict=True))
        return Scores(np.concatenate([first.values_NM, second.values_NM], axis=1), reasons)

    def forget(self) -> None:
        """Drop what both keep of prompts."""
        for stage in self.stages:
            stage.forget()

    def combine(self, values_NM: np.ndarray) -> np.ndarray:
        """The expensive one's number where it was asked; below the lowest of these, by their order under the cheap one, the others.

        Float64 [N]; NaN for what the expensive one could not score, and for what only the cheap one was asked and could not.
        """
        values_NM = np.asarray(values_NM, dtype=np.float64)
        first, second = np.split(values_NM, [len(self.stages[0].card.parts)], axis=1)
        examined = asked(second)
        combined = np.full(len(values_NM), np.nan)
        combined[examined] = self.stages[1].combine(second[examined])
        cheap = self.stages[0].combine(first[~examined])
        known = combined[~np.isnan(combined)]
        # One apart, so that every search has an order to go by; how far apart means nothing (`verifiers.base.asked`).
        combined[~examined] = (known.min() if len(known) else 0.0) - rankdata(-cheap, method="dense", nan_policy="omit")
        return combined

    def price(self, images: int, new_prompts: int = 0) -> Cost:
        """Of asking both about every image; a round pays each stage by itself."""
        return self.stages[0].price(images, new_prompts) + self.stages[1].price(images, new_prompts)
