"""The seam between GenEval's rules and whatever looks at the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from models.base import Images
from suites.geneval.rules import Detection, Thresholds

if TYPE_CHECKING:
    import torch


@runtime_checkable
class Detector(Protocol):
    """Finds the objects of one domain's vocabulary in pictures."""

    @property
    def name(self) -> str: ...

    @property
    def thresholds(self) -> Thresholds:
        """Which of its detections count: scores mean something only on the scale of the detector that gave them."""
        ...

    def detect(self, images_BCHW: Images) -> list[list[Detection]]:
        """Every object in each picture, weak ones included; boxes in pixels -> one list per picture, same order."""
        ...

    def colors(self, images: Sequence[torch.Tensor], detections: Sequence[Detection]) -> list[str]:
        """Name the colour of detection n in picture n (uint8 [3, H, W]), for detections whose `color` is None.

        Asked only where a requirement depends on it, for all pictures of a call at once.
        """
        ...


@runtime_checkable
class Selective(Protocol):
    """A detector that does not read pictures of every size."""

    def unread(self, images_BCHW: Images) -> str:
        """Why it reads no picture of this height and width, "" where it does."""
        ...
