"""How far verdicts and intervals can be trusted: a simulated table for docs/decisions.md (`python -m reports.false_verdicts`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from harness import markdown
from reports.statistics import LEVEL, Sample
from reports.strata import SHARES, Ends, Floats

EXPERIMENTS = 2000
_TAIL = (1 - LEVEL) / 2


@dataclass(frozen=True, slots=True)
class World:
    """Prompts of some tasks, and methods each with its chance of a right image in each task."""

    prompts: int
    """Of each task."""
    seeds: int
    methods: tuple[tuple[float, ...], ...]

    @property
    def tasks(self) -> list[str]:
        return [str(task) for task in range(len(self.methods[0])) for _ in range(self.prompts)]

    def scores(self, generator: np.random.Generator) -> Floats:
        """Each prompt's share of right images by method [P, G]."""
        chance_PG = np.repeat(np.array(self.methods).T, self.prompts, axis=0)
        return (generator.random((*chance_PG.shape, self.seeds)) < chance_PG[..., None]).mean(axis=2)

    def of_last(self, generator: np.random.Generator, experiments: int) -> tuple[Floats, float, Ends]:
        """Scores of the last method in each experiment [P, experiments], its true score, and the ends of a score."""
        last = self.methods[-1]
        return World(self.prompts, self.seeds, (last,) * experiments).scores(generator), float(np.mean(last)), SHARES


@dataclass(frozen=True, slots=True)
class Drawn:
    """Prompts whose scores are drawn from one distribution, the same in all tasks; where it has no ends those seen stand for them."""

    distribution: str
    """A name in scipy.stats."""
    shape: tuple[float, ...]
    count: int
    """Of tasks."""
    prompts: int
    """Of each task."""

    @property
    def tasks(self) -> list[str]:
        return [str(task) for task in range(self.count) for _ in range(self.prompts)]

    def of_last(self, generator: np.random.Generator, experiments: int) -> tuple[Floats, float, Ends]:
        """As of a World."""
        law = getattr(stats, self.distribution)(*self.shape)
        scores_PG = law.rvs(size=(len(self.tasks), experiments), random_state=generator)
        ends = Ends(*law.support()) if np.isfinite(law.support()).all() else Ends(scores_PG.min(axis=0), scores_PG.max(axis=0), known=False)
        return scores_PG, float(law.mean()), ends


def equal(prompts: int, seeds: int, chances: tuple[float, ...], methods: int = 5) -> World:
    """Methods that differ by luck alone."""
    return World(prompts, seeds, (chances,) * methods)


ONE_HARD, TWO_HARD, UNEVEN = (0.6, *[1.0] * 5), (0.6, 0.8, *[1.0] * 4), (0.6, 0.8, 0.9, 0.9, 0.95, 1.0)
ALIKE, HIGH, SOLVED = (0.7,) * 6, (0.92,) * 6, (0.95,) * 6
WORLDS = {
    "equal, one hard task (.6, others 1)": [
        equal(4, 1, ONE_HARD), equal(4, 2, ONE_HARD), equal(8, 1, ONE_HARD), equal(8, 2, ONE_HARD), equal(57, 1, ONE_HARD),
    ],
    "equal, two hard tasks (.6, .8, others 1)": [equal(8, 1, TWO_HARD)],
    "equal, uneven tasks (.6 to 1)": [equal(8, 1, UNEVEN), equal(8, 2, UNEVEN)],
    "equal, one hard task, two methods": [equal(4, 2, ONE_HARD, 2), equal(8, 1, ONE_HARD, 2)],
    "equal, all tasks .7": [equal(4, 1, ALIKE), equal(8, 1, ALIKE), equal(57, 1, ALIKE)],
    "equal, all tasks .95": [equal(4, 1, SOLVED), equal(8, 1, SOLVED)],
    "equal, a single task of .5": [equal(8, 1, (0.5,), 10)],
    "equal, a single task of .95": [equal(16, 1, (0.95,))],
    "equal, a single task of .9": [equal(4, 2, (0.9,)), equal(57, 1, (0.9,))],
    "equal, a single task of .8": [equal(16, 1, (0.8,)), equal(200, 1, (0.8,))],
    ".9 against one of .6 in one task, others 1": [World(57, 1, ((0.9, *[1.0] * 5), ONE_HARD))],
    ".92 against one of .7": [World(4, 1, (HIGH, ALIKE)), World(8, 1, (HIGH, ALIKE)), World(16, 1, (HIGH, ALIKE))],
    ".92 against four of .7": [World(8, 1, (HIGH, *[ALIKE] * 4)), World(16, 1, (HIGH, *[ALIKE] * 4))],
}  # fmt: skip
DRAWN = {
    "normal": [Drawn("norm", (), 1, 4), Drawn("norm", (), 1, 10), Drawn("norm", (), 6, 3), Drawn("norm", (), 6, 8)],
    "beta(2, 1), between 0 and 1": [Drawn("beta", (2, 1), *many) for many in ((1, 4), (1, 10), (1, 57), (6, 3), (6, 8))],
    "beta(8, 1), between 0 and 1": [Drawn("beta", (8, 1), *many) for many in ((1, 4), (1, 10), (1, 57), (6, 3), (6, 8))],
    "exponential": [Drawn("expon", (), 1, 4), Drawn("expon", (), 1, 57), Drawn("expon", (), 6, 8)],
}


def called_behind(world: World, experiments: int = EXPERIMENTS) -> float:
    """Share of experiments in which the method that comes out first is told from at least one other."""
    many = len(world.methods)
    drawn = World(world.prompts, world.seeds, world.methods * experiments).scores(np.random.default_rng(0))
    scores_PEM = drawn.reshape(-1, experiments, many)
    order_EM = np.argsort(-scores_PEM.mean(axis=0), axis=1, kind="stable")
    scores_PEM = np.take_along_axis(scores_PEM, order_EM[None], axis=2)
    behind_PG = (scores_PEM[..., :1] - scores_PEM[..., 1:]).reshape(len(drawn), -1)
    low_G = Sample(world.tasks).together(behind_PG, many=many * (many - 1) // 2).low_G  # as `behind_first` has it of each experiment
    return float((low_G.reshape(experiments, -1) > 1e-9).any(axis=1).mean())


def held(world: World | Drawn, experiments: int = EXPERIMENTS) -> tuple[float, float, float]:
    """Share of experiments in which the interval of the last method holds its true score, its mean width, and that share of Student's t.

    The latter is what an interval would hold that makes nothing of how skewed scores are.
    """
    scores_PG, truth, ends = world.of_last(np.random.default_rng(0), experiments)
    sample = Sample(world.tasks)
    found, tasks = sample.over_all(scores_PG, ends), sample.by_task(scores_PG)
    below_G, above_G = (np.hypot(special.stdtrit(tasks.freedom_G, _TAIL) * tasks.error_G, each) for each in tasks.unseen(ends, _TAIL))
    share, of_student = (
        float(((low_G <= truth + 1e-9) & (truth - 1e-9 <= high_G)).mean())
        for low_G, high_G in ((found.low_G, found.high_G), (found.mean_G - below_G, found.mean_G + above_G))
    )
    return share, float((found.high_G - found.low_G).mean()), of_student


def main() -> None:
    """Print the tables."""
    of_interval = ("a score's interval holds the truth", "its width", "Student's t alone holds it")
    rows = [
        (what, str(len(world.tasks)), str(world.seeds), str(len(world.methods)), f"{called_behind(world):.3f}", *_three(world))
        for what, worlds in WORLDS.items() for world in worlds
    ]  # fmt: skip
    head = ("methods are", "prompts", "seeds", "methods", "one is called behind", *of_interval)
    print(markdown.table(head, rows, head[1:]), end="\n\n")
    of_drawn = [(what, str(one.count), str(one.prompts), *_three(one)) for what, drawn in DRAWN.items() for one in drawn]
    columns = ("scores are", "tasks", "prompts of each", *of_interval)
    print(markdown.table(columns, of_drawn, columns[1:]))


def _three(world: World | Drawn) -> tuple[str, ...]:
    return tuple(f"{number:.3f}" for number in held(world))


if __name__ == "__main__":
    main()
