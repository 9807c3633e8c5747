"""Prices: equal to the counter on tiny models, to the published figures at real size."""

from __future__ import annotations

import pytest
import torch
from diffusers import AutoencoderKL

from harness.compute.flops import count_flops
from harness.compute.ledger import Cost
from models.base import Row
from models.diffusion.flops import flux_transformer_flops
from models.diffusion.vae_flops import kl_decoder_flops
from models.text_flops import clip_text_flops, t5_encoder_flops

FLUX_DEV = {
    "patch_size": 1, "in_channels": 64, "out_channels": None, "num_layers": 19, "num_single_layers": 38,
    "attention_head_dim": 128, "num_attention_heads": 24, "joint_attention_dim": 4096, "pooled_projection_dim": 768,
    "guidance_embeds": True,
}  # fmt: skip
T5_XXL = {
    "d_model": 4096,
    "d_ff": 10240,
    "d_kv": 64,
    "num_heads": 64,
    "num_layers": 24,
    "feed_forward_proj": "gated-gelu",
}
CLIP_L = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12}
FLUX_VAE = {
    "block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "latent_channels": 16, "out_channels": 3,
    "use_post_quant_conv": False, "mid_block_add_attention": True,
}  # fmt: skip


@pytest.mark.parametrize("guidance_embeds", [False, True])
@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_prices_equal_the_counter(guidance_embeds, scale, load_tiny, generator_over, prompts):
    generator = generator_over(load_tiny(guidance_embeds=guidance_embeds), true_cfg_scale=scale)
    assert count_flops(lambda: generator.encode(prompts)) == 3 * generator.price("encode").flops
    state = generator.start(generator.encode(prompts), [Row(0, 1), Row(1, 2), Row(1, 3), Row(2, 4)])
    assert count_flops(lambda: generator.predict(state)) == 4 * generator.price("predict").flops
    state = generator.predict(state)
    assert count_flops(lambda: generator.draw(state, [0] * 4)) == generator.price("draw").flops == 0
    assert count_flops(lambda: generator.preview(state)) == 4 * generator.price("preview").flops
    for _ in range(4):
        state = generator.draw(generator.predict(state), [0] * 4)
    assert count_flops(lambda: generator.decode(state)) == 4 * generator.price("decode").flops


def test_prices_fill_their_own_columns(load_tiny, generator_over):
    generator = generator_over(load_tiny(), true_cfg_scale=2.0)
    single = generator_over(load_tiny())
    predict, decode = generator.price("predict", 1, 6), generator.price("decode")
    assert predict == 2 * single.price("predict")
    assert predict == Cost(forwards=2, model_flops=predict.flops)
    assert generator.price("draw") == Cost(nfe=1)
    assert generator.price("preview") == Cost(decode_flops=decode.decode_flops)
    assert decode == Cost(decode_flops=decode.flops, images=1)
    assert generator.price("encode") == Cost(text_flops=generator.price("encode").flops)


@pytest.mark.parametrize("options", [{}, {"use_post_quant_conv": False, "mid_block_add_attention": False}])
def test_decoder_variants_equal_the_counter(options):
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 16, 24), layers_per_block=2, latent_channels=3, norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, **options,
    )  # fmt: skip
    assert count_flops(lambda: vae.decode(torch.zeros(2, 3, 5, 3))) == 2 * kl_decoder_flops(vae.config, 5, 3)


def test_published_sizes():
    """1024 px is 64 by 64 packed tokens; the decoder is what torch's counter gives on the meta device."""
    assert flux_transformer_flops(FLUX_DEV, 4096, 512) == pytest.approx(74.4e12, rel=0.02)
    assert flux_transformer_flops(FLUX_DEV, 4096, 256) == pytest.approx(69.5e12, rel=0.02)
    assert kl_decoder_flops(FLUX_VAE, 128, 128) == 10_472_204_009_472
    assert t5_encoder_flops(T5_XXL, 512) == pytest.approx(4.9e12, rel=0.02)
    assert clip_text_flops(CLIP_L, 77) == pytest.approx(13.3e9, rel=0.02)
