"""When memory runs out: work is split or batches are halved and tried again.

Seeds belong to candidates and not to batches, so that the same rows come out whatever the size of a batch, up to the rounding of
kernels, which goes by the shape of what they are given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from harness.batches import batches
from harness.errors import RunFailed

if TYPE_CHECKING:
    import torch

Result = TypeVar("Result")
SHARE = 0.9
"""Of free memory that is planned with: kernels' workspaces and fragments take the rest."""


def free_and_total(device: torch.device) -> tuple[int, int]:
    """Bytes of a device's memory that are free, and all of them; of a CPU what the machine gives this process."""
    if device.type == "cuda":
        import torch

        free, total = torch.cuda.mem_get_info(device)
        return free, total
    import psutil

    memory = psutil.virtual_memory()
    return int(memory.available), int(memory.total)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device, or the machine, has no memory left."""
    import torch
    from accelerate.utils.memory import should_reduce_batch_size

    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, Exception) and bool(should_reduce_batch_size(error))
    )


def release() -> None:
    """Give back what is no longer referred to."""
    from accelerate.utils.memory import clear_device_cache

    clear_device_cache(garbage_collection=True)


def with_fewer_rows(
    attempt: Callable[[int], Result], rows: int, shrunk: Callable[[int], None], what: str, used: Callable[[], int] = lambda: 0
) -> Result:
    """`attempt(rows)`, with half the rows after every time that memory runs out; `shrunk` hears of each.

    `used` tells the rows of the largest batch of the last attempt, 0 where that is not known: half of them are tried next,
    as a limit above them would change nothing.

    Raises:
        RunFailed: memory runs out at one row.
    """
    try:
        return _halving(attempt, rows, shrunk, used)
    except Exception as error:
        if not out_of_memory(error):
            raise
        raise RunFailed(
            f"{what} runs out of memory with one row: take a smaller size or dtype (`vistas doctor` says what fits)"
        ) from error


def _halving(attempt: Callable[[int], Result], rows: int, shrunk: Callable[[int], None], used: Callable[[], int]) -> Result:
    """What `with_fewer_rows` does, raising what was raised at one row."""
    while True:
        try:
            return attempt(rows)
        except Exception as error:
            if not out_of_memory(error):
                raise
            rows = min(rows, used() or rows)
            if rows == 1:
                raise
        rows //= 2  # outside of the handler: the error holds on to what has to be freed
        release()
        shrunk(rows)


class Parts:
    """Work on rows in parts that memory holds; a size that was too large is not tried again."""

    def __init__(self) -> None:
        self._most: int | None = None

    def join(self, work: Callable[[Sequence[int]], torch.Tensor], rows: int) -> torch.Tensor:
        """`work` on the rows 0, 1, 2 …, in parts where memory runs out; results [N, …] are joined in order."""
        import torch

        return torch.cat(self.run(work, rows))

    def run(self, work: Callable[[Sequence[int]], Result], rows: int) -> list[Result]:
        """`work` on the rows 0, 1, 2 …, in parts where memory runs out: the result of each part, in order."""
        size = rows if self._most is None else min(rows, self._most)
        return _halving(lambda size: [work(part) for part in batches(range(rows), size)], size, self._shrink, lambda: 0)

    def _shrink(self, most: int) -> None:
        self._most = most
