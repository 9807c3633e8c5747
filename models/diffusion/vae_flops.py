"""Static FLOPs of image autoencoders from their configurations alone, 2 per multiply-add, for one image."""

from __future__ import annotations

from models.conv_flops import conv_flops, res_block_flops
from models.diffusion.flops import Config, attention_flops


def kl_decoder_flops(config: Config, height: int, width: int) -> int:
    """One image of `height` by `width` latent pixels through `AutoencoderKL.decode`."""
    channels = list(reversed(config["block_out_channels"]))
    latent, top, area = config["latent_channels"], channels[0], height * width
    total = conv_flops(latent, latent, area, kernel=1) if config.get("use_post_quant_conv", True) else 0
    total += conv_flops(latent, top, area) + 2 * res_block_flops(top, top, area)
    if config.get("mid_block_add_attention", True):
        total += 8 * area * top * top + attention_flops(area, area, top)
    previous = top
    for index, current in enumerate(channels):
        total += res_block_flops(previous, current, area) + config["layers_per_block"] * res_block_flops(current, current, area)
        if index < len(channels) - 1:
            area *= 4
            total += conv_flops(current, current, area)
        previous = current
    return int(total + conv_flops(previous, config["out_channels"], area))


def kl_encoder_flops(config: Config, height: int, width: int) -> int:
    """One image of `height` by `width` pixels through `AutoencoderKL.encode`."""
    channels, latent, area = config["block_out_channels"], config["latent_channels"], height * width
    total = conv_flops(config["in_channels"], channels[0], area)
    previous = channels[0]
    for index, current in enumerate(channels):
        total += res_block_flops(previous, current, area) + (config["layers_per_block"] - 1) * res_block_flops(current, current, area)
        if index < len(channels) - 1:
            area //= 4
            total += conv_flops(current, current, area)
        previous = current
    total += 2 * res_block_flops(previous, previous, area)
    if config.get("mid_block_add_attention", True):
        total += 8 * area * previous * previous + attention_flops(area, area, previous)
    total += conv_flops(previous, 2 * latent, area)
    return int(total + (conv_flops(2 * latent, 2 * latent, area, kernel=1) if config.get("use_quant_conv", True) else 0))


def dc_decoder_flops(config: Config, height: int, width: int) -> int:
    """One image of `height` by `width` latent pixels through `AutoencoderDC.decode`."""
    channels, layers = config["decoder_block_out_channels"], config["decoder_layers_per_block"]
    kinds, area = _per_block(config["decoder_block_types"], len(channels)), height * width
    total = conv_flops(config["latent_channels"], channels[-1], area)
    for index in reversed(range(len(channels))):
        if index < len(channels) - 1 and layers[index]:
            total += _dc_upsampling(channels[index + 1], channels[index], area)
            area *= 4
        scales = config["decoder_qkv_multiscales"][index]
        total += layers[index] * _dc_block(kinds[index], channels[index], area, scales, config["attention_head_dim"])
    if layers[0]:
        return int(total + conv_flops(channels[0], config["in_channels"], area))
    return int(total + _dc_upsampling(channels[1], config["in_channels"], area))


def dc_encoder_flops(config: Config, height: int, width: int) -> int:
    """One image of `height` by `width` pixels through `AutoencoderDC.encode`."""
    channels, layers = config["encoder_block_out_channels"], config["encoder_layers_per_block"]
    kinds, area = _per_block(config["encoder_block_types"], len(channels)), height * width
    if layers[0]:
        total = conv_flops(config["in_channels"], channels[0], area)
    else:
        total = _dc_downsampling(config["in_channels"], channels[1], area)
        area //= 4
    for index, current in enumerate(channels):
        scales = config["encoder_qkv_multiscales"][index]
        total += layers[index] * _dc_block(kinds[index], current, area, scales, config["attention_head_dim"])
        if index < len(channels) - 1 and layers[index]:
            total += _dc_downsampling(current, channels[index + 1], area)
            area //= 4
    return int(total + conv_flops(channels[-1], config["latent_channels"], area))


def _per_block(kind: str | list[str], blocks: int) -> list[str]:
    return [kind] * blocks if isinstance(kind, str) else list(kind)


def _dc_upsampling(inputs: int, outputs: int, area: int) -> int:
    """From `area` pixels to four times as many: a convolution after interpolating, or of four times the channels before shuffling."""
    return conv_flops(inputs, outputs, 4 * area)


def _dc_downsampling(inputs: int, outputs: int, area: int) -> int:
    """From `area` pixels to a quarter: a convolution of a quarter of the channels before unshuffling, or one with stride."""
    return conv_flops(inputs, outputs, area // 4)


def _dc_block(kind: str, width: int, area: int, kernels: tuple[int, ...], head: int) -> int:
    if kind == "ResBlock":
        return 2 * conv_flops(width, width, area)
    heads = width // head
    inner, copies = heads * head, 1 + len(kernels)
    scales = sum(3 * inner * kernel**2 + 3 * inner * head for kernel in kernels)
    # Linear attention where there are more pixels than channels of a head; its value has one more channel, of ones.
    attention = heads * copies * (2 * (head + 1) * head if area > head else 2 * head * area)
    projections = 3 * width * inner + copies * inner * width
    convolutions = 3 * 4 * width * width + 2 * 4 * width * 9
    return 2 * area * (scales + attention + projections + convolutions)
