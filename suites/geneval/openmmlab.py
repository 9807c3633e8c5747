"""OpenMMLab's Mask2Former with Swin, the network behind GenEval's published scores, as the same network of transformers.

The two implementations compute the same function; names differ, attention keeps query, key and value apart or together, and
the four pixels that patch merging joins are ordered differently. Sizes are read from the tensors' shapes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from harness.errors import DamagedWeights
from suites.geneval.openmmlab_names import (
    BACKBONE,
    BIAS_TABLE,
    CROSS,
    DECODER,
    DROPPED,
    EXACT,
    MERGE,
    PIXELS,
    QUERIES,
    QUERY_QKV,
    RULES,
    VERSION_3,
    WINDOW_QKV,
)  # fmt: skip

State = dict[str, torch.Tensor]

LEVELS, POINTS = 3, 4
"""Feature levels and sampling points of deformable attention: fixed in both implementations."""


def to_transformers(state: Mapping[str, torch.Tensor]) -> State:
    """Rename and reorder OpenMMLab's weights to those of transformers' published Mask2Former files.

    Raises:
        DamagedWeights: a tensor that neither version 2 nor 3 of mmdetection gives this network.
    """
    converted: State = {}
    for key, value in state.items():
        if not DROPPED.search(key):
            converted.update(_convert(_version_2(key), value))
    return converted


def _version_2(key: str) -> str:
    for pattern, name in VERSION_3:
        key = pattern.sub(name, key)
    return key


def _convert(key: str, value: torch.Tensor) -> State:
    if key in EXACT:
        return {EXACT[key]: value}
    for pattern, name in RULES:
        if found := pattern.match(key):
            return {f"{found.expand(name)}.{found.groups()[-1]}": value}
    if found := BIAS_TABLE.match(key):
        return {f"{BACKBONE}.encoder.layers.{found[1]}.blocks.{found[2]}.attention.self.{found[3]}": value}
    if found := CROSS.match(key):
        return {f"{DECODER}.layers.{found[1]}.cross_attn.{found[2]}": value}
    if found := WINDOW_QKV.match(key):
        prefix = f"{BACKBONE}.encoder.layers.{found[1]}.blocks.{found[2]}.attention.self"
        return {f"{prefix}.{part}.{found[3]}": rows for part, rows in _thirds(value, ("query", "key", "value"))}
    if found := QUERY_QKV.match(key):
        prefix = f"{DECODER}.layers.{found[1]}.self_attn"
        return {f"{prefix}.{part}.{found[2]}": rows for part, rows in _thirds(value, ("q_proj", "k_proj", "v_proj"))}
    if found := MERGE.match(key):
        return {f"{BACKBONE}.encoder.layers.{found[1]}.downsample.{found[2]}.{found[3]}": merged_order(value)}
    raise DamagedWeights(
        f"checkpoint has {key!r}, which is no weight of OpenMMLab's Mask2Former with Swin: give that network's file"
    )


def _thirds(value: torch.Tensor, names: Sequence[str]) -> Iterator[tuple[str, torch.Tensor]]:
    """Query, key and value, stacked in one tensor."""
    return zip(names, (rows.clone() for rows in value.chunk(3)), strict=True)


def merged_order(weight: torch.Tensor) -> torch.Tensor:
    """Reorder the last axis, four pixels of C channels, from OpenMMLab's order to transformers'.

    OpenMMLab unfolds: channel by channel, pixels row by row. transformers joins: pixel by pixel, column by column.
    """
    channels = weight.shape[-1] // 4
    by_row = weight.reshape(*weight.shape[:-1], channels, 4)
    return by_row[..., [0, 2, 1, 3]].transpose(-1, -2).reshape(weight.shape).contiguous()


def settings_of(state: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """Read the sizes of converted weights as keyword arguments of Mask2FormerConfig; `backbone_config` holds SwinConfig's."""
    blocks = [_count(state, rf"{re.escape(BACKBONE)}\.encoder\.layers\.{stage}\.blocks\.(\d+)\.") for stage in range(4)]
    tables = [
        state[f"{BACKBONE}.encoder.layers.{stage}.blocks.0.attention.self.relative_position_bias_table"] for stage in range(4)
    ]
    patches = state[f"{BACKBONE}.embeddings.patch_embeddings.projection.weight"]
    features = state[f"{PIXELS}.mask_projection.weight"]
    offsets = state[f"{PIXELS}.encoder.layers.0.self_attn.sampling_offsets.weight"]
    hidden = state[f"{BACKBONE}.encoder.layers.0.blocks.0.intermediate.dense.weight"]
    queries = state[f"{QUERIES}.queries_features.weight"]
    swin = {
        "model_type": "swin",
        "embed_dim": patches.shape[0],
        "patch_size": patches.shape[-1],
        "depths": blocks,
        "num_heads": [table.shape[1] for table in tables],
        "window_size": (math.isqrt(tables[0].shape[0]) + 1) // 2,
        "mlp_ratio": hidden.shape[0] / hidden.shape[1],
        "drop_path_rate": 0.0,
        "out_features": ["stage1", "stage2", "stage3", "stage4"],
    }
    return {
        "backbone_config": swin,
        "feature_size": features.shape[1],
        "mask_feature_size": features.shape[0],
        "hidden_dim": queries.shape[1],
        "num_queries": queries.shape[0],
        "num_attention_heads": offsets.shape[0] // (LEVELS * POINTS * 2),
        "encoder_layers": _count(state, rf"{re.escape(PIXELS)}\.encoder\.layers\.(\d+)\."),
        "encoder_feedforward_dim": state[f"{PIXELS}.encoder.layers.0.fc1.weight"].shape[0],
        "decoder_layers": _count(state, rf"{re.escape(DECODER)}\.layers\.(\d+)\.") + 1,
        "dim_feedforward": state[f"{DECODER}.layers.0.fc1.weight"].shape[0],
        "num_labels": state["class_predictor.bias"].shape[0] - 1,
    }


def _count(state: Mapping[str, torch.Tensor], pattern: str) -> int:
    return len({found[1] for key in state if (found := re.match(pattern, key))})
