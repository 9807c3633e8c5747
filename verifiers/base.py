"""The verifier protocol: images and prompts in, one score per image out, in the same order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Literal, Protocol, cast, runtime_checkable

import numpy as np

from harness.ledger import Cost
from models.base import Domain, Images

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class VerifierCard:
    """What a report has to know about a verifier; higher is always better."""

    name: str
    domain: Domain | Literal[""]
    """ "" where pictures of either are judged."""
    score_range: tuple[float, float]
    """Nominal lowest and highest score."""
    parts: tuple[str, ...]
    """Names of the columns of `Scores.values_NM`: the verifier itself, or an ensemble's members."""
    weights_sha256: str
    licence: str
    text_limit_tokens: int | None = None
    """Longer prompts are truncated, and said to be; None where text is not read."""
    question: str | None = None
    """What a network that answers in words is asked, and which answer counts: scores depend on it and its weights do not
    tell. None where nothing is asked."""


def questions(cards: Iterable[VerifierCard]) -> str | None:
    """What the members of a verifier are asked; None where none is asked anything."""
    return "; ".join(f"{card.name}: {card.question}" for card in cards if card.question is not None) or None


@dataclass(frozen=True, slots=True)
class Scores:
    """Raw scores of N images under the M parts of a verifier; NaN means unscored and has a reason."""

    values_NM: np.ndarray
    """float64 [N, M]."""
    reasons: tuple[str, ...]
    """One per image: "" when scored, else why not."""


def joined_reasons(names: Sequence[str], reasons: Sequence[str]) -> str:
    """Why some of several verifiers have not scored an image, each by its name where more than one reason is given."""
    given = {name: reason for name, reason in zip(names, reasons, strict=True) if reason}
    if len(set(given.values())) < 2:
        return next(iter(given.values()), "")
    return "; ".join(reason if name in reason else f"{name}: {reason}" for name, reason in given.items())


@runtime_checkable
class Verifier(Protocol):
    """Judges finished images or previews."""

    @property
    def card(self) -> VerifierCard: ...

    def score(self, images: Images, prompts: Sequence[str]) -> Scores:
        """Score image n against prompt n; lists of equal length, order kept.

        Text features are cached per prompt; nothing of the images is kept for the next call.
        """
        ...

    def forget(self) -> None:
        """Drop cached text features, so that the next first pass of a prompt is run, and timed, again."""
        ...

    def combine(self, values_NM: np.ndarray) -> np.ndarray:
        """One comparable number per candidate of one prompt's pool: the score itself, or an ensemble's negated mean rank.

        float64 [N], higher is better, NaN where unscored. An ensemble's numbers mean something only within the pool given.
        """
        ...

    def price(self, images: int, new_prompts: int = 0) -> Cost:
        """Static price of scoring `images` images of which `new_prompts` prompts are seen for the first time."""
        ...


@runtime_checkable
class Composed(Protocol):
    """A verifier made of several."""

    @property
    def members(self) -> Sequence[Verifier]:
        """Those that score, none of them composed itself, in the order of the card's `parts`."""
        ...


def members_of(verifier: Verifier) -> Sequence[Verifier]:
    """The verifiers that one is made of: itself where it is made of no others."""
    return verifier.members if isinstance(verifier, Composed) else (verifier,)


@runtime_checkable
class Sharing(Protocol):
    """A verifier that may have a pass in common with others."""

    def sharing(self) -> AbstractContextManager[None]:
        """Within, the pass is run once for the same pictures."""
        ...


@contextmanager
def sharing(verifiers: Iterable[Verifier]) -> Iterator[None]:
    """Within, those of these verifiers that have a pass in common run it once for the same pictures; not where it is timed."""
    with ExitStack() as shared:
        for member in chain.from_iterable(map(members_of, verifiers)):
            if isinstance(member, Sharing):
                shared.enter_context(member.sharing())
        yield


UNASKED = -np.inf
"""In a column of `Scores.values_NM`: the second stage of a `Cascading` verifier was not asked about this image."""


def asked(values_NM: np.ndarray) -> np.ndarray:
    """Whether every stage was asked about each image, bool [N]: what a cascade's `combine` gives of others is an order only."""
    return ~(np.asarray(values_NM) == UNASKED).any(axis=1)


class Cascading(Verifier, Protocol):
    """A verifier of two stages: within a round the second is asked about the best of each prompt only."""

    @property
    def stages(self) -> tuple[Verifier, Verifier]:
        """The cheap one and the dear one; the card's parts are theirs in this order."""
        ...

    def going(self, candidates: int) -> int:
        """How many of a prompt's candidates of one round the second is asked about."""
        ...


def cascading(verifier: Verifier) -> Cascading | None:
    """The verifier as one of two stages, None where it has one; features beside it do not hide its stages."""
    return cast(Cascading, verifier) if hasattr(verifier, "stages") else None


@runtime_checkable
class Truncating(Protocol):
    """A verifier that may not read a prompt to its end."""

    def truncated(self, prompts: Sequence[str]) -> tuple[bool, ...]:
        """Whether each prompt is longer than what is read of it."""
        ...


def truncated_parts(verifier: Verifier, prompts: Sequence[str]) -> Mapping[str, tuple[bool, ...]]:
    """For each part of a verifier, an ensemble's members apart, whether each prompt's end is unread."""
    return {
        part: member.truncated(prompts)
        for member in members_of(verifier) if isinstance(member, Truncating) for part in member.card.parts
    }  # fmt: skip


@runtime_checkable
class Listener(Protocol):
    """A verifier that is told the log-probability of every picture a generator makes (`models.base.Prefixed`)."""

    def hear(self, images: Images, prompts: Sequence[str], log_prob_N: torch.Tensor) -> None:
        """Log-probability n, in nats, of picture n for prompt n."""
        ...


def listeners(verifiers: Sequence[Verifier]) -> list[Listener]:
    """Those that have to be told, members of ensembles included."""
    return [member for member in chain.from_iterable(map(members_of, verifiers)) if isinstance(member, Listener)]


@runtime_checkable
class Describing(Protocol):
    """A verifier that comes with features (verifiers/features.py)."""

    def patches(self, images: Images) -> torch.Tensor:
        """float32 [N, L, E] on the CPU."""
        ...

    def patches_price(self) -> Cost:
        """Of one image."""
        ...
