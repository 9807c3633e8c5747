"""Text of variable length without padding: prompts in one flat tensor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor


@dataclass(frozen=True)
class TextFeatures:
    """Features of the text encoder for several prompts, concatenated without padding."""

    flat_TC: Tensor
    """[sum of lengths, Ct]."""
    lengths: tuple[int, ...]

    def __post_init__(self) -> None:
        if sum(self.lengths) != len(self.flat_TC) or min(self.lengths, default=1) < 1:
            raise ValueError(f"text lengths {self.lengths} do not fill {len(self.flat_TC)} feature rows; "
                             "every prompt needs at least one token")

    @classmethod
    def of(cls, features: Sequence[Tensor]) -> TextFeatures:
        """From one tensor [L, Ct] per prompt."""
        return cls(torch.cat(list(features)), tuple(len(one) for one in features))

    @classmethod
    def from_padded(cls, features_BLC: Tensor, lengths: Sequence[int]) -> TextFeatures:
        """From features padded on the right [B, L, Ct] and the true lengths; raises ValueError for one above L."""
        width = features_BLC.shape[1]
        if max(lengths, default=0) > width:  # its tokens would be the next prompt's
            raise ValueError(f"text lengths {tuple(lengths)} exceed features padded to {width} tokens: give their own")
        return cls(features_BLC.flatten(0, 1)[token_places([row * width for row in range(len(lengths))], lengths)], tuple(lengths))

    def split(self) -> tuple[Tensor, ...]:
        """One tensor [L, Ct] per prompt."""
        return self.flat_TC.split(self.lengths)

    def select(self, indices: Sequence[int]) -> TextFeatures:
        """Prompts by index, with repetition."""
        starts, lengths = [0, *accumulate(self.lengths)], tuple(self.lengths[index] for index in indices)
        return TextFeatures(self.flat_TC[token_places([starts[index] for index in indices], lengths)], lengths)

    def where(self, chosen: Sequence[bool], other: TextFeatures) -> TextFeatures:
        """These prompts, those chosen replaced by the other's of the same lengths."""
        chosen_P = torch.tensor(chosen, device=self.flat_TC.device)
        chosen_T = chosen_P.repeat_interleave(torch.tensor(self.lengths, device=chosen_P.device), output_size=len(self.flat_TC))
        return TextFeatures(torch.where(chosen_T[:, None], other.flat_TC, self.flat_TC), self.lengths)

    def by_length(self) -> list[int]:
        """An order of the prompts, shortest first, that leaves the fewest runs."""
        return sorted(range(len(self.lengths)), key=self.lengths.__getitem__)


def token_places(starts: Sequence[int], lengths: Sequence[int]) -> Tensor:
    """Where the tokens of prompts lie that begin at these places, int64 [T]."""
    return torch.tensor([start + token for start, length in zip(starts, lengths, strict=True) for token in range(length)])
