"""The blank: what stands in a batch of images for a picture that a model could not draw, as NaN stands for a number.

Half-precision weights overflow on a rare latent and the decoded row is no numbers (NaN), which uint8 cannot hold. The row's
neighbours are pictures, so the batch goes on: the row becomes a blank, which no verifier or grader scores and which is never saved.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from models.base import Images

if TYPE_CHECKING:
    import torch

NO_NUMBERS = "the model drew values that are no numbers (NaN)"
"""Why a blank has no score."""


def blank(height: int, width: int) -> torch.Tensor:
    """The blank of this size, uint8 [3, H, W]: every line the same noise, which no model draws by chance."""
    return _line(width)[:, None].expand(3, height, width)


def are_blank(images: Images) -> list[bool]:
    """Whether each image is a blank; its first line of pixels tells."""
    same: list[bool] = (images[:, :, 0] == _line(images.shape[3])).flatten(1).all(1).tolist()
    return same


@lru_cache
def _line(width: int) -> torch.Tensor:
    import torch

    return torch.randint(256, (3, width), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
