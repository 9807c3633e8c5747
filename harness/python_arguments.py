"""What a notebook gives to `harness/api.py`: arguments of another kind are refused, in a sentence that says what to give."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from pathlib import Path
from typing import Any

from harness.compute.amounts import as_number
from harness.errors import WrongInput
from harness.weights.local import LocalWeights
from models.base import Generator, ModelCard, Prefixed
from models.pair import Pair
from suites.base import Prompt
from verifiers.base import Verifier, VerifierCard, listeners

Weights = Mapping[str, str | Path]
"""Name, as `--weights` takes it, to a local folder."""


def check_text(what: str, given: Any, example: str) -> None:
    """Raise WrongInput for the name of a model or verifier that is no text."""
    if not isinstance(given, str):
        raise WrongInput(f"{what} {given!r:.60} is not text: give a name, load_{what}({example!r})")


def check_loaded(model: Any, verifier: Any) -> None:
    """Raise WrongInput for the name of a model or verifier, or one that stands in the other's place."""
    for what, given in (("model", model), ("verifier", verifier)):
        if isinstance(given, str):
            raise WrongInput(f"{what} {given!r} is a name: load it first, load_{what}({given!r})")
    cards = [getattr(given, "card", None) for given in (model, verifier)]
    if isinstance(cards[0], VerifierCard):
        raise WrongInput(f"verifier {cards[0].name} stands in the model's place: the order is search, model, verifier, prompts")
    for what, given, card, kind in zip(("model", "verifier"), (model, verifier), cards, (ModelCard, VerifierCard), strict=True):
        if not isinstance(card, kind):
            raise WrongInput(f"{what} {given!r:.60} is none: give what load_{what} returns")


def check_options(budget: Any, seed: Any, suite: Any, max_rows: Any) -> None:
    """Raise WrongInput for one of another kind."""
    if not isinstance(max_rows, Integral) or max_rows < 1:
        raise WrongInput(f"max_rows={max_rows!r} is not a number of rows from 1")
    if not isinstance(suite, str):
        raise WrongInput(f"suite {suite!r:.60} is not text: give its name in tables, suite=\"geneval@shapes\", or leave it out")
    if isinstance(budget, str):
        raise WrongInput(f"budget {budget!r} is text: give a number, budget={_number(budget):g}")
    if not isinstance(seed, Integral):
        raise WrongInput(f"seed {seed!r} is not a whole number: give seed=0, for example")


def asked_prompts(prompts: Any) -> list[Prompt]:
    """One prompt or several. Raises WrongInput for what is no text."""
    try:
        every = [prompts] if isinstance(prompts, (str, Prompt)) else list(prompts)
    except TypeError:
        raise WrongInput(f"prompts {prompts!r:.60} are no texts: give one, or a list of them") from None
    for number, one in enumerate(every):
        if not isinstance(one, (str, Prompt)):
            raise WrongInput(f"prompt {number}, {one!r:.60}, is not text: give texts, or prompts of a suite")
    return [one if isinstance(one, Prompt) else Prompt(one, one, "prompt") for one in every]


def check_judge(verifier: Verifier, model: Generator | Pair) -> None:
    """Raise WrongInput for a verifier of another domain, or one that needs more than the model can do."""
    name, domain = verifier.card.name, verifier.card.domain
    if domain not in ("", model.card.domain):
        raise WrongInput(f"verifier {name} judges {domain} images and {model.card.name} makes {model.card.domain} images: give another")
    if listeners([verifier]) and not isinstance(model.draft if isinstance(model, Pair) else model, Prefixed):
        raise WrongInput(f"verifier {name} needs a model that is Prefixed and {model.card.name} is not: give another")


def local_weights(weights: Weights) -> LocalWeights:
    """What was given for which name. Raises WrongInput for what is no mapping of names to folders."""
    pairs = weights.items() if isinstance(weights, Mapping) else [("", None)]
    if not all(isinstance(name, str) and isinstance(path, (str, Path)) for name, path in pairs):
        raise WrongInput(f'weights {weights!r:.60} are no names with folders: give weights={{"flux-dev": "/data/flux"}}, or leave them out')
    return LocalWeights.parse([f"{name}={path}" for name, path in pairs])


def _number(text: str) -> float:
    """What a budget that is written as on the command line stands for; 60, for example, where it is none."""
    try:
        return as_number(text)
    except ValueError:
        return 60
