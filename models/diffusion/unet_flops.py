"""Static FLOPs of `UNet2DConditionModel` from its configuration alone, 2 per multiply-add, for one row."""

from __future__ import annotations

from models.conv_flops import conv_flops, res_block_flops
from models.diffusion.flops import Config, attention_flops


def unet_flops(config: Config, height: int, width: int, text_tokens: int) -> int:
    """One pass at `height` by `width` latent pixels, with the text-and-size conditions of SDXL where configured."""
    return _Count(config, height * width, text_tokens).total()


class _Count:
    """Walks the U-Net as its forward does, with the channels of the skips on a stack."""

    def __init__(self, config: Config, area: int, text_tokens: int) -> None:
        self._config, self._area, self._text = config, area, text_tokens
        self._channels: list[int] = list(config["block_out_channels"])
        self._time = 4 * self._channels[0]
        depth = config["transformer_layers_per_block"]
        self._depths: list[int] = [depth] * len(self._channels) if isinstance(depth, int) else list(depth)

    def total(self) -> int:
        config, first, time = self._config, self._channels[0], self._time
        flops = 2 * (first * time + time * time)
        if config.get("addition_embed_type") == "text_time":
            flops += 2 * (config["projection_class_embeddings_input_dim"] * time + time * time)
        flops += conv_flops(config["in_channels"], first, self._area)
        skips = [first]
        flops += self._down(skips)
        last = self._channels[-1]
        flops += 2 * self._resnet(last, last) + self._transformer(last, self._depths[-1])
        flops += self._up(skips)
        return int(flops + conv_flops(first, config["out_channels"], self._area))

    def _down(self, skips: list[int]) -> int:
        flops, previous = 0, self._channels[0]
        for index, (kind, current) in enumerate(zip(self._config["down_block_types"], self._channels, strict=True)):
            for _ in range(self._config["layers_per_block"]):
                flops += self._resnet(previous, current)
                flops += self._transformer(current, self._depths[index]) if "CrossAttn" in kind else 0
                skips.append(current)
                previous = current
            if index < len(self._channels) - 1:
                self._area //= 4
                flops += conv_flops(current, current, self._area)
                skips.append(current)
        return flops

    def _up(self, skips: list[int]) -> int:
        flops, previous = 0, self._channels[-1]
        for index, kind in enumerate(self._config["up_block_types"]):
            current = self._channels[-1 - index]
            for _ in range(self._config["layers_per_block"] + 1):
                flops += self._resnet(previous + skips.pop(), current)
                flops += self._transformer(current, self._depths[-1 - index]) if "CrossAttn" in kind else 0
                previous = current
            if index < len(self._channels) - 1:
                self._area *= 4
                flops += conv_flops(current, current, self._area)
        return flops

    def _resnet(self, inputs: int, outputs: int) -> int:
        return res_block_flops(inputs, outputs, self._area) + 2 * self._time * outputs

    def _transformer(self, width: int, layers: int) -> int:
        """Projections in and out; per layer q, k, v, out, cross q, out (6), a gated MLP (12), and the text's k, v."""
        area, text, square = self._area, self._text, width * width
        keys = 2 * text * self._config["cross_attention_dim"] * width
        block = 2 * (18 * area * square + keys) + attention_flops(area, area + text, width)
        return 4 * area * square + layers * block
