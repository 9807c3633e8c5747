"""Resolution binning: PixArt-Sigma and SANA make the nearest of the sizes they were trained for, then resize and crop the picture.

As their pipelines do with `use_resolution_binning`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch.nn import functional

Size: TypeAlias = tuple[int, int]
"""Height and width in pixels."""
_TABLES: Mapping[str, Mapping[int, str]] = {
    "PixArtTransformer2DModel": {32: "256", 64: "512", 128: "1024", 256: "2048"},
    "SanaTransformer2DModel": {16: "512", 32: "1024", 64: "2048", 128: "4096"},
}
"""By the network and its sample_size: which of the pipelines' tables holds its sizes."""


def made_size(network: Mapping[str, Any], settings: Mapping[str, Any]) -> Size:
    """The size that a network of this configuration makes for an image of the size in the settings.

    Raises ValueError for binning without a table.
    """
    height, width = settings["height"], settings["width"]
    if not settings.get("resolution_binning", False):
        return height, width
    kind, side = network["_class_name"], network["sample_size"]
    if side not in _TABLES.get(kind, {}):
        raise ValueError(f"resolution_binning=true: a {kind} of sample_size {side} has no table of sizes; set resolution_binning=false")
    sizes = _sizes(_TABLES[kind][side])
    nearest = min(sizes, key=lambda ratio: abs(float(ratio) - height / width))
    return int(sizes[nearest][0]), int(sizes[nearest][1])


def _sizes(table: str) -> Mapping[str, Sequence[float]]:
    from diffusers.pipelines.pixart_alpha import pipeline_pixart_alpha, pipeline_pixart_sigma
    from diffusers.pipelines.sana import pipeline_sana

    homes = {"2048": pipeline_pixart_sigma, "4096": pipeline_sana}
    sizes: Mapping[str, Sequence[float]] = getattr(homes.get(table, pipeline_pixart_alpha), f"ASPECT_RATIO_{table}_BIN")
    return sizes


def fitted(images_NCHW: torch.Tensor, size: Size) -> torch.Tensor:
    """Pictures resized to cover `size` and cropped to it around their middle, as the pipelines' `resize_and_crop_tensor` does.

    That one rounds a side down below the asked one at some sizes and then crops to a stripe; here it is never below.
    """
    (height, width), (rows, columns) = size, images_NCHW.shape[2:]
    if (rows, columns) == size:
        return images_NCHW
    ratio = max(height / rows, width / columns)
    covering = max(int(rows * ratio), height), max(int(columns * ratio), width)
    resized_NCHW = functional.interpolate(images_NCHW, size=covering, mode="bilinear", align_corners=False)
    top, left = (covering[0] - height) // 2, (covering[1] - width) // 2
    return resized_NCHW[:, :, top : top + height, left : left + width]
