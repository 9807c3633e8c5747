"""Sequential Monte Carlo on previews: particles are weighted by what a verifier says of them and resampled on the way.

One sampler holds the published ones: FK steering (Singhal et al., arXiv 2501.06848), DAS without its gradients (Kim et
al., arXiv 2501.05803), breadth-first search and, within its frame, SVDD (Zhang et al., arXiv 2505.23614). Weights are
kept between looks that do not resample, as importance sampling has it; there is no resampling after the last step,
since the best image is returned. On diffusion every step between the first and the last takes noise, and there is no look before the
last: copies that are made there would never part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from harness.compute.amounts import counted
from harness.compute.ledger import Budget
from harness.compute.prices import Prices
from harness.search.base import Plan, Task, Unfit
from harness.search.checks import check_level, check_noisy, check_steps
from harness.search.deadline import Deadline
from harness.search.frontier import Frontier, Name, finish, groups, grow, name_of, preview, roots, thinned
from harness.search.planned_cost import lockstep_cost
from harness.search.potentials import Particle, Potential, Tempering, check_scale, seen, strength_at
from harness.search.resampling import SCHEMES, Resampling, effective, normalised
from harness.search.rounds import Branch, Round, mark_final
from harness.search.sizing import largest_plan
from models.base import Family, Stochastic

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "fk": {"potential": "max", "resampling": "multinomial", "tempering": "constant", "scale": 10.0, "ess": 1.0,
           "first": 0.2, "last": 0.8, "every": 0.2},
    "das": {"potential": "difference", "resampling": "ssp", "tempering": "increase", "scale": 10.0, "ess": 0.5,
            "first": 0.0, "last": 1.0, "every": 0.0},
    "bfs": {"potential": "max", "resampling": "ssp", "tempering": "increase", "scale": 10.0, "ess": 1.0,
            "first": 0.0, "last": 1.0, "every": 0.0},
    "svdd": {"potential": "return", "resampling": "multinomial", "tempering": "constant", "scale": 1e9, "ess": 1.0,
             "first": 0.0, "last": 1.0, "every": 0.0},
    "late": {"potential": "max", "resampling": "ssp", "tempering": "constant", "scale": 10.0, "ess": 0.5,
             "first": 0.5, "last": 1.0, "every": 0.0},
}  # fmt: skip
"""FK steering's launch settings; DAS's and BFS's schemes as arXiv 2505.23614 names them, with FK's scale; SVDD keeps the
best particle alone, which is an infinite scale. `late` is not published: for models of few steps, whose previews say little
before the middle, it looks at every step of the second half and resamples only where weights have become uneven."""


@dataclass(frozen=True, slots=True)
class SMC:
    """N particles; what is not given is the preset's."""

    name: ClassVar[str] = "smc"
    families: ClassVar[tuple[Family, ...]] = ("ar", "diffusion")
    needs: ClassVar[tuple[type, ...]] = (Stochastic,)
    pools: ClassVar[bool] = False
    size: ClassVar[str] = "particles"

    preset: Literal["fk", "das", "bfs", "svdd", "late"] = "fk"
    """Published settings, or `late`, ours for models of few steps."""
    particles: int | None = None
    """None for as many as the budget buys."""
    potential: Potential | None = None
    """What the rewards so far say of a particle."""
    resampling: Resampling | None = None
    """How weights become children."""
    tempering: Tempering | None = None
    """Whether rewards count the same at every step, or more and more."""
    scale: float | None = None
    """How strongly rewards count: lambda."""
    ess: float | None = None
    """Resample where the effective sample size is at most this part of the particles."""
    first: float | None = None
    """Part of the steps before the first look."""
    last: float | None = None
    """Part of the steps before the last look."""
    every: float | None = None
    """Part of the steps between looks; 0 for a look at every step."""
    level: float = 1.0
    """Noise of diffusion steps, above 0 to 1: 1 is the SDE of the same marginals."""

    def __post_init__(self) -> None:
        check_level(self.level)
        for name in ("ess", "first", "last", "every"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"{name}={value:g} is not a part, a number from 0 to 1")
        if self.of("first") > self.of("last"):
            raise ValueError(f"first={self.of('first'):g} is after last={self.of('last'):g}, which leaves no look: give first below last")
        check_scale(self.of("scale"))

    def of(self, name: str) -> Any:
        """A parameter as given, or else the preset's."""
        value = getattr(self, name)
        return PRESETS[self.preset][name] if value is None else value

    def looks(self, steps: int) -> tuple[int, ...]:
        """Draws done at each look, of an image of `steps`."""
        first, last, every = self.of("first"), self.of("last"), self.of("every")
        if every == 0:
            return tuple(step for step in range(1, steps) if first * steps - 1e-9 <= step <= last * steps + 1e-9)
        count = int((last - first) / every + 1e-9) + 1
        marks = [int((first + index * every) * steps + 0.5) for index in range(count)]
        return tuple(dict.fromkeys(mark for mark in marks if 0 < mark < steps))

    def _looks(self, steps: int, family: Family) -> tuple[int, ...]:
        """Those after which copies can part: the last step of denoising takes no noise."""
        return tuple(look for look in self.looks(steps) if family == "ar" or look < steps - 1)

    def plan(self, budget: Budget, prices: Prices) -> Plan:
        """The most particles that the budget buys, at least two. Raises BudgetTooSmall."""
        prices.check(budget)
        check_steps(prices.steps, "smc looks at")
        if prices.family == "diffusion":
            check_noisy(prices.steps, "smc")
        looks = self._looks(prices.steps, prices.family)
        if not looks:
            raise Unfit(
                f"first={self.of('first'):g},last={self.of('last'):g} leave no look within {counted(prices.steps, 'step')}, and smc "
                "without one is random search: give parts further apart"
            )

        # Survivors of one autoregressive parent share its prediction: how many there are shows on the way.
        exact = prices.family != "ar"

        def sized(particles: int) -> Plan:
            planned = lockstep_cost(prices, particles, dict.fromkeys(looks, particles))
            passes = () if exact else planned.passes
            return Plan({"preset": self.preset, "particles": particles}, planned.rounds, exact, planned.looks, passes)

        return largest_plan(budget, sized, self.particles, 2, lambda size: f"{size} particles")

    def run(self, task: Task) -> None:
        """Advance all prompts step by step, as many together as fill one batch with particles."""
        deadline = Deadline(task)
        for prompts in groups(task, lambda prompt: int(task.plans[prompt].parameters["particles"])):
            self._run_group(task, prompts, deadline)
        mark_final(task)

    def _run_group(self, task: Task, prompts: Sequence[int], deadline: Deadline) -> None:
        steps = task.generator.card.steps
        looks = self._looks(steps, task.generator.card.family)
        frontier = roots(task, {prompt: task.plans[prompt].parameters["particles"] for prompt in prompts})
        cloud = {name_of(branch): Particle() for part in frontier for branch in part.branches}
        children = {name: [Branch(*name)] for name in cloud}
        for step in range(steps - 1):
            frontier = list(grow(task, frontier, children, self.level))
            if step + 1 in looks:
                frontier, children = self._look(task, frontier, cloud, prompts, deadline)
            else:
                children = thinned(frontier, {prompt: deadline.rest(prompt, step + 1) for prompt in prompts})
        finish(task, list(grow(task, frontier, children, self.level)))

    def _look(
        self, task: Task, frontier: Frontier, cloud: dict[Name, Particle], prompts: Sequence[int], deadline: Deadline
    ) -> tuple[Frontier, dict[Name, list[Branch]]]:
        """The same rows with their predictions, and the children of each."""
        look, steps = frontier[0].state.step, task.generator.card.steps
        this = Round(task, prompts, complete=False)
        frontier = preview(task, frontier, this)
        strength = strength_at(self.of("scale"), self.of("tempering"), look / steps)
        children: dict[Name, list[Branch]] = {}
        for prompt in prompts:
            branches = this.branches(prompt)
            before = [cloud[name_of(branch)] for branch in branches]
            after, log_weights_N = seen(before, this.values(prompt), task.judges[0].rewards, self.of("potential"), strength)
            cloud |= {name_of(branch): particle for branch, particle in zip(branches, after, strict=True)}
            told = not np.isnan(this.rewards(prompt)).all()
            children |= self._resample(task, prompt, branches, cloud, log_weights_N if told else None, look, deadline.rest(prompt, look))
        this.close({name for name, born in children.items() if born})
        return frontier, children

    def _resample(
        self, task: Task, prompt: int, branches: Sequence[Branch], cloud: dict[Name, Particle], log_weights_N: np.ndarray | None,
        look: int, part: float,
    ) -> dict[Name, list[Branch]]:
        """Children of each particle, who enter the cloud; fewer in all where time runs out (`part`). No weights: nothing was scored."""
        weights_N = normalised(np.zeros(len(branches)) if log_weights_N is None else log_weights_N)
        count = max(1, int(len(branches) * part))
        uneven = log_weights_N is not None and effective(weights_N) <= self.of("ess") * len(branches) + 1e-9
        again = count < len(branches) or uneven
        counts_N = np.ones(len(branches), dtype=np.int64)
        if again:
            random = np.random.default_rng(task.seed(prompt, (), look))
            counts_N = SCHEMES[self.of("resampling")](weights_N, count, random)
        children = {}
        for branch, number in zip(branches, counts_N, strict=True):
            born = [Branch(prompt, (*branch.path, j), branch.path, look + 1) for j in range(number)]
            children[name_of(branch)] = born
            parent = cloud[name_of(branch)]
            cloud |= {name_of(child): parent.resampled() if again else parent for child in born}
        return children
