"""The VAE and its multi-scale bits: published names and shapes, training, round trips (parity: test_infinity_parity.py)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from models.infinity.bits import (
    codes,
    multiscale_bits,
    straight_through,
    to_map,
    to_tokens,
)
from models.infinity.config import PUBLISHED_VAES, VAEConfig
from models.infinity.vae import InfinityVAE

PARITY = Path(__file__).parents[3] / "../shared/parity"
needs_parity = pytest.mark.skipif(not (PARITY / "infinity_keys").exists(), reason="key lists of the original code are not here")
FILES = {"vae_d16": "vae-d16", "vae_d24": "vae-d24", "vae_d32": "vae-d32", "vae_d64": "vae-d64",
         "vae_d56_f8_14_patchify": "vae-d56-patchify"}


@needs_parity
@pytest.mark.parametrize("name", FILES)
def test_published_keys_and_shapes(name: str) -> None:
    want = json.loads((PARITY / "infinity_keys" / f"{name}.json").read_text())
    with torch.device("meta"):
        model = InfinityVAE(PUBLISHED_VAES[FILES[name]])
    got = {key: list(tensor.shape) for key, tensor in model.state_dict().items()}
    assert got == want["parameters"] | want["buffers"]
    assert sum(parameter.numel() for parameter in model.parameters()) == want["num_parameters"]


def test_any_size_trains_with_straight_through() -> None:
    config = VAEConfig(codebook_dim=6, base_ch=8, ch_mult=(1, 2, 3), num_res_blocks=1, patch_size=4, norm_groups=4)
    model, image_BCHW = InfinityVAE(config), torch.rand(2, 3, 16, 24) * 2 - 1
    latent_BdHW = model.encode(image_BCHW)
    bits = multiscale_bits(latent_BdHW, [(1, 1), (2, 3), (4, 6)])
    model.decode(straight_through(latent_BdHW, bits.sum_BdHW), clamp=False).square().mean().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in model.parameters())
    assert [tuple(total.shape) for total in bits.cumulative] == [(2, 6, 4, 6)] * 3


def test_patchified_tokens_return_to_the_same_map() -> None:
    map_BdHW = torch.arange(2 * 3 * 4 * 6.0).reshape(2, 3, 4, 6)
    tokens_BnD = to_tokens(map_BdHW, patch=2)
    assert tokens_BnD.shape == (2, 6, 12)
    # channel c*4 + 2i + j of a token is cell (i, j) of channel c
    assert tokens_BnD[1, 4, 2 * 4 + 2 * 1 + 0] == map_BdHW[1, 2, 2 + 1, 2 + 0]
    assert torch.equal(to_map(tokens_BnD, (2, 3), patch=2), map_BdHW)


def test_codes_have_unit_length() -> None:
    bits_BdHW = torch.rand(4, 8, 16, 16) > 0.5
    torch.testing.assert_close(codes(bits_BdHW).norm(dim=1), torch.ones(4, 16, 16))
    assert codes(torch.zeros(1, 8, 1, 1)).unique().tolist() == [pytest.approx(-(8**-0.5))]


def test_latent_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"latent grid \(4, 4\) is not the schedule's last grid \(3, 3\)"):
        multiscale_bits(torch.zeros(1, 2, 4, 4), [(1, 1), (3, 3)])
