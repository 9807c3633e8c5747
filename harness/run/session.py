"""Everything a run needs in memory: loaded models and verifiers, prompts, and what each prompt's budget buys."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from weakref import WeakSet

import torch

from harness.bench.speed_files import ModelSpeeds, SpeedFiles
from harness.compute.drawn import Drawn
from harness.compute.ledger import Budget, Unit
from harness.compute.prices import Calibration, Prices, calibrate
from harness.compute.warm_up import allocates, warm_up, warm_up_largest
from harness.config import Settings
from harness.devices import devices_to_plan_on, pick_devices, use_half_the_cores
from harness.errors import WrongInput
from harness.memory import with_fewer_rows
from harness.placing import check_placing
from harness.registry import entries
from harness.run.evaluator import Evaluator
from harness.run.loaded_models import LoadedModels
from harness.run.model_loader import ModelLoader
from harness.run.pairing import Pairing
from harness.run.suites import chosen_prompts, open_suite
from harness.run.timing import Stopwatch
from harness.search.base import Plan, Search
from harness.weights.absent import AbsentWeights
from harness.weights.local import LocalWeights
from harness.weights.run_weights import find_run_weights
from models.base import Domain
from results.environment import computes_on
from suites.base import Equipped, Faulty, Prompt, Suite, display_name
from verifiers.base import Verifier
from verifiers.features import described, features_of
from verifiers.random_weights import random_features
from verifiers.spec import parse_verifier

Result = TypeVar("Result")
_CALIBRATION_ROWS = 16
"""Most rows of a calibration, which makes all of their images several times; batches of the run may be larger."""


@dataclass(slots=True)
class Session:
    """A run's parts; `plan` and `text_tokens` remember what they have worked out."""

    settings: Settings
    domain: Domain
    suite: Suite
    prompts: tuple[Prompt, ...]
    devices: tuple[torch.device, ...]
    models: LoadedModels
    searches: Mapping[str, Search]
    verifiers: Mapping[str, Verifier]
    evaluator: Evaluator
    outlined: tuple[str, ...] = ()
    """Names whose weights are not here: they have cards and prices, from their configurations."""
    calibrations: dict[str, Calibration] = field(default_factory=dict)
    """Model to measured speeds, its own and every verifier's; a run that is gone on with keeps those it began with, as
    they determine what budgets in seconds buy."""
    measured: bool = False
    """Whether speeds are measured whatever the budgets' unit, so that plans have seconds."""
    speed_files: SpeedFiles | None = None
    """Figures of `vistas bench-model`, instead of measuring here: they need no weights."""
    limits: dict[str, int] = field(default_factory=dict)
    """Model to the most rows of one batch, where memory has run out at more."""
    drawn: dict[str, Drawn] = field(default_factory=dict)
    """Model to whether it has drawn any picture."""
    _warm: WeakSet[Any] = field(default_factory=WeakSet)
    """Models in memory that have done every operation once."""
    _tokens: dict[tuple[str, str], int] = field(default_factory=dict)
    _prices: dict[tuple[str, str, int], Prices] = field(default_factory=dict)
    _plans: dict[tuple[str, str, str, Budget, int], Plan] = field(default_factory=dict)
    _speeds: dict[str, ModelSpeeds] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.models.before_release = self._prices.clear

    @property
    def suite_name(self) -> str:
        """With the domain written out."""
        return display_name(self.suite.card.name, self.domain)

    @property
    def faulty(self) -> tuple[tuple[Prompt, str], ...]:
        """Prompts of the suite that cannot be run, and why."""
        return self.suite.faulty(self.domain) if isinstance(self.suite, Faulty) else ()

    @property
    def computed_on(self) -> str:
        """What seconds are of here: devices, threads, and where weights are kept that are not in use."""
        offload = self.settings.offload
        return " and ".join(computes_on(str(one)) for one in self.devices) + ("" if offload == "none" else f", offload={offload}")

    def max_rows(self, model: str) -> int:
        """Most rows of one batch of a model: the setting, or less where memory has run out."""
        return self.limits.get(model, self.settings.max_rows)

    def shrinking(self, model: str, attempt: Callable[[int], Result], used: Callable[[], int] = lambda: 0) -> Result:
        """`attempt(rows)` with as many rows as memory holds; what was found holds for later. `used`: as in `with_fewer_rows`.

        Raises RunFailed.
        """
        return with_fewer_rows(attempt, self.max_rows(model), lambda rows: self.limits.update({model: rows}), model, used)

    def text_tokens(self, model: str, prompts: Sequence[Prompt]) -> list[int]:
        """Text tokens of each prompt under a model, on which prices depend."""
        unknown = [prompt.text for prompt in prompts if (model, prompt.text) not in self._tokens]
        counts = self.models[model].text_tokens(unknown)
        self._tokens |= {(model, text): count for text, count in zip(unknown, counts, strict=True)}
        return [self._tokens[model, prompt.text] for prompt in prompts]

    def plan(self, model: str, search: str, verifier: str, budget: Budget, text_tokens: int) -> Plan:
        """What `budget` buys for a prompt; raises BudgetTooSmall."""
        key = (model, search, verifier, budget, text_tokens)
        if key not in self._plans:
            self._plans[key] = self.searches[search].plan(budget, self.prices(model, verifier, text_tokens))
        return self._plans[key]

    def prices(self, model: str, verifier: str, text_tokens: int) -> Prices:
        """Prices of a pair for prompts of this length; speeds are measured where budgets are in seconds."""
        key = (model, verifier, text_tokens)
        if key not in self._prices:
            self._prices[key] = Prices(
                self.models[model], self.verifiers[verifier], text_tokens, self.calibration(model)
            )
        return self._prices[key]

    def calibration(self, model: str) -> Calibration | None:
        """Measured speeds of a model and of every verifier, needed for budgets in seconds only."""
        if self.settings.unit is not Unit.SECONDS and not self.measured:
            return None
        if model not in self.calibrations:
            known = self.speeds(model)
            rows = min(self.max_rows(model), _CALIBRATION_ROWS)
            self.calibrations[model] = known.speeds.per_row(rows) if known else self._calibrated(model)
        return self.calibrations[model]

    def warm_up(self, model: str, prompts: Sequence[Prompt], largest: Callable[[], int]) -> None:
        """Have a model, loaded if it is not, and the verifiers do once, on some rows of these prompts, what takes longer the first time.

        largest: rows of the largest batch that is to come, as far as `max_rows` and memory allow.
        """
        generator, judges, texts = self.models[model], list(self.verifiers.values()), [prompt.text for prompt in prompts]
        if generator not in self._warm:
            most = max(3, len(texts))
            self.shrinking(model, lambda rows: warm_up(generator, judges, texts, min(rows, most)), lambda: most)
            if allocates(generator) and (rows := min(self.max_rows(model), largest())) > most:
                self._warm_up_largest(model, texts, rows, most)
            self._warm.add(generator)

    def _warm_up_largest(self, model: str, texts: Sequence[str], rows: int, done: int) -> None:
        """With so many rows, or as many as memory holds above those that have been `done`. It sets no limit: rows of a search share
        prefixes, and fit in larger batches than these."""
        generator, judges = self.models[model], list(self.verifiers.values())

        def attempt(rows: int) -> None:
            if rows > done:
                warm_up_largest(generator, judges, texts, rows)

        with_fewer_rows(attempt, rows, lambda rows: None, model)

    def _calibrated(self, model: str) -> Calibration:
        generator, judges, text = self.models[model], list(self.verifiers.values()), self.prompts[0].text
        return self.shrinking(
            model, lambda rows: calibrate(generator, judges, text, min(rows, _CALIBRATION_ROWS)), lambda: _CALIBRATION_ROWS
        )

    def speeds(self, model: str) -> ModelSpeeds | None:
        """What the files say of a model and of every verifier; None without files. Raises WrongInput."""
        if self.speed_files is None:
            return None
        if model not in self._speeds:
            self._speeds[model] = self.speed_files.of(model, self.models[model], [*self.verifiers.values()])
        return self._speeds[model]


def open_session(settings: Settings, pairing: Pairing, watch: Stopwatch, outlines: bool = False) -> Session:
    """Load what the line-up needs but for published models, which are loaded when they are first asked for.

    outlines: whether what has no weights here is taken from its configuration, which is enough to plan.

    Raises:
        WrongInput: an offload, or several devices, that a model does not take, weights that are not on this machine, more prompts
            asked for than the suite has, or a device that is not there.
    """
    for text in pairing.models:
        for member in pairing.specs[text].members:
            check_placing(member.entry, member.overrides, settings.offload, "," in settings.device)
    local = LocalWeights.parse(settings.weights)
    specs = {name: parse_verifier(name) for name in (*settings.verifiers, *pairing.metrics)}
    suite: Suite = open_suite(settings.suite, settings.prompts_from)
    located = find_run_weights(pairing, specs, suite, local, outlines)
    outlined = {name: spec.without_weights() for name, spec in specs.items() if located.verifiers[name] is None}
    # Nothing has to be known of what only measures; what guides has a price.
    unpriced = {text for text, one in outlined.items() if one is None and text not in settings.verifiers}
    blocking = {name for text, one in outlined.items() if one is None and text not in unpriced for name in specs[text].names}
    if blocking:
        raise AbsentWeights([one for one in located.lacking if one.name in blocking])
    prompts = chosen_prompts(suite, pairing.domain, settings)
    devices = devices_to_plan_on(settings.device) if outlines else pick_devices(settings.device)
    device = devices[0]
    if "," in settings.device and settings.offload != "none":
        raise WrongInput(f"offload={settings.offload} is for one device, device={settings.device} names several: leave one of them out")
    use_half_the_cores()
    if isinstance(suite, Equipped):
        suite.equip(device, local)
    load = ModelLoader(located.models, devices, settings.offload, watch)
    models = LoadedModels({text: pairing.specs[text] for text in pairing.models}, load)
    loaded = {name: outlined.get(name) or spec.load(device, local) for name, spec in specs.items() if name not in unpriced}
    evaluator = Evaluator(loaded, suite, pairing.domain, located.lacking_graders)
    guides = [loaded[name] for name in settings.verifiers]
    if located.describing:
        beside = random_features("meta") if located.features is None else features_of(pairing.domain, device, local)
        guides = described(guides, beside)
    verifiers = dict(zip(settings.verifiers, guides, strict=True))
    left_out = {name for text in unpriced for name in specs[text].names}
    names = tuple(dict.fromkeys(one.name for one in located.lacking if one.name not in left_out))
    return Session(settings, pairing.domain, suite, prompts, tuple(devices), models, pairing.searches, verifiers, evaluator, names)


def unused_weights(session: Session, pairing: Pairing) -> list[str]:
    """Names that weights were given for and that are in no part of the run."""
    models = {one.name for text in pairing.models for one in pairing.specs[text].members}
    verifiers = {name for text in (*session.settings.verifiers, *pairing.metrics) for name in parse_verifier(text).names}
    graders = {name for group in session.suite.graders(session.domain) for name in group} if isinstance(session.suite, Equipped) else set()
    return LocalWeights.parse(session.settings.weights).unused({*models, *verifiers, *graders, *entries("features")})
