"""vistas from Python: a model, a verifier and a search on prompts of one's own, with images and costs in memory.

The command line does the same with folders, tables and resumption (`harness/run/runner.py`).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import torch
from PIL import Image
from torchvision.transforms.functional import to_pil_image

from harness.compute.ledger import Budget, Cost, Unit
from harness.compute.prices import calibrate
from harness.devices import pick_device
from harness.entry import Entry
from harness.errors import WrongInput
from harness.memory import with_fewer_rows
from harness.model_spec import parse_model
from harness.named_searches import expanded
from harness.python_arguments import (
    Weights,
    asked_prompts,
    check_judge,
    check_loaded,
    check_options,
    check_text,
    local_weights,
)
from harness.python_terms import in_python_terms
from harness.run.loaded_models import LoadedModels
from harness.run.model_loader import ModelLoader
from harness.run.suites import embedded
from harness.run.table_rows import candidate_rows, select, tabled
from harness.run.timing import Stopwatch
from harness.search.base import Search, Task, describes
from harness.search.prepare import Attempt, prepare
from harness.search.spec import fits, parse_search
from harness.seeds import Seeds
from harness.weights.local import find
from models.base import Generator
from models.pair import Pair
from suites.base import Prompt
from suites.shapes.unknown_words import check_known, unknown_note
from verifiers.base import Verifier
from verifiers.features import described, features_of
from verifiers.spec import parse_verifier

_NONE: Weights = {}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a search returned for one prompt, and all that it looked at."""

    prompt: str
    image: torch.Tensor | None = field(repr=False)
    """uint8 [3, H, W]; None where no finished candidate was scored within the budget."""
    score: float
    """Under the verifier; NaN without an image."""
    reason: str
    """Why there is no image, "" where there is one."""
    spent: Cost
    """By the prompt, verification included; under a budget in seconds up to the last image in time."""
    parameters: Mapping[str, Any]
    """What the planner chose for the budget."""
    candidates: pd.DataFrame = field(repr=False)
    """One row for every scored image, with the columns of candidates.parquet from `order` to the costs (docs/tables.md)."""
    images: tuple[torch.Tensor, ...] = field(repr=False)
    """Those of `candidates`, row by row: uint8 [3, H, W]."""

    @property
    def picture(self) -> Image.Image:
        """`image` for people. Raises ValueError where there is none."""
        if self.image is None:
            raise ValueError(f"there is no picture of {self.prompt!r}: {self.reason}")
        picture: Image.Image = to_pil_image(self.image)
        return picture


@in_python_terms()
def load_model(text: str, weights: Weights = _NONE, device: str | torch.device = "auto") -> Generator | Pair:
    """The model, or pair of models, that a text names as `--model` does.

    Raises WrongInput: an unknown name or setting, weights that are not on this machine, a device that is not there, or an argument of
    another kind.
    """
    check_text("model", text, "shapes-infinity")
    spec, local = parse_model(text), local_weights(weights)
    folders = {one.text: find(one.name, one.entry, local) for one in spec.members}
    load = ModelLoader(folders, [pick_device(str(device))], "none", Stopwatch())
    model: Generator | Pair = LoadedModels({spec.text: spec}, load)[spec.text]
    return model


@in_python_terms()
def load_verifier(text: str, weights: Weights = _NONE, device: str | torch.device = "auto") -> Verifier:
    """The verifier that a text names as `--verifier` does. Raises WrongInput as `load_model` does."""
    check_text("verifier", text, "shapes-clip")
    return parse_verifier(text).load(pick_device(str(device)), local_weights(weights))


@in_python_terms()
def run_search(
    search: str | Search,
    model: Generator | Pair,
    verifier: Verifier,
    prompts: str | Prompt | Sequence[str | Prompt],
    budget: float,
    unit: str = "nfe",
    *,
    seed: int = 0,
    suite: str = "",
    max_rows: int = 32,
) -> list[Outcome]:
    """What a search returns for each prompt under `budget` of `unit` (nfe, flops, images or seconds) a prompt.

    Candidates depend on the seed, the prompt and `suite`: a prompt of a suite under its name in tables ("geneval@shapes") has
    those of a run. `max_rows` is the largest batch, smaller where memory is short. A warning names words that an embedded model
    does not know.

    Raises:
        WrongInput: an unknown search or unit, a search or verifier that does not fit the model, a budget that is too small, an
            argument of another kind, or a prompt of which an embedded model knows no word.
    """
    check_loaded(model, verifier)
    found = parse_search(expanded(search)) if isinstance(search, str) else search
    if isinstance(found, type) or not isinstance(found, Search):
        raise WrongInput(f"search {search!r:.60} is none: give a name, \"random\", or a search, such as Random() of harness.search.random")
    misfit = fits(found, _described_by_class(model), model.card.name)
    if misfit:
        raise WrongInput(misfit)
    check_judge(verifier, model)
    check_options(budget, seed, suite, max_rows)
    given = Budget(budget, unit)  # type: ignore[arg-type]  # which tells a name that is no unit
    asked = asked_prompts(prompts)
    if not asked:
        return []
    if embedded([model.card.name]):
        texts = [prompt.text for prompt in asked]
        check_known(texts)
        for note in unknown_note(texts):
            warnings.warn(note, stacklevel=3)
    guide = described([verifier], features_of(model.card.domain, model.device))[0] if describes(found) else verifier
    calibration = calibrate(model, [guide], asked[0].text, min(max_rows, 16)) if given.unit is Unit.SECONDS else None

    attempt = Attempt(found, lambda rows: prepare(found, model, [guide], asked, given, Seeds(int(seed), suite), rows, calibration))
    task = with_fewer_rows(attempt, max_rows, lambda rows: None, model.card.name, attempt.used)
    return [_outcome(task, guide, number) for number in range(len(asked))]


def _outcome(task: Task, verifier: Verifier, number: int) -> Outcome:
    prompt, plan, limit = task.prompts[number], task.plans[number], task.limit(number)
    pool = task.candidates[verifier.card.name][number]
    chosen = select(pool, verifier, prompt, task.budget, plan, limit)
    listed, scores = tabled(pool, verifier, limit)
    rows = candidate_rows({}, prompt, task.budget, listed, scores, [float("nan")] * len(listed), [""] * len(listed))
    table = pd.DataFrame(rows).loc[:, "order":].drop(columns=["truth", "image"]) if rows else pd.DataFrame()
    image = None if chosen.candidate is None else chosen.candidate.image
    return Outcome(
        prompt.text, image, chosen.score, chosen.reason, chosen.spent, dict(plan.parameters), table, tuple(one.image for one in listed)
    )


def _described_by_class(model: Generator | Pair) -> Entry:
    """What `fits` has to know of a model that is loaded, whoever made it."""
    parts = (model.draft, model.refine) if isinstance(model, Pair) else (model,)
    described = [Entry("", "", part.card.family, generator=f"{type(part).__module__}:{type(part).__qualname__}") for part in parts]
    if len(described) == 1:
        return described[0]
    return Entry("", "", "pair", generator=described[1].generator, draft=described[0])
