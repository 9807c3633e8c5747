"""Two generators as one choice: the first drafts, the second refines from the drafts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from harness.errors import WrongInput
from models.base import Generator, ModelCard

if TYPE_CHECKING:
    import torch

_TEXTS = ("", "a photo of a red circle above two blue stars")
"""Of different lengths, unless a model pads every text to one."""


class Pair:
    """An autoregressive generator and a diffusion generator that makes images of the same size.

    It is no generator itself: a search for pairs asks each of them. Its text length is the draft's: the second model has
    to pad every prompt to the same, as those here do.
    """

    def __init__(self, name: str, draft: Generator, refine: Generator) -> None:
        if draft.card.image_size != refine.card.image_size:
            sizes = " and ".join("x".join(map(str, one.card.image_size)) for one in (draft, refine))
            raise WrongInput(f"model {name}: images of {sizes} pixels; a draft is refined at its own size, pair others")
        self.draft, self.refine = draft, refine
        if len(set(refine.text_tokens(_TEXTS))) > 1:
            raise WrongInput(
                f"model {name}: the text length of {refine.card.name} differs between prompts, and a pair is priced by the draft's "
                "alone; refine with a model that pads every prompt to one length"
            )
        cards = (draft.card, refine.card)
        self.card = ModelCard(
            name=name,
            family="pair",
            domain=draft.card.domain,
            steps=sum(card.steps for card in cards),
            image_size=refine.card.image_size,
            parameters=sum(card.parameters for card in cards),
            weights_sha256=hashlib.sha256("".join(card.weights_sha256 for card in cards).encode()).hexdigest(),
            licence=" and ".join(dict.fromkeys(card.licence for card in cards)),
            settings={"draft": asdict(draft.card), "refine": asdict(refine.card)},
        )

    @property
    def device(self) -> torch.device:
        """Where the draft is made."""
        return self.draft.device

    def text_tokens(self, prompts: Sequence[str]) -> tuple[int, ...]:
        """Those of the draft."""
        return self.draft.text_tokens(prompts)

    @property
    def refine_tokens(self) -> int:
        """Text tokens of every prompt under the refining model."""
        return self.refine.text_tokens([""])[0]
