"""Mask2Former's queries as instances, scored as mmdetection does (MaskFormerFusionHead, instance branch)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

INSTANCES = 100
"""(query, class) pairs that are kept of a picture."""
CHUNK = 16
"""Masks of full size that are in memory at once."""


@dataclass(frozen=True)
class Instance:
    """One query under one class."""

    label: int
    score: float
    """Class probability times the mean probability of the mask's own pixels."""
    box: tuple[float, float, float, float]
    """[x1, y1, x2, y2] around the mask in pixels of the picture, the right and lower edge exclusive."""
    mask: torch.Tensor
    """Bool, on the CPU, within the box."""


@dataclass(frozen=True)
class _Mask:
    quality: float
    box: tuple[int, int, int, int]
    inside: torch.Tensor


def instances(
    classes_QK: torch.Tensor,
    masks_Qhw: torch.Tensor,
    padded: tuple[int, int],
    unpadded: tuple[int, int],
    size: tuple[int, int],
    count: int = INSTANCES,
) -> list[Instance]:
    """The best (query, class) pairs of one picture.

    One query can appear under several classes, and duplicates of a class are kept. Pairs whose mask is empty are left out.

    Args:
        classes_QK: logits of Q queries, the last column "no object".
        masks_Qhw: logits of their masks at the network's resolution.
        padded: height and width of the network's input.
        unpadded: the part of it that shows the picture.
        size: height and width of the picture itself.
        count: how many pairs.
    """
    scores_QC = classes_QK.float().softmax(dim=-1)[:, :-1]
    best = scores_QC.flatten().topk(min(count, scores_QC.numel()))
    queries, labels = (best.indices // scores_QC.shape[1]).tolist(), (best.indices % scores_QC.shape[1]).tolist()
    wanted = sorted(set(queries))
    masks: dict[int, _Mask] = {}
    for start in range(0, len(wanted), CHUNK):
        chunk = wanted[start : start + CHUNK]
        masks |= zip(chunk, _masks(masks_Qhw[chunk].float(), padded, unpadded, size), strict=True)
    return [
        Instance(label, score * mask.quality, tuple(map(float, mask.box)), mask.inside)  # type: ignore[arg-type]
        for query, label, score in zip(queries, labels, best.values.tolist(), strict=True)
        if (mask := masks[query]).inside.numel()
    ]


def _masks(
    logits_Nhw: torch.Tensor, padded: tuple[int, int], unpadded: tuple[int, int], size: tuple[int, int]
) -> list[_Mask]:
    enlarged = functional.interpolate(logits_Nhw[:, None], padded, mode="bilinear", align_corners=False)
    shown = enlarged[..., : unpadded[0], : unpadded[1]]
    logits_NHW = functional.interpolate(shown, size, mode="bilinear", align_corners=False)[:, 0]
    inside_NHW = logits_NHW > 0
    total = (logits_NHW.sigmoid() * inside_NHW).flatten(1).sum(dim=1)
    quality = total / (inside_NHW.flatten(1).sum(dim=1) + 1e-6)
    return [_mask(value, inside) for value, inside in zip(quality.tolist(), inside_NHW.cpu(), strict=True)]


def _mask(quality: float, inside_HW: torch.Tensor) -> _Mask:
    rows, columns = (torch.nonzero(inside_HW.any(dim=axis)).flatten().tolist() for axis in (1, 0))
    if not rows:
        return _Mask(0.0, (0, 0, 0, 0), inside_HW[:0, :0])
    y1, y2, x1, x2 = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    return _Mask(quality, (x1, y1, x2, y2), inside_HW[y1:y2, x1:x2].clone())
