"""An oracle: how near a picture comes to what a GenEval record asks, where the rules only say right or wrong."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from suites.shapes.finder import Found, find
from suites.shapes.vocabulary import COLOUR_NAMES, KINDS


def soft_scores(images: torch.Tensor, records: Sequence[Mapping[str, Any]]) -> torch.Tensor:
    """Return how near each picture is to what its record asks, float32 [N] in 0 to 1: an oracle verifier.

    The mean over all asked objects of (kind x colour x form x relation) of the best parts, less a share for every part
    beyond those asked.
    """
    return torch.tensor(
        [_soft(parts, record) for parts, record in zip(find(images), records, strict=True)], dtype=torch.float32
    )


def _soft(parts: Sequence[Found], record: Mapping[str, Any]) -> float:
    free = list(parts)
    chosen: list[list[Found]] = []
    values: list[float] = []
    for need in record["include"]:
        free.sort(key=lambda part: -_fit(part, need))
        taken, free = free[: need["count"]], free[need["count"] :]
        chosen.append(taken)
        fits = [_fit(part, need) for part in taken] + [0.0] * (need["count"] - len(taken))
        if "position" in need:
            relation, target = need["position"]
            near = [_related(part, other, relation) for part in taken for other in chosen[target]]
            fits = [fit * (0.3 + 0.7 * min(near, default=0.0)) for fit in fits]
        values += fits
    extra = sum(part.form > 0.5 for part in free)
    return float(np.mean(values)) / (1 + 0.3 * extra)


def _fit(part: Found, need: Mapping[str, Any]) -> float:
    kind = part.kind_scores[KINDS.index(need["class"])]
    colour = part.colour_scores[COLOUR_NAMES.index(need["color"])] if "color" in need else 1.0
    right = part.confidence if part.kind == need["class"] else 0.0
    return (0.5 * kind + 0.5 * right) * (0.3 + 0.7 * colour) * (0.5 + 0.5 * part.form)


def _related(part: Found, other: Found, relation: str) -> float:
    dx = (part.box[0] + part.box[2] - other.box[0] - other.box[2]) / 2
    dy = (part.box[1] + part.box[3] - other.box[1] - other.box[3]) / 2
    distance = {"left of": -dx, "right of": dx, "above": -dy, "below": dy}[relation]
    return float(np.clip(0.5 + distance / 24, 0, 1))
