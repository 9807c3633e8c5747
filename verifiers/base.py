"""The verifier protocol: images and prompts in, one score per image out, in the same order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Literal, Protocol, cast, runtime_checkable

import numpy as np

from harness.compute.ledger import Cost
from models.base import Domain, Images
from models.hashes import joint_sha256

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class VerifierCard:
    """What a report has to know about a verifier; a higher score is always better."""

    name: str
    domain: Domain | Literal[""]
    """ "" if it judges pictures of both domains."""
    score_range: tuple[float, float]
    """Nominal lowest and highest score."""
    parts: tuple[str, ...]
    """Names of the columns of `Scores.values_NM`: the verifier itself, or an ensemble's members."""
    weights_sha256: str
    licence: str
    text_limit_tokens: int | None = None
    """Longer prompts are truncated, and reported as truncated; None if text is not read."""
    question: str | None = None
    """For a network that answers in words: the question and which answer counts. Scores depend on it, and the weights do
    not determine it. None for other verifiers."""


def joint_card(
    cards: Sequence[VerifierCard], name: str, domain: Domain | Literal[""], score_range: tuple[float, float]
) -> VerifierCard:
    """The card of a verifier made of others: their parts in order, the shortest text limit, every licence and question."""
    return VerifierCard(
        name=name, domain=domain, score_range=score_range, parts=tuple(part for card in cards for part in card.parts),
        weights_sha256=joint_sha256(card.weights_sha256 for card in cards),
        licence=" and ".join(dict.fromkeys(card.licence for card in cards)),
        text_limit_tokens=min((card.text_limit_tokens for card in cards if card.text_limit_tokens is not None), default=None),
        question="; ".join(f"{card.name}: {card.question}" for card in cards if card.question is not None) or None,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scores:
    """Raw scores of N images under the M parts of a verifier; NaN means unscored and comes with a reason."""

    values_NM: np.ndarray
    """float64 [N, M]."""
    reasons: tuple[str, ...]
    """One per image: "" if it is scored, otherwise why not."""


def joined_reasons(names: Sequence[str], reasons: Sequence[str]) -> str:
    """Why some of several verifiers have not scored an image; each reason with its verifier's name if the reasons differ."""
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

        Text features are cached per prompt; nothing about the images is kept for the next call.
        """
        ...

    def forget(self) -> None:
        """Drop cached text features, so that the text pass of a prompt is run, and timed, again."""
        ...

    def combine(self, values_NM: np.ndarray) -> np.ndarray:
        """One comparable number per candidate of one prompt's pool: the score itself, or an ensemble's negated mean rank.

        float64 [N], higher is better, NaN where unscored. An ensemble's numbers can be compared only within the given pool.
        """
        ...

    def price(self, images: int, new_prompts: int = 0) -> Cost:
        """Static price of scoring `images` images, when `new_prompts` of their prompts are scored for the first time."""
        ...


@runtime_checkable
class Composed(Protocol):
    """A verifier made of several."""

    @property
    def members(self) -> Sequence[Verifier]:
        """The verifiers that score, in the order of the card's `parts`; none of them is composed itself."""
        ...


def members_of(verifier: Verifier) -> Sequence[Verifier]:
    """The verifiers that a verifier is made of; the verifier itself if it is not composed."""
    return verifier.members if isinstance(verifier, Composed) else (verifier,)


@runtime_checkable
class Sharing(Protocol):
    """A verifier whose network pass can be shared with other verifiers."""

    def sharing(self) -> AbstractContextManager[None]:
        """Within this context, the shared pass is run once for the same pictures."""
        ...


@contextmanager
def sharing(verifiers: Iterable[Verifier]) -> Iterator[None]:
    """Within this context, verifiers with a common pass run it once for the same pictures; do not use it where passes are timed."""
    with ExitStack() as shared:
        for member in chain.from_iterable(map(members_of, verifiers)):
            if isinstance(member, Sharing):
                shared.enter_context(member.sharing())
        yield


UNASKED = -np.inf
"""Marks, in a column of `Scores.values_NM`, an image that the second stage of a `Cascading` verifier was not given."""


def asked(values_NM: np.ndarray) -> np.ndarray:
    """Whether each image was given to every stage, bool [N]; for other images a cascade's `combine` gives only an order."""
    return ~(np.asarray(values_NM) == UNASKED).any(axis=1)


class Cascading(Verifier, Protocol):
    """A verifier of two stages: in a round the second stage scores only the best images of each prompt."""

    @property
    def stages(self) -> tuple[Verifier, Verifier]:
        """The cheap one and the expensive one; the card's parts are theirs, in this order."""
        ...

    def going(self, candidates: int) -> int:
        """How many of a prompt's candidates of one round the second stage scores."""
        ...


def cascading(verifier: Verifier) -> Cascading | None:
    """The verifier, if it has two stages, otherwise None; also recognised when features are attached to it."""
    return cast(Cascading, verifier) if hasattr(verifier, "stages") else None


@runtime_checkable
class Truncating(Protocol):
    """A verifier that may not read a prompt to its end."""

    def truncated(self, prompts: Sequence[str]) -> tuple[bool, ...]:
        """For each prompt, whether it is longer than what the verifier reads."""
        ...


def truncated_parts(verifier: Verifier, prompts: Sequence[str]) -> Mapping[str, tuple[bool, ...]]:
    """For each part of a verifier (each member of an ensemble), whether the end of each prompt is not read."""
    return {
        part: member.truncated(prompts)
        for member in members_of(verifier) if isinstance(member, Truncating) for part in member.card.parts
    }  # fmt: skip


@runtime_checkable
class Listener(Protocol):
    """A verifier that must be told the log-probability of every picture that a generator makes (`models.base.Prefixed`)."""

    def hear(self, images: Images, prompts: Sequence[str], log_prob_N: torch.Tensor) -> None:
        """Receive the log-probability, in nats, of each picture for its prompt."""
        ...


def listeners(verifiers: Sequence[Verifier]) -> list[Listener]:
    """The verifiers, and members of ensembles, that have to be told log-probabilities."""
    return [member for member in chain.from_iterable(map(members_of, verifiers)) if isinstance(member, Listener)]


@runtime_checkable
class Describing(Protocol):
    """A verifier with a second network beside it, which describes pictures by features (verifiers/features.py)."""

    def patches(self, images: Images) -> torch.Tensor:
        """Features of each image, float32 [N, L, E] on the CPU."""
        ...

    def patches_price(self) -> Cost:
        """The price of the features of one image."""
        ...
