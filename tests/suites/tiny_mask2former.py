"""A Mask2Former of a few thousand weights on COCO's classes, and OpenMMLab's file of it, written by hand here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation, SwinConfig
from transformers.utils import logging

logging.disable_progress_bar()
DEPTHS, HEADS, ENCODER_LAYERS, DECODER_LAYERS = (1, 2, 1, 1), (1, 2, 2, 4), 2, 3


def network(seed: int = 0, classes: int = 80) -> Any:
    """Random weights everywhere, so that no two tensors of one shape can be taken for one another."""
    torch.manual_seed(seed)
    swin = SwinConfig(
        embed_dim=8, depths=list(DEPTHS), num_heads=list(HEADS), window_size=5, patch_size=4, drop_path_rate=0.0,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )  # fmt: skip
    config = Mask2FormerConfig(
        backbone_config=swin, feature_size=32, mask_feature_size=64, hidden_dim=32, encoder_feedforward_dim=48,
        dim_feedforward=40, encoder_layers=ENCODER_LAYERS, decoder_layers=DECODER_LAYERS + 1, num_attention_heads=4,
        num_queries=7, num_labels=classes,
    )  # fmt: skip
    found = Mask2FormerForUniversalSegmentation(config).eval().requires_grad_(False)
    for name, value in found.named_parameters():
        value.copy_(torch.randn_like(value) * 0.2 + (1.0 if "norm" in name and "weight" in name else 0.0))
    return found


def one_sees(label: int, seed: int = 0) -> Any:
    """A network that takes the whole of every picture for an object of one class."""
    found = network(seed)
    found.class_predictor.bias[label] += 30
    state = found.state_dict()
    for end, fill in (("mask_embedder.2.0.weight", 0.0), ("mask_embedder.2.0.bias", 1.0), ("mask_projection.weight", 0.0),
                      ("mask_projection.bias", 0.5)):  # fmt: skip
        (name,) = [key for key in state if key.endswith(end)]
        state[name].fill_(fill)
    return found


def published(found: Any, folder: Path) -> dict[str, torch.Tensor]:
    """Save in transformers' published format; the tensors as the file names them."""
    found.save_pretrained(folder)
    return load_file(folder / "model.safetensors")


def openmmlab(saved: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """OpenMMLab's state of a network (mmdetection 2) from transformers' published names."""
    state: dict[str, torch.Tensor] = {}

    def copy(old: str, new: str) -> None:
        for end in ("weight", "bias"):
            if f"{old}.{end}" in saved:
                state[f"{new}.{end}"] = saved[f"{old}.{end}"].clone()

    swin, pixels, head = "model.pixel_level_module.encoder", "model.pixel_level_module.decoder", "panoptic_head"
    copy(f"{swin}.embeddings.patch_embeddings.projection", "backbone.patch_embed.projection")
    copy(f"{swin}.embeddings.norm", "backbone.patch_embed.norm")
    for stage, depth in enumerate(DEPTHS):
        copy(f"{swin}.hidden_states_norms.stage{stage + 1}", f"backbone.norm{stage}")
        for block in range(depth):
            old, new = f"{swin}.encoder.layers.{stage}.blocks.{block}", f"backbone.stages.{stage}.blocks.{block}"
            copy(f"{old}.layernorm_before", f"{new}.norm1")
            copy(f"{old}.layernorm_after", f"{new}.norm2")
            copy(f"{old}.attention.output.dense", f"{new}.attn.w_msa.proj")
            copy(f"{old}.intermediate.dense", f"{new}.ffn.layers.0.0")
            copy(f"{old}.output.dense", f"{new}.ffn.layers.1")
            part = f"{old}.attention.self"
            state[f"{new}.attn.w_msa.relative_position_bias_table"] = saved[f"{part}.relative_position_bias_table"]
            state[f"{new}.attn.w_msa.relative_position_index"] = torch.zeros(25, 25, dtype=torch.long)
            for end in ("weight", "bias"):
                rows = [saved[f"{part}.{one}.{end}"] for one in ("query", "key", "value")]
                state[f"{new}.attn.w_msa.qkv.{end}"] = torch.cat(rows)
        if stage < 3:
            old, new = f"{swin}.encoder.layers.{stage}.downsample", f"backbone.stages.{stage}.downsample"
            order = unfold_order(saved[f"{old}.norm.bias"].numel() // 4)
            state[f"{new}.reduction.weight"] = saved[f"{old}.reduction.weight"][:, order]
            for end in ("weight", "bias"):
                state[f"{new}.norm.{end}"] = saved[f"{old}.norm.{end}"][order]
    for level in range(3):
        copy(f"{pixels}.input_projections.{level}.0", f"{head}.pixel_decoder.input_convs.{level}.conv")
        copy(f"{pixels}.input_projections.{level}.1", f"{head}.pixel_decoder.input_convs.{level}.gn")
    for old, new in (("adapter_1", "lateral_convs"), ("layer_1", "output_convs")):
        copy(f"{pixels}.{old}.0", f"{head}.pixel_decoder.{new}.0.conv")
        copy(f"{pixels}.{old}.1", f"{head}.pixel_decoder.{new}.0.gn")
    copy(f"{pixels}.mask_projection", f"{head}.pixel_decoder.mask_feature")
    state[f"{head}.pixel_decoder.level_encoding.weight"] = saved[f"{pixels}.level_embed"]
    for layer in range(ENCODER_LAYERS):
        old, new = f"{pixels}.encoder.layers.{layer}", f"{head}.pixel_decoder.encoder.layers.{layer}"
        for name in ("sampling_offsets", "attention_weights", "value_proj", "output_proj"):
            copy(f"{old}.self_attn.{name}", f"{new}.attentions.0.{name}")
        copy(f"{old}.self_attn_layer_norm", f"{new}.norms.0")
        copy(f"{old}.final_layer_norm", f"{new}.norms.1")
        copy(f"{old}.fc1", f"{new}.ffns.0.layers.0.0")
        copy(f"{old}.fc2", f"{new}.ffns.0.layers.1")
    decoder(saved, state, copy)
    return state


def decoder(saved: dict[str, torch.Tensor], state: dict[str, torch.Tensor], copy: Any) -> None:
    """The part that turns queries to objects."""
    queries, head = "model.transformer_module", "panoptic_head"
    for layer in range(DECODER_LAYERS):
        old, new = f"{queries}.decoder.layers.{layer}", f"{head}.transformer_decoder.layers.{layer}"
        copy(f"{old}.cross_attn.out_proj", f"{new}.attentions.0.attn.out_proj")
        copy(f"{old}.self_attn.out_proj", f"{new}.attentions.1.attn.out_proj")
        for end in ("weight", "bias"):
            state[f"{new}.attentions.0.attn.in_proj_{end}"] = saved[f"{old}.cross_attn.in_proj_{end}"]
            rows = [saved[f"{old}.self_attn.{one}_proj.{end}"] for one in "qkv"]
            state[f"{new}.attentions.1.attn.in_proj_{end}"] = torch.cat(rows)
        for number, name in enumerate(("cross_attn_layer_norm", "self_attn_layer_norm", "final_layer_norm")):
            copy(f"{old}.{name}", f"{new}.norms.{number}")
        copy(f"{old}.fc1", f"{new}.ffns.0.layers.0.0")
        copy(f"{old}.fc2", f"{new}.ffns.0.layers.1")
    copy(f"{queries}.decoder.layernorm", f"{head}.transformer_decoder.post_norm")
    for old, new in (("queries_embedder", "query_embed"), ("queries_features", "query_feat"), ("level_embed", "level_embed")):
        copy(f"{queries}.{old}", f"{head}.{new}")
    for number in range(3):
        copy(f"{queries}.decoder.mask_predictor.mask_embedder.{number}.0", f"{head}.mask_embed.{2 * number}")
    copy("class_predictor", f"{head}.cls_embed")


def unfold_order(channels: int) -> torch.Tensor:
    """Where transformers' patch merging has what OpenMMLab's, which is nn.Unfold, has at each place."""
    names = torch.arange(4 * channels).reshape(1, channels, 2, 2)
    unfolded = torch.nn.Unfold(2, stride=2)(names.float())[0, :, 0].long()
    joined = torch.cat([names[0, :, row, column] for column in (0, 1) for row in (0, 1)])
    return torch.tensor([joined.tolist().index(name) for name in unfolded.tolist()])
