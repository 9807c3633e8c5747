"""Measured FLOPs: what static prices are checked against."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count


def _cpu_attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return sdpa_flop_count(query, key, value)


def count_flops(call: Callable[[], object]) -> int:
    """Floating point operations of one call, 2 per multiply-add.

    torch's counter has no formula for the attention kernel it uses on a CPU and would count it as zero; it is registered here.
    """
    mapping = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _cpu_attention}
    with FlopCounterMode(display=False, custom_mapping=mapping) as counter:
        call()
    return int(counter.get_total_flops())
