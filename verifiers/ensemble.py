"""The verifier ensemble of Ma et al. (2025, arXiv 2501.09732): members rank a prompt's candidates, ranks are averaged."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

from harness.compute.ledger import Cost
from verifiers.base import Scores, joined_reasons, joint_card, sharing
from verifiers.input_checks import Pictures
from verifiers.scorer import Scorer, passes_price


def mean_ranks(values_NM: np.ndarray, weights: Sequence[float] | np.ndarray | None = None) -> np.ndarray:
    """Weighted mean of every candidate's ranks under M verifiers, lowest best: rank 1 is the highest value, ties share their mean.

    Float64 [N]; a candidate that any verifier left unscored is NaN and takes no rank.
    """
    values_NM = np.asarray(values_NM, dtype=np.float64)
    weights_M = np.ones(values_NM.shape[1]) if weights is None else np.asarray(weights, dtype=np.float64)
    scored = ~np.isnan(values_NM).any(axis=1)
    means = np.full(len(values_NM), np.nan)
    if scored.any():
        means[scored] = rankdata(-values_NM[scored], method="average", axis=0) @ weights_M / weights_M.sum()
    return means


class Ensemble:
    """Several verifiers on the same pictures; those that share a backbone share its pass, in time and in price."""

    def __init__(self, members: Sequence[Scorer], name: str, weights: Sequence[float] | None = None) -> None:
        """`weights` of the members' ranks are equal unless given.

        Raises:
            ValueError: there are no members, their domains differ, or the weights do not fit them.
        """
        cards = [member.card for member in members]
        if not cards:
            raise ValueError(f"ensemble {name!r} has no members: give at least one verifier")
        domains = dict.fromkeys(card.domain for card in cards if card.domain)
        if len(domains) > 1:
            raise ValueError(
                f"ensemble {name!r} mixes domains {[card.domain for card in cards]}: members must share one"
            )
        self._weights_M = np.asarray([1.0] * len(cards) if weights is None else weights, dtype=np.float64)
        if self._weights_M.shape != (len(cards),) or not (self._weights_M > 0).all():
            raise ValueError(
                f"ensemble {name!r} has weights {weights} for {len(cards)} members: give one above 0 for each"
            )
        self.members = tuple(members)
        self.card = joint_card(cards, name, next(iter(domains), ""), (-np.inf, -1.0))

    def score(self, images: Pictures, prompts: Sequence[str]) -> Scores:
        """Raw scores of every member; the reason names every member that could not score, where they differ in why.

        Raises:
            ValueError: there are not as many prompts as images.
        """
        with sharing(self.members):
            scores = [member.score(images, prompts) for member in self.members]
        reasons = zip(*(part.reasons for part in scores), strict=True)
        names = [member.card.name for member in self.members]
        return Scores(
            np.concatenate([part.values_NM for part in scores], axis=1),
            tuple(joined_reasons(names, each) for each in reasons),
        )

    def forget(self) -> None:
        """Drop what the members keep of prompts."""
        for member in self.members:
            member.forget()

    def combine(self, values_NM: np.ndarray) -> np.ndarray:
        """Negated weighted mean of the members' ranks within this pool, float64 [N]."""
        return -mean_ranks(values_NM, self._weights_M)

    def truncated(self, prompts: Sequence[str]) -> tuple[bool, ...]:
        """Whether any member reads only a part of each prompt."""
        cut = zip(*(member.truncated(prompts) for member in self.members), strict=True)
        return tuple(any(members) for members in cut)

    def price(self, images: int, new_prompts: int = 0) -> Cost:
        """Static price with every shared pass charged once."""
        image_passes = {name: flops for member in self.members for name, flops in member.image_passes.items()}
        text_passes = {name: flops for member in self.members for name, flops in member.text_passes.items()}
        return passes_price(image_passes, text_passes, images, new_prompts)
