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

State = dict[str, torch.Tensor]

LEVELS, POINTS = 3, 4
"""Feature levels and sampling points of deformable attention: fixed in both implementations."""
_BACKBONE, _PIXELS, _QUERIES = "model.pixel_level_module.encoder", "model.pixel_level_module.decoder", "model.transformer_module"
_DECODER = f"{_QUERIES}.decoder"
_DEFORMABLE = ("sampling_offsets", "attention_weights", "value_proj", "output_proj")

# Version 3 of mmdetection gives two parts of a layer a name where version 2 counts them.
_VERSION_3 = (
    (re.compile(r"^(panoptic_head\.pixel_decoder\.encoder\.layers\.\d+)\.self_attn\."), r"\1.attentions.0."),
    (re.compile(r"^(panoptic_head\.transformer_decoder\.layers\.\d+)\.cross_attn\."), r"\1.attentions.0."),
    (re.compile(r"^(panoptic_head\.transformer_decoder\.layers\.\d+)\.self_attn\."), r"\1.attentions.1."),
    (re.compile(r"^(panoptic_head\..+\.layers\.\d+)\.ffn\."), r"\1.ffns.0."),
)
_DROPPED = re.compile(r"relative_position_index$|^panoptic_head\.loss_|^data_preprocessor\.")
"""What holds no weight of the network: an index that is computed, and parts of training."""

_PARTS: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
    (r"backbone\.patch_embed", f"{_BACKBONE}.embeddings", (("projection", "patch_embeddings.projection"), ("norm", "norm"))),
    (
        r"backbone\.stages\.(\d+)\.blocks\.(\d+)",
        rf"{_BACKBONE}.encoder.layers.\1.blocks.\2",
        (
            ("norm1", "layernorm_before"),
            ("norm2", "layernorm_after"),
            ("attn.w_msa.proj", "attention.output.dense"),
            ("ffn.layers.0.0", "intermediate.dense"),
            ("ffn.layers.1", "output.dense"),
        ),
    ),
    (r"panoptic_head\.pixel_decoder\.input_convs\.(\d+)", rf"{_PIXELS}.input_projections.\1", (("conv", "0"), ("gn", "1"))),
    (r"panoptic_head\.pixel_decoder\.lateral_convs\.0", f"{_PIXELS}.adapter_1", (("conv", "0"), ("gn", "1"))),
    (r"panoptic_head\.pixel_decoder\.output_convs\.0", f"{_PIXELS}.layer_1", (("conv", "0"), ("gn", "1"))),
    (r"panoptic_head\.pixel_decoder", _PIXELS, (("mask_feature", "mask_projection"),)),
    (
        r"panoptic_head\.pixel_decoder\.encoder\.layers\.(\d+)",
        rf"{_PIXELS}.encoder.layers.\1",
        (
            *((f"attentions.0.{name}", f"self_attn.{name}") for name in _DEFORMABLE),
            ("ffns.0.layers.0.0", "fc1"),
            ("ffns.0.layers.1", "fc2"),
            ("norms.0", "self_attn_layer_norm"),
            ("norms.1", "final_layer_norm"),
        ),
    ),
    (
        r"panoptic_head\.transformer_decoder\.layers\.(\d+)",
        rf"{_DECODER}.layers.\1",
        (
            ("attentions.0.attn.out_proj", "cross_attn.out_proj"),
            ("attentions.1.attn.out_proj", "self_attn.out_proj"),
            ("ffns.0.layers.0.0", "fc1"),
            ("ffns.0.layers.1", "fc2"),
            ("norms.0", "cross_attn_layer_norm"),
            ("norms.1", "self_attn_layer_norm"),
            ("norms.2", "final_layer_norm"),
        ),
    ),
    (r"panoptic_head\.transformer_decoder", _DECODER, (("post_norm", "layernorm"),)),
    (
        "panoptic_head",
        _QUERIES,
        (
            ("query_embed", "queries_embedder"),
            ("query_feat", "queries_features"),
            ("level_embed", "level_embed"),
            *((f"mask_embed.{2 * n}", f"decoder.mask_predictor.mask_embedder.{n}.0") for n in range(3)),
        ),
    ),
    *(("backbone", f"{_BACKBONE}.hidden_states_norms", ((f"norm{n}", f"stage{n + 1}"),)) for n in range(4)),
)
"""Modules that are only renamed: where they are in either network, and what they are called there."""
_RULES = tuple(
    (re.compile(rf"^{prefix}\.{re.escape(old)}\.(weight|bias)$"), f"{target}.{new}")
    for prefix, target, names in _PARTS
    for old, new in names
)
_EXACT = {
    "panoptic_head.pixel_decoder.level_encoding.weight": f"{_PIXELS}.level_embed",
    # Both implementations keep "no object" as the last class, so the classifier is taken as it is.
    "panoptic_head.cls_embed.weight": "class_predictor.weight",
    "panoptic_head.cls_embed.bias": "class_predictor.bias",
}
_BIAS_TABLE = re.compile(r"^backbone\.stages\.(\d+)\.blocks\.(\d+)\.attn\.w_msa\.(relative_position_bias_table)$")
_CROSS = re.compile(r"^panoptic_head\.transformer_decoder\.layers\.(\d+)\.attentions\.0\.attn\.(in_proj_(?:weight|bias))$")
_WINDOW_QKV = re.compile(r"^backbone\.stages\.(\d+)\.blocks\.(\d+)\.attn\.w_msa\.qkv\.(weight|bias)$")
_QUERY_QKV = re.compile(r"^panoptic_head\.transformer_decoder\.layers\.(\d+)\.attentions\.1\.attn\.in_proj_(weight|bias)$")
_MERGE = re.compile(r"^backbone\.stages\.(\d+)\.downsample\.(reduction|norm)\.(weight|bias)$")


def to_transformers(state: Mapping[str, torch.Tensor]) -> State:
    """Rename and reorder OpenMMLab's weights to those of transformers' published Mask2Former files.

    Raises:
        DamagedWeights: a tensor that neither version 2 nor 3 of mmdetection gives this network.
    """
    converted: State = {}
    for key, value in state.items():
        if not _DROPPED.search(key):
            converted.update(_convert(_version_2(key), value))
    return converted


def _version_2(key: str) -> str:
    for pattern, name in _VERSION_3:
        key = pattern.sub(name, key)
    return key


def _convert(key: str, value: torch.Tensor) -> State:
    if key in _EXACT:
        return {_EXACT[key]: value}
    for pattern, name in _RULES:
        if found := pattern.match(key):
            return {f"{found.expand(name)}.{found.groups()[-1]}": value}
    if found := _BIAS_TABLE.match(key):
        return {f"{_BACKBONE}.encoder.layers.{found[1]}.blocks.{found[2]}.attention.self.{found[3]}": value}
    if found := _CROSS.match(key):
        return {f"{_DECODER}.layers.{found[1]}.cross_attn.{found[2]}": value}
    if found := _WINDOW_QKV.match(key):
        prefix = f"{_BACKBONE}.encoder.layers.{found[1]}.blocks.{found[2]}.attention.self"
        return {f"{prefix}.{part}.{found[3]}": rows for part, rows in _thirds(value, ("query", "key", "value"))}
    if found := _QUERY_QKV.match(key):
        prefix = f"{_DECODER}.layers.{found[1]}.self_attn"
        return {f"{prefix}.{part}.{found[2]}": rows for part, rows in _thirds(value, ("q_proj", "k_proj", "v_proj"))}
    if found := _MERGE.match(key):
        return {f"{_BACKBONE}.encoder.layers.{found[1]}.downsample.{found[2]}.{found[3]}": merged_order(value)}
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
    blocks = [_count(state, rf"{re.escape(_BACKBONE)}\.encoder\.layers\.{stage}\.blocks\.(\d+)\.") for stage in range(4)]
    tables = [
        state[f"{_BACKBONE}.encoder.layers.{stage}.blocks.0.attention.self.relative_position_bias_table"] for stage in range(4)
    ]
    patches = state[f"{_BACKBONE}.embeddings.patch_embeddings.projection.weight"]
    features = state[f"{_PIXELS}.mask_projection.weight"]
    offsets = state[f"{_PIXELS}.encoder.layers.0.self_attn.sampling_offsets.weight"]
    hidden = state[f"{_BACKBONE}.encoder.layers.0.blocks.0.intermediate.dense.weight"]
    queries = state[f"{_QUERIES}.queries_features.weight"]
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
        "encoder_layers": _count(state, rf"{re.escape(_PIXELS)}\.encoder\.layers\.(\d+)\."),
        "encoder_feedforward_dim": state[f"{_PIXELS}.encoder.layers.0.fc1.weight"].shape[0],
        "decoder_layers": _count(state, rf"{re.escape(_DECODER)}\.layers\.(\d+)\.") + 1,
        "dim_feedforward": state[f"{_DECODER}.layers.0.fc1.weight"].shape[0],
        "num_labels": state["class_predictor.bias"].shape[0] - 1,
    }


def _count(state: Mapping[str, torch.Tensor], pattern: str) -> int:
    return len({found[1] for key in state if (found := re.match(pattern, key))})
