"""How far verdicts and intervals can be trusted: a simulated table for docs/decisions.md (`python -m reports.false_verdicts`)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness import markdown
from reports.statistics import OVERALL, Bootstrap
from reports.strata import Floats

EXPERIMENTS = 2000
_TOGETHER = 200
"""Methods whose intervals are resampled at once, for want of memory for more."""


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
    ".9 against one of .6 in one task, others 1": [World(57, 1, ((0.9, *[1.0] * 5), ONE_HARD))],
    ".92 against one of .7": [World(4, 1, (HIGH, ALIKE)), World(8, 1, (HIGH, ALIKE)), World(16, 1, (HIGH, ALIKE))],
    ".92 against four of .7": [World(8, 1, (HIGH, *[ALIKE] * 4)), World(16, 1, (HIGH, *[ALIKE] * 4))],
}  # fmt: skip


def called_behind(world: World, experiments: int = EXPERIMENTS) -> float:
    """Share of experiments in which the method that comes out first is told from at least one other."""
    generator, bootstrap, told = np.random.default_rng(0), Bootstrap(world.tasks, replicates=1), 0
    for _ in range(experiments):
        scores_PG = world.scores(generator)
        scores_PG = scores_PG[:, np.argsort(-scores_PG.mean(axis=0), kind="stable")]
        told += any(low > 1e-9 for _, low, _ in bootstrap.behind_first(scores_PG))
    return told / experiments


def held(world: World, experiments: int = EXPERIMENTS) -> float:
    """Share of experiments in which the interval of the last method holds its true score."""
    generator, bootstrap, found = np.random.default_rng(0), Bootstrap(world.tasks), []
    alone = World(world.prompts, world.seeds, (world.methods[-1],) * _TOGETHER)
    for _ in range(experiments // _TOGETHER):
        overall, truth = bootstrap.estimate(alone.scores(generator))[OVERALL], np.mean(alone.methods[0])
        found.append((overall.low_G <= truth + 1e-9) & (truth - 1e-9 <= overall.high_G))
    return float(np.concatenate(found).mean())


def main() -> None:
    """Print the table."""
    every = [(what, world) for what, worlds in WORLDS.items() for world in worlds]
    rows = [
        (what, str(len(world.tasks)), str(world.seeds), str(len(world.methods)), f"{called_behind(world):.3f}", f"{held(world):.3f}")
        for what, world in every
    ]
    head = ("methods are", "prompts", "seeds", "methods", "one is called behind", "a score's interval holds the truth")
    print(markdown.table(head, rows, head[1:]))


if __name__ == "__main__":
    main()
