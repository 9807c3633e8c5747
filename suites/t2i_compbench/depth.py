"""DPT-hybrid's depth of a picture as T2I-CompBench's rule takes it: the published network, through transformers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional
from torchvision.transforms import Compose, Normalize, Resize, ToTensor
from torchvision.transforms.functional import to_pil_image

from models.transformers_folder import from_tensors, reader_from_folder
from models.weight_files import read_tensors
from suites.t2i_compbench.detections import frame

SIDE = 480
BATCH = 8
WEIGHTS = "pytorch_model.bin"
_UNUSED = ("fusion_stage.layers.0.residual_layer1.",)
"""The first fusion has nothing to add; the published file leaves its layer out."""


class DepthEstimator:
    """Relative nearness, larger is nearer; every picture's own nearest and farthest point are 1 and 0."""

    def __init__(self, network: Any) -> None:
        self._network = network
        self._transform = Compose([Resize([SIDE, SIDE]), ToTensor(), Normalize([0.5] * 3, [0.5] * 3)])

    @classmethod
    def from_folder(cls, folder: Path, device: torch.device | str = "cpu") -> DepthEstimator:
        """Load a folder in transformers' format, its weights in a pickle of tensors: the published one has no other file.

        Raises WrongInput and DamagedWeights.
        """
        from transformers import DPTConfig, DPTForDepthEstimation

        weights, config = read_tensors(folder / WEIGHTS), reader_from_folder(DPTConfig, folder)
        network = from_tensors(DPTForDepthEstimation, folder, weights, config, _UNUSED).to(device)
        # It was trained at 384 pixels and is used at 480: positions are interpolated anyway, only its check of the size is in the way.
        network.dpt.embeddings.image_size = (SIDE, SIDE)
        return cls(network)

    @torch.no_grad()
    def depths(self, images: Sequence[torch.Tensor]) -> list[np.ndarray]:
        """Depth of each picture (uint8 [3, H, W]) in the frame of the rules, float32 [rows, columns]."""
        found: list[np.ndarray] = []
        for start in range(0, len(images), BATCH):
            batch = images[start : start + BATCH]
            pixels = torch.stack([self._transform(to_pil_image(image)) for image in batch]).to(self._network.device)
            predicted = self._network(pixel_values=pixels).predicted_depth
            found += [
                _in_frame(depth, image.shape[1], image.shape[2]) for depth, image in zip(predicted, batch, strict=True)
            ]
        return found


def _in_frame(depth_HW: torch.Tensor, height: int, width: int) -> np.ndarray:
    """By way of an 8-bit picture of the original size, as published."""
    depth = depth_HW.float().cpu()
    span = depth.max() - depth.min()
    depth = (depth - depth.min()) / (span if span > 0 else 1)  # nothing is nearer than anything else in a flat picture
    large = functional.interpolate(depth[None, None], (height, width), mode="bilinear", align_corners=True)[0, 0]
    picture = Image.fromarray((255 * large).numpy()).convert("L")
    rows, columns = frame(height, width)
    return np.asarray(picture.resize((columns, rows), Image.Resampling.BILINEAR), dtype=np.float32) / 255
