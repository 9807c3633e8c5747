"""How far a run is: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from harness.compute.amounts import counted

LINE_EVERY_SECONDS = 15.0


class _Bar(Progress):
    """A bar under a line that names the unit in work: in one line a long name would leave no room for the figures."""

    def get_renderables(self) -> Iterator[RenderableType]:
        """The name, as far as the terminal is wide, and the bar."""
        for task in self.tasks:
            yield Text(task.description, no_wrap=True, overflow="ellipsis")
        yield self.make_tasks_table(self.tasks)


class RunProgress:
    """Units done, images a second, and time left as planned FLOPs still to do at the pace so far."""

    def __init__(self, console: Console, units: int, done: int, planned_flops: float) -> None:
        """`done` of `units` were finished before; `planned_flops` are those of the units still to run."""
        self._console, self._units, self._done = console, units, done
        self._planned, self._spent, self._images = planned_flops, 0.0, 0
        self._said = False
        self._begun = self._last = self._last_line = time.perf_counter()
        self._bar = _Bar(
            BarColumn(), MofNCompleteColumn(), TextColumn("units"),
            TextColumn("{task.fields[pace]}"), TimeElapsedColumn(), console=console, disable=not console.is_terminal,
        )  # fmt: skip
        self._task = self._bar.add_task("searching", total=units, completed=done, pace="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def begin(self, title: str) -> None:
        """Name the unit in work."""
        self._bar.update(self._task, description=title)
        if not (self._console.is_terminal or self._said):
            self._said = True
            self._console.print(f"unit {self._done + 1} of {self._units}: {title}", highlight=False)

    def finish(self, title: str, images: int, planned_flops: float) -> None:
        """Count a finished unit; one without FLOPs was not drawn, and does not count where others are."""
        now = time.perf_counter()
        self._done += 1
        if planned_flops or not self._planned:
            self._images += images
            self._spent += planned_flops
        else:  # nothing of what is planned: its time tells nothing of the time left
            self._begun += now - self._last
        self._last = now
        pace = self._pace()
        self._bar.update(self._task, advance=1, pace=pace)
        due = now - self._last_line >= LINE_EVERY_SECONDS or self._done == self._units
        if not self._console.is_terminal and due:
            self._last_line = now
            self._console.print(f"{self._done} of {counted(self._units, 'unit')}, {pace} (last: {title})", highlight=False)

    def leave_out(self, planned_flops: float) -> None:
        """Count a unit that another process has done or does."""
        self._done += 1
        self._planned -= planned_flops
        self._bar.update(self._task, advance=1)

    def _pace(self) -> str:
        seconds = time.perf_counter() - self._begun
        if self._planned > self._spent == 0:
            return "time left not known yet"
        left = seconds * max(self._planned - self._spent, 0.0) / self._spent if self._spent else 0.0
        return f"{self._images / seconds:.1f} images/s, {duration(left)} left"


def duration(seconds: float) -> str:
    """Seconds as people say them: 42 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
