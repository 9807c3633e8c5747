"""The seam between GenEval's rules and whatever looks at the pictures."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from models.base import Images
from suites.geneval.rules import Detection, Thresholds


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

    def colors(self, image_CHW: Images, detections: Sequence[Detection]) -> list[str]:
        """Name the colour of detections whose `color` is None; asked only where a requirement depends on it."""
        ...
