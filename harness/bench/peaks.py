"""Peak speeds of cards, by the names that their drivers give them."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch

PEAKS: Mapping[str, float] = {
    "B200": 2250e12, "GH200": 989e12, "H200": 989e12, "H100 PCIe": 756e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12,
    "RTX 4090": 165e12,
}  # fmt: skip
"""Dense bfloat16 FLOP/s of cards by words of their names, as their makers give them."""
VARIANTS = frozenset({"D", "Laptop", "MIG", "NVL"})
"""Words that make a slower card, or a part of one, of the card whose name they follow."""


def peak_of(device: torch.device, dtype: str) -> float:
    """Dense bfloat16 FLOP/s of a card, NaN where it is not known or `dtype` has other units."""
    if device.type != "cuda" or dtype not in ("bfloat16", "float16"):
        return float("nan")
    words = set(re.findall(r"\w+", torch.cuda.get_device_name(device)))
    known = next((peak for card, peak in PEAKS.items() if words.issuperset(card.split())), float("nan"))
    return float("nan") if words & VARIANTS else known
