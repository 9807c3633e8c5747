"""OpenMMLab's checkpoint gives the network it holds, whichever version wrote it, and anything else is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tiny_mask2former as tiny
import torch
from torch import nn

from harness.errors import WrongInput
from suites.geneval.mask2former import OPENMMLAB_NAME, TRANSFORMERS_NAME, load
from suites.geneval.openmmlab import merged_order, to_transformers


@pytest.fixture(scope="module")
def original():
    return tiny.network()


@pytest.fixture(scope="module")
def folder(original, tmp_path_factory):
    path = tmp_path_factory.mktemp("published")
    tiny.published(original, path)
    return path


@pytest.fixture(scope="module")
def state(folder):
    return tiny.openmmlab(tiny.load_file(folder / "model.safetensors"))


def saved(state, path: Path) -> Path:
    """As OpenMMLab publishes: the state beside what is known of the training."""
    meta = {"CLASSES": ("person", "bicycle"), "epoch": 50, "config": "model = dict()", "hook_msgs": {"best": 0.49}}
    torch.save({"meta": meta, "state_dict": state}, path)
    return path


def version_3(key: str) -> str:
    """The name that mmdetection 3 gives a tensor."""
    key = re.sub(r"(transformer_decoder\.layers\.\d+)\.attentions\.0\.", r"\1.cross_attn.", key)
    return re.sub(r"(layers\.\d+)\.attentions\.[01]\.", r"\1.self_attn.", key).replace("ffns.0.", "ffn.")


def outputs(network):
    pixels = torch.randn(2, 3, 96, 64, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        found = network(pixel_values=pixels)
    return found.class_queries_logits, found.masks_queries_logits


def test_a_file_of_either_version_is_the_same_network(original, state, tmp_path):
    wanted = outputs(original)
    for rename in (str, version_3):
        path = saved({rename(key): value for key, value in state.items()}, tmp_path / "mask2former.pth")
        found, name = load(path)
        assert name == OPENMMLAB_NAME
        for ours, theirs in zip(outputs(found), wanted, strict=True):
            assert torch.equal(ours, theirs)


def test_the_hubs_folder_is_the_same_network(original, folder):
    found, name = load(folder)
    assert name == TRANSFORMERS_NAME
    for ours, theirs in zip(outputs(found), outputs(original), strict=True):
        assert torch.equal(ours, theirs)


def test_patch_merging_gives_what_unfolding_gives():
    """OpenMMLab's own operation with its weights, transformers' with the converted ones."""
    torch.manual_seed(0)
    channels = 6
    features_BCHW = torch.randn(2, channels, 8, 4)
    norm, reduction = nn.LayerNorm(4 * channels), nn.Linear(4 * channels, 2 * channels, bias=False)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    unfolded = reduction(norm(nn.Unfold(2, stride=2)(features_BCHW).transpose(1, 2)))

    from transformers.models.swin.modeling_swin import SwinPatchMerging

    merging = SwinPatchMerging(channels)
    merging.norm.weight.data, merging.norm.bias.data = merged_order(norm.weight.data), merged_order(norm.bias.data)
    merging.reduction.weight.data = merged_order(reduction.weight.data)
    joined = merging(features_BCHW.flatten(2).transpose(1, 2), (8, 4))
    assert torch.allclose(joined, unfolded, atol=1e-6)


def test_every_weight_counts(original, state, tmp_path):
    """All of OpenMMLab's tensors are converted, to all that the network runs."""
    converted = to_transformers(state)
    kept = [key for key in state if "index" not in key]
    assert sum(state[key].numel() for key in kept) == sum(value.numel() for value in converted.values())
    own = {key for key in tiny.load_file(_folder(original, tmp_path) / "model.safetensors") if "empty_weight" not in key}
    unused = {key for key in own if re.search(r"encoder\.(swin\.)?layernorm\.", key)}
    assert set(converted) == own - unused


def _folder(network, path: Path) -> Path:
    network.save_pretrained(path)
    return path


def test_what_is_not_this_network_is_refused(state, tmp_path):
    without = {key: value for key, value in state.items() if key != "panoptic_head.cls_embed.weight"}
    with pytest.raises(WrongInput, match=r"a.pth is another .* 1 missing keys, first class_predictor.weight; give the published file"):
        load(saved(without, tmp_path / "mask2former_a.pth"))
    with pytest.raises(WrongInput, match=r"'roi_head.fc.weight', which is no weight of OpenMMLab's Mask2Former"):
        load(saved({**state, "roi_head.fc.weight": torch.zeros(1)}, tmp_path / "mask2former_b.pth"))
    with pytest.raises(WrongInput, match="not OpenMMLab's Mask2Former: download it again"):
        load(saved({}, tmp_path / "mask2former_c.pth"))
    cut = tmp_path / "mask2former_d.pth"
    cut.write_bytes(saved(state, tmp_path / "whole.pth").read_bytes()[:1000])
    with pytest.raises(WrongInput, match="cut short"):
        load(cut)


def test_a_folder_that_lacks_weights_is_not_filled_with_random_ones(folder, tmp_path):
    from safetensors.torch import save_file

    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    weights = tiny.load_file(folder / "model.safetensors")
    lost = next(key for key in weights if key.endswith("fc1.weight"))
    save_file({key: value for key, value in weights.items() if key != lost}, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(WrongInput, match=r"1 missing keys, first .*fc1.weight; give the published folder"):
        load(tmp_path)


def test_other_classes_than_cocos_are_refused(tmp_path):
    tiny.published(tiny.network(classes=5), tmp_path)
    with pytest.raises(WrongInput, match=r"tells 5 classes apart, not COCO's 80"):
        load(tmp_path)
