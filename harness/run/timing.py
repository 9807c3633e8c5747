"""Where the time of a run goes, as shares of the wall time after loading.

Forward passes and all else that is done to latents and prefixes (FORWARD), passes between them and images (DECODE), text
encoders and verifiers are what the meters measured of the search; evaluation is what measures the selected images, the
report is the page and its figures. "Harness" is everything else: planning with its calibration, the searches' own work
between the models' calls, tables, PNG files and the store. Loading weights, importing what they need, and what
a model does before it is measured (`harness/compute/warm_up.py`) are outside all shares.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

from harness.search.base import Task

FORWARD = ("noise", "start", "predict", "draw", "select", "renoise", "mutate", "join")
DECODE = ("preview", "decode", "embed")
TEXT = ("encode",)
SCORE = "score"
LOAD, EVALUATION, REPORT, SEARCH = "load", "evaluation", "report", "search"


class Stopwatch:
    """Seconds by section (what the harness is doing) and by operation (what the models did meanwhile)."""

    def __init__(self) -> None:
        self._begun = perf_counter()
        self._within = 0.0
        self.sections: dict[str, float] = defaultdict(float)
        self.operations: dict[str, float] = defaultdict(float)

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        """Time what happens within; what happens in a section within counts there alone."""
        begin, before, self._within = perf_counter(), self._within, 0.0
        try:
            yield
        finally:
            spent = perf_counter() - begin
            self.sections[name] += spent - self._within
            self._within = before + spent

    def add_clocks(self, task: Task) -> None:
        """Add what the meters of a finished task have measured."""
        for metered in [task.generator, *([task.refiner.generator] if task.refiner else [])]:
            for (operation, _), timing in metered.clock.items():
                self.operations[operation] += timing.seconds
        self.operations[SCORE] += sum(timing.seconds for judge in task.judges for timing in judge.clock.values())

    def profile(self) -> dict[str, Any]:
        """The account so far: seconds and shares of the wall time after loading, which sum to one."""
        wall = perf_counter() - self._begun
        load = self.sections.get(LOAD, 0.0)
        seconds = {
            "forward passes": sum(self.operations[name] for name in FORWARD),
            "decode": sum(self.operations[name] for name in DECODE),
            "verifiers": self.operations[SCORE],
            "text encoders": sum(self.operations[name] for name in TEXT),
            "evaluation": self.sections.get(EVALUATION, 0.0),
            "report": self.sections.get(REPORT, 0.0),
        }
        running = wall - load
        seconds["harness"] = running - sum(seconds.values())
        searching = sum(self.operations.values())
        apart = (LOAD, EVALUATION, REPORT, SEARCH)
        around = {name: spent for name, spent in self.sections.items() if name not in apart}
        around[SEARCH] = self.sections.get(SEARCH, 0.0) - searching
        around["rest"] = seconds["harness"] - sum(around.values())
        return {
            "wall_seconds": wall,
            "load_seconds": load,
            "seconds": seconds,
            "shares": {name: spent / running for name, spent in seconds.items()},
            "harness_seconds": around,
            "operation_seconds": dict(self.operations),
        }


def profile_lines(profile: dict[str, Any]) -> list[str]:
    """A profile as lines of text."""
    lines = [f"{'loading':<16}{profile['load_seconds']:9.2f} s"]
    for name, spent in profile["seconds"].items():
        lines.append(f"{name:<16}{spent:9.2f} s {profile['shares'][name]:7.1%}")
    parts = ", ".join(f"{name} {spent:.2f} s" for name, spent in profile["harness_seconds"].items())
    return [*lines, f"the harness's own: {parts}"]
