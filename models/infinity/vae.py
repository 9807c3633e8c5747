"""Infinity's convolutional VAE: image to latent and back (key names as in the published checkpoints)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.infinity.config import VAEConfig


class Conv(nn.Module):
    """A convolution under the key `conv`, as the original wraps it."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, padding: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return self.conv(x_BCHW)


class Norm(nn.Module):
    """GroupNorm under the key `norm`."""

    def __init__(self, channels: int, config: VAEConfig) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(config.groups(channels), channels, eps=1e-6)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return self.norm(x_BCHW)


class ResBlock(nn.Module):
    """Two normalised 3x3 convolutions beside a skip; the skip is a 1x1 convolution where the width changes."""

    def __init__(self, inputs: int, outputs: int, config: VAEConfig) -> None:
        super().__init__()
        self.norm1, self.conv1 = Norm(inputs, config), Conv(inputs, outputs)
        self.norm2, self.conv2 = Norm(outputs, config), Conv(outputs, outputs)
        if inputs != outputs:
            self.nin_shortcut = Conv(inputs, outputs, kernel=1, padding=0)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        hidden_BCHW = self.conv1(F.silu(self.norm1(x_BCHW)))
        hidden_BCHW = self.conv2(F.silu(self.norm2(hidden_BCHW)))
        return hidden_BCHW + (self.nin_shortcut(x_BCHW) if hasattr(self, "nin_shortcut") else x_BCHW)


class Downsample(nn.Module):
    """Halve both sides: zeros on the right and below, then a 3x3 convolution of stride 2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = Conv(channels, channels, stride=2, padding=0)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return self.conv(F.pad(x_BCHW, (0, 1, 0, 1)))


class Upsample(nn.Module):
    """Double both sides: nearest neighbour, then a 3x3 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = Conv(channels, channels)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return self.conv(F.interpolate(x_BCHW, scale_factor=2.0, mode="nearest"))


class Level(nn.Module):
    """Residual blocks at one resolution, then a change of resolution where the level has one."""

    def __init__(self, inputs: int, outputs: int, blocks: int, config: VAEConfig, resample: str | None) -> None:
        super().__init__()
        self.block = nn.ModuleList(ResBlock(inputs if j == 0 else outputs, outputs, config) for j in range(blocks))
        self.resample = resample
        if resample == "downsample":
            self.downsample = Downsample(outputs)
        elif resample == "upsample":
            self.upsample = Upsample(outputs)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        for block in self.block:
            x_BCHW = block(x_BCHW)
        return getattr(self, self.resample)(x_BCHW) if self.resample else x_BCHW


def _middle(channels: int, config: VAEConfig) -> nn.ModuleDict:
    return nn.ModuleDict({name: ResBlock(channels, channels, config) for name in ("block_1", "block_2")})


class Encoder(nn.Module):
    """Image [B, 3, H, W] to latent [B, d, H / patch_size, W / patch_size]."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        widths = [config.base_ch * mult for mult in config.ch_mult]
        self.conv_in = Conv(3, config.base_ch)
        self.down = nn.ModuleList(
            Level(before, width, config.num_res_blocks, config, "downsample" if i < config.downsamplings else None)
            for i, (before, width) in enumerate(zip([config.base_ch, *widths], widths, strict=False)))
        self.mid = _middle(widths[-1], config)
        self.norm_out = Norm(widths[-1], config)
        self.conv_out = Conv(widths[-1], config.codebook_dim)

    def forward(self, image_BCHW: Tensor) -> Tensor:
        x_BCHW = self.conv_in(image_BCHW)
        for level in self.down:
            x_BCHW = level(x_BCHW)
        x_BCHW = self.mid["block_2"](self.mid["block_1"](x_BCHW))
        return self.conv_out(F.silu(self.norm_out(x_BCHW)))


class Decoder(nn.Module):
    """Latent [B, d, H, W] to image [B, 3, H * patch_size, W * patch_size]."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        widths = [config.base_ch * mult for mult in config.ch_mult]
        before = [*widths[1:], widths[-1]]
        self.conv_in = Conv(config.codebook_dim, widths[-1])
        self.mid = _middle(widths[-1], config)
        self.up = nn.ModuleList(
            Level(before[i], width, config.num_res_blocks + 1, config,
                  "upsample" if 1 <= i <= config.downsamplings else None)
            for i, width in enumerate(widths))
        self.norm_out = Norm(widths[0], config)
        self.conv_out = Conv(widths[0], 3)

    def forward(self, latent_BdHW: Tensor) -> Tensor:
        x_BCHW = self.conv_in(latent_BdHW)
        x_BCHW = self.mid["block_2"](self.mid["block_1"](x_BCHW))
        for level in reversed(self.up):
            x_BCHW = level(x_BCHW)
        return self.conv_out(F.silu(self.norm_out(x_BCHW)))


class LookupFreeQuantizer(nn.Module):
    """Holds the published bit weights (powers of two, high bit first); quantising needs no parameter."""

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.register_buffer("mask", 2 ** torch.arange(bits - 1, -1, -1))


class InfinityVAE(nn.Module):
    """Image in [-1, 1] to latent and back; the bits of a latent are the business of `models.infinity.bits`."""

    def __init__(self, config: VAEConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.quantizer = nn.ModuleDict({"lfq": LookupFreeQuantizer(config.codebook_dim)})
        self.quantize = self.quantizer  # published files hold the buffer under both names
        self.to(memory_format=torch.channels_last)

    def encode(self, image_BCHW: Tensor) -> Tensor:
        """Image [B, 3, H, W] in [-1, 1] to the raw latent [B, d, h, w]."""
        return self.encoder(image_BCHW.contiguous(memory_format=torch.channels_last))

    def decode(self, latent_BdHW: Tensor, clamp: bool = True) -> Tensor:
        """Latent or sum of codes [B, d, h, w] to the image [B, 3, H, W], held to [-1, 1] unless clamp is False."""
        image_BCHW = self.decoder(latent_BdHW.contiguous(memory_format=torch.channels_last))
        return image_BCHW.clamp(-1, 1) if clamp else image_BCHW
