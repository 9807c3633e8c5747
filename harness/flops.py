"""Measured FLOPs: what static prices are checked against."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count


def _cpu_attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return sdpa_flop_count(query, key, value)


def _fused_attention_module(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    """Four projections and the attention of nn.MultiheadAttention's inference path; shapes [B, L, C]."""
    batch, length, width = query
    return 8 * batch * length * width**2 + 4 * batch * length**2 * width


def count_flops(call: Callable[[], object]) -> int:
    """Floating point operations of one call, 2 per multiply-add.

    torch's counter has no formula for the attention kernels it uses on a CPU and in nn.MultiheadAttention at inference, and
    would count them as zero; they are registered here.
    """
    mapping = {
        torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _cpu_attention,
        torch.ops.aten._native_multi_head_attention: _fused_attention_module,
    }
    with FlopCounterMode(display=False, custom_mapping=mapping) as counter:
        call()
    return int(counter.get_total_flops())
