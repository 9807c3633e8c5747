"""From a session to its units: pairs by verifiers, budgets, seeds and chunks of prompts, as far as budgets go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from harness.batches import batches
from harness.compute import amounts
from harness.compute.ledger import Budget, BudgetTooSmall, Unit
from harness.config import RunConfig
from harness.errors import WrongInput
from harness.run.computed import computed_cost
from harness.run.pairing import Pairing, verifier_packages
from harness.run.session import Session
from harness.run.units import WorkUnit
from harness.search.adaptive import Allocating, as_large_as_it_may
from harness.search.base import Unfit, describes
from suites.base import Prompt
from suites.sample import joining_order
from verifiers.base import cascading

MOST_IMAGES = 100_000
"""For one prompt: a budget that buys more is refused, as it is one in the wrong unit, and planning it takes all memory or never ends."""
MOST_SHARED = 500_000
"""For all prompts that share a total, whose plan simulates them all: a minute and less than a gigabyte."""


def plan_units(session: Session, pairing: Pairing) -> tuple[list[WorkUnit], list[str]]:
    """All units in the order they are run and tabled, and a sentence for all that cannot be: budgets too small, searches unfit.

    Raises:
        WrongInput: no pair can afford any budget; names the smallest that works.
    """
    units: list[WorkUnit] = []
    notes: list[str] = []
    refusals: list[tuple[str, BudgetTooSmall]] = []
    misfits: list[Unfit] = []
    kept = kept_prompts(session.settings, session.prompts)
    for model, search in pairing.pairs:
        budgets = {}
        for verifier in session.settings.verifiers:
            try:
                affordable, refused = _affordable(session, model, search, verifier)
            except Unfit as error:
                misfits.append(error)
                notes.append(f"skipped {model} with {search} (verifier {verifier}): {error}")
                continue
            budgets[verifier] = affordable
            refusals += [(f"{model} with {search}", error) for error in refused]
            notes += _notes(model, search, verifier, refused, nothing_left=not affordable)
        given = {name: affordable for name, affordable in budgets.items() if affordable}
        packages = pairing.packages(model, search, given, session.settings.suite)
        units += _pair_units(session, model, search, given, packages, kept)
    if not units:
        raise WrongInput(_nothing_runs(session.settings, refusals) if refusals else "; ".join(dict.fromkeys(map(str, misfits))))
    return units, list(dict.fromkeys(notes))


def _affordable(
    session: Session, model: str, search: str, verifier: str
) -> tuple[tuple[Budget, ...], list[BudgetTooSmall]]:
    """Budgets that every prompt of the run can afford, so that all budgets are compared on the same prompts."""
    lengths = sorted(set(session.text_tokens(model, session.prompts)), reverse=True)
    if as_large_as_it_may(session.searches[search]):
        _check_sizes(session, model, search, verifier, lengths[-1])
    affordable, refused = [], []
    for amount in session.settings.budgets:
        budget = Budget(amount, session.settings.unit)
        try:
            for length in lengths:
                session.plan(model, search, verifier, budget, length)
        except BudgetTooSmall as error:
            refused.append(error.with_traceback(None))  # whose frames would keep the model in memory
        else:
            affordable.append(budget)
    return tuple(affordable), refused


def _check_sizes(session: Session, model: str, search: str, verifier: str, text_tokens: int) -> None:
    """Raise WrongInput for a budget that buys more than `MOST_IMAGES` images of a prompt, or `MOST_SHARED` of a shared total."""
    limit, shared = MOST_IMAGES, ""
    if isinstance(session.searches[search], Allocating) and MOST_SHARED // len(session.prompts) < MOST_IMAGES:
        limit, shared = max(1, MOST_SHARED // len(session.prompts)), f" where {len(session.prompts)} prompts share a total"
    image, unit = session.prices(model, verifier, text_tokens).image(), session.settings.unit
    most = image.amount(unit) * limit
    for amount in session.settings.budgets:
        if 0 < most < amount:
            meant = unit is not Unit.FLOPS and amount > image.amount(unit) * MOST_IMAGES and 1 <= amount / image.flops <= limit
            advice = "did you mean --unit flops?" if meant else f"give --budget {amounts.no_more(most)} or less"
            raise WrongInput(
                f"a budget of {amount:g} {unit.value} buys {amount / image.amount(unit):.3g} images a prompt on {model}, and at most "
                f"{limit} are planned{shared}: {advice}"
            )


def _nothing_runs(config: RunConfig, refusals: Sequence[tuple[str, BudgetTooSmall]]) -> str:
    tried = amounts.budgets(config.budgets, config.unit.value)
    pair, cheapest = min(refusals, key=lambda refusal: refusal[1].smallest)
    if len({pair for pair, _ in refusals}) == 1:
        return f"{pair} cannot run under {tried}: {cheapest.what} costs {cheapest.least}; {cheapest.advice}"
    return (
        f"no pair can run under {tried}: the cheapest, {pair}, needs {cheapest.least} for {cheapest.what}; {cheapest.advice}"
    )


def _notes(
    model: str, search: str, verifier: str, refused: Sequence[BudgetTooSmall], nothing_left: bool
) -> Iterator[str]:
    if refused:
        which = amounts.budgets([error.budget.amount for error in refused], refused[0].budget.unit.value)
        rest = "; no budget is left for this model with this search" if nothing_left else ""
        # A larger budget is refused for what comes later in a search.
        largest = max(refused, key=lambda error: error.smallest)
        yield (
            f"skipped {model} with {search} at {which} (verifier {verifier}): "
            f"the smallest budget that works is {largest.least} (--budget {amounts.no_less(largest.smallest)}){rest}"
        )


def _pair_units(
    session: Session, model: str, search: str, budgets: Mapping[str, tuple[Budget, ...]], packages: tuple[str, ...], kept: frozenset[str]
) -> Iterator[WorkUnit]:
    if not budgets:
        return
    pools = session.searches[search].pools
    # Whom a cascade examines depends on all of a pool: a smaller budget is not served by the first of a larger one's.
    pooled = {name: given for name, given in budgets.items() if pools and not cascading(session.verifiers[name])}
    shares: list[Mapping[str, tuple[Budget, ...]]] = [pooled] if pooled else []
    shares += [{name: (budget,)} for name, given in budgets.items() if name not in pooled for budget in given]
    for seed in session.settings.seeds:
        for share in shares:
            for number, chunk in enumerate(chunks(session.prompts, _chunk(session, search), session.settings.sample_seed)):
                faulty = session.faulty if number == 0 else ()
                yield _unit(session, model, search, share, seed, chunk, faulty, packages, kept)


def chunks(prompts: Sequence[Prompt], size: int, seed: int) -> Iterator[tuple[Prompt, ...]]:
    """Prompts in the order in which they join a growing sample, so that a larger one has the whole chunks of a smaller; each
    chunk in the suite's own order."""
    for joined in batches(joining_order(prompts, seed), size):
        yield tuple(prompts[index] for index in sorted(joined))


def _chunk(session: Session, search: str) -> int:
    """Prompts of one unit: those of a search that spends one total on many belong together."""
    one = session.searches[search]
    return (one.pool or len(session.prompts)) if isinstance(one, Allocating) else session.settings.chunk


def _unit(
    session: Session,
    model: str,
    search: str,
    budgets: Mapping[str, tuple[Budget, ...]],
    seed: int,
    prompts: tuple[Prompt, ...],
    faulty: tuple[tuple[Prompt, str], ...],
    packages: tuple[str, ...],
    kept: frozenset[str],
) -> WorkUnit:
    flops = sum(computed_cost(session, model, search, budgets, tokens).flops for tokens in session.text_tokens(model, prompts))
    return WorkUnit(
        model=model,
        card=session.models.card(model),
        search=search,
        verifiers={name: session.verifiers[name].card for name in budgets},
        metrics={name: verifier.card for name, verifier in session.evaluator.verifiers.items()},
        suite=session.suite_name,
        suite_version=session.suite.card.version,
        budgets=budgets,
        seed=seed,
        prompts=prompts,
        keep=kept & {prompt.id for prompt in prompts},
        planned_flops=float(flops),
        faulty=faulty,
        features=_features(session, search, next(iter(budgets))),
        packages=packages,
        metric_packages={name: found for name in session.evaluator.verifiers if (found := verifier_packages(name))},
    )


def _features(session: Session, search: str, verifier: str) -> str:
    """Hash of the weights that a search compares pictures by, "" where it compares none."""
    return str(getattr(session.verifiers[verifier], "features_sha256", "")) if describes(session.searches[search]) else ""


def kept_prompts(config: RunConfig, prompts: Sequence[Prompt]) -> frozenset[str]:
    """Ids of the first prompts of every task to join the sample, as many as the configuration keeps: a larger sample keeps the same."""
    by_task: dict[str, list[str]] = {}
    for index in joining_order(prompts, config.sample_seed):
        by_task.setdefault(prompts[index].task, []).append(prompts[index].id)
    return frozenset(name for names in by_task.values() for name in names[: config.keep])
