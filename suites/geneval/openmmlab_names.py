"""What OpenMMLab's Mask2Former with Swin and transformers' call their tensors, as patterns."""

from __future__ import annotations

import re

BACKBONE, PIXELS, QUERIES = "model.pixel_level_module.encoder", "model.pixel_level_module.decoder", "model.transformer_module"
DECODER = f"{QUERIES}.decoder"
_DEFORMABLE = ("sampling_offsets", "attention_weights", "value_proj", "output_proj")

# Version 3 of mmdetection gives two parts of a layer a name where version 2 counts them.
VERSION_3 = (
    (re.compile(r"^(panoptic_head\.pixel_decoder\.encoder\.layers\.\d+)\.self_attn\."), r"\1.attentions.0."),
    (re.compile(r"^(panoptic_head\.transformer_decoder\.layers\.\d+)\.cross_attn\."), r"\1.attentions.0."),
    (re.compile(r"^(panoptic_head\.transformer_decoder\.layers\.\d+)\.self_attn\."), r"\1.attentions.1."),
    (re.compile(r"^(panoptic_head\..+\.layers\.\d+)\.ffn\."), r"\1.ffns.0."),
)
DROPPED = re.compile(r"relative_position_index$|^panoptic_head\.loss_|^data_preprocessor\.")
"""What holds no weight of the network: an index that is computed, and parts of training."""

_PARTS: tuple[tuple[str, str, tuple[tuple[str, str], ...]], ...] = (
    (r"backbone\.patch_embed", f"{BACKBONE}.embeddings", (("projection", "patch_embeddings.projection"), ("norm", "norm"))),
    (
        r"backbone\.stages\.(\d+)\.blocks\.(\d+)",
        rf"{BACKBONE}.encoder.layers.\1.blocks.\2",
        (
            ("norm1", "layernorm_before"),
            ("norm2", "layernorm_after"),
            ("attn.w_msa.proj", "attention.output.dense"),
            ("ffn.layers.0.0", "intermediate.dense"),
            ("ffn.layers.1", "output.dense"),
        ),
    ),
    (r"panoptic_head\.pixel_decoder\.input_convs\.(\d+)", rf"{PIXELS}.input_projections.\1", (("conv", "0"), ("gn", "1"))),
    (r"panoptic_head\.pixel_decoder\.lateral_convs\.0", f"{PIXELS}.adapter_1", (("conv", "0"), ("gn", "1"))),
    (r"panoptic_head\.pixel_decoder\.output_convs\.0", f"{PIXELS}.layer_1", (("conv", "0"), ("gn", "1"))),
    (r"panoptic_head\.pixel_decoder", PIXELS, (("mask_feature", "mask_projection"),)),
    (
        r"panoptic_head\.pixel_decoder\.encoder\.layers\.(\d+)",
        rf"{PIXELS}.encoder.layers.\1",
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
        rf"{DECODER}.layers.\1",
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
    (r"panoptic_head\.transformer_decoder", DECODER, (("post_norm", "layernorm"),)),
    (
        "panoptic_head",
        QUERIES,
        (
            ("query_embed", "queries_embedder"),
            ("query_feat", "queries_features"),
            ("level_embed", "level_embed"),
            *((f"mask_embed.{2 * n}", f"decoder.mask_predictor.mask_embedder.{n}.0") for n in range(3)),
        ),
    ),
    *(("backbone", f"{BACKBONE}.hidden_states_norms", ((f"norm{n}", f"stage{n + 1}"),)) for n in range(4)),
)
"""Modules that are only renamed: where they are in either network, and what they are called there."""
RULES = tuple(
    (re.compile(rf"^{prefix}\.{re.escape(old)}\.(weight|bias)$"), f"{target}.{new}")
    for prefix, target, names in _PARTS
    for old, new in names
)
EXACT = {
    "panoptic_head.pixel_decoder.level_encoding.weight": f"{PIXELS}.level_embed",
    # Both implementations keep "no object" as the last class, so the classifier is taken as it is.
    "panoptic_head.cls_embed.weight": "class_predictor.weight",
    "panoptic_head.cls_embed.bias": "class_predictor.bias",
}
BIAS_TABLE = re.compile(r"^backbone\.stages\.(\d+)\.blocks\.(\d+)\.attn\.w_msa\.(relative_position_bias_table)$")
CROSS = re.compile(r"^panoptic_head\.transformer_decoder\.layers\.(\d+)\.attentions\.0\.attn\.(in_proj_(?:weight|bias))$")
WINDOW_QKV = re.compile(r"^backbone\.stages\.(\d+)\.blocks\.(\d+)\.attn\.w_msa\.qkv\.(weight|bias)$")
QUERY_QKV = re.compile(r"^panoptic_head\.transformer_decoder\.layers\.(\d+)\.attentions\.1\.attn\.in_proj_(weight|bias)$")
MERGE = re.compile(r"^backbone\.stages\.(\d+)\.downsample\.(reduction|norm)\.(weight|bias)$")
