"""ImageReward against the network of the image-reward package itself, on the same random weights.

The package cannot be imported beside current libraries, so its two network files are loaded by themselves, and the names
that those libraries have dropped are supplied here.
"""

import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from verifiers.image_reward_network import RewardConfig, RewardNetwork, from_published

PACKAGE = find_spec("ImageReward")
pytestmark = pytest.mark.skipif(
    PACKAGE is None, reason="image-reward is not installed: pip install --no-deps image-reward==1.5"
)
SIZES = RewardConfig(
    image_size=32, patch_size=8, vision_width=32, vision_layers=2, vision_heads=4, vision_mlp=64, text_vocabulary=50,
    text_width=24, text_layers=2, text_heads=4, text_mlp=48, text_positions=16, text_length=10, mlp_widths=(16, 8, 6, 4),
)  # fmt: skip


def _load(name: str) -> ModuleType:
    assert PACKAGE is not None
    assert PACKAGE.submodule_search_locations is not None
    path = Path(PACKAGE.submodule_search_locations[0]) / "models" / "BLIP" / f"{name}.py"
    spec = spec_from_file_location(f"original_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def original(monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, ModuleType]:
    """The package's vit.py and med.py."""
    import transformers.modeling_utils as modeling_utils
    from transformers.pytorch_utils import apply_chunking_to_forward

    supplied: dict[str, Any] = {
        "apply_chunking_to_forward": apply_chunking_to_forward,
        "find_pruneable_heads_and_indices": None,
        "prune_linear_layer": None,
    }
    for name, value in supplied.items():
        monkeypatch.setattr(modeling_utils, name, value, raising=False)
    for name in (
        "fairscale",
        "fairscale.nn",
        "fairscale.nn.checkpoint",
        "fairscale.nn.checkpoint.checkpoint_activations",
    ):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["fairscale.nn.checkpoint.checkpoint_activations"].checkpoint_wrapper = None  # type: ignore[attr-defined]
    vit, med = _load("vit"), _load("med")
    additive = lambda _self, mask_BT: (1.0 - mask_BT[:, None, None].float()) * torch.finfo(torch.float32).min  # noqa: E731
    monkeypatch.setattr(med.BertModel, "invert_attention_mask", additive, raising=False)
    monkeypatch.setattr(med.BertModel, "get_head_mask", lambda _self, _mask, layers: [None] * layers, raising=False)
    monkeypatch.setattr(med.BertPreTrainedModel, "init_weights", lambda _self: None)
    return vit, med


def test_equals_the_original_network(original: tuple[ModuleType, ModuleType]) -> None:
    vit, med = original
    torch.manual_seed(0)
    vision = vit.VisionTransformer(
        img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=4, mlp_ratio=2, qkv_bias=True
    ).eval()
    config = med.BertConfig(
        vocab_size=50, hidden_size=24, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48,
        max_position_embeddings=16, layer_norm_eps=1e-12, hidden_act="gelu",
    )  # fmt: skip
    config.encoder_width, config.add_cross_attention = 32, True
    text = med.BertModel(config, add_pooling_layer=False).eval()
    parameters = [*vision.parameters(), *text.parameters()]
    for parameter in parameters:
        nn.init.normal_(parameter, std=0.3)
    state = {f"blip.visual_encoder.{key}": value for key, value in vision.state_dict().items()}
    state |= {f"blip.text_encoder.{key}": value for key, value in text.state_dict().items()}
    ours = RewardNetwork(SIZES).eval()
    left = ours.load_state_dict(from_published(state), strict=False)
    assert not left.unexpected_keys
    assert all(key.startswith("mlp.") for key in left.missing_keys)

    image_BCHW = torch.randn(2, 3, 32, 32)
    tokens_BT = torch.tensor([[2, 5, 6, 3], [2, 7, 3, 0]])
    mask_BT = (tokens_BT != 0).long()
    with torch.no_grad():
        image_BLC = vision(image_BCHW)
        seen_BL = torch.ones(image_BLC.shape[:2], dtype=torch.long)
        reads_BTC = text(
            tokens_BT,
            attention_mask=mask_BT,
            encoder_hidden_states=image_BLC,
            encoder_attention_mask=seen_BL,
            return_dict=True,
        ).last_hidden_state
        expected_B = (ours.mlp(reads_BTC[:, 0]).squeeze(1) - SIZES.mean) / SIZES.std
        assert torch.allclose(ours.image_tokens(image_BCHW), image_BLC, atol=1e-5)
        assert torch.allclose(ours(image_BCHW, tokens_BT, mask_BT), expected_B, atol=1e-5)
