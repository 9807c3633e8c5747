"""Pictures as a network takes them: resized, cropped or padded, and normalised, as the verifier's authors do it."""

from collections.abc import Sequence
from typing import Protocol

import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from torchvision.transforms.functional import InterpolationMode, pad, resize, to_pil_image


class Preprocessing(Protocol):
    """From pictures to what a network takes."""

    size: tuple[int, ...]

    def __call__(self, images: Sequence[torch.Tensor]) -> torch.Tensor:
        """Turn pictures uint8 [3, H, W] of any sizes to float32 [N, 3, size, size]."""
        ...


class Preprocess:
    """open_clip's evaluation preprocessing; pictures that already have the network's size are only normalised."""

    def __init__(self, config: PreprocessCfg) -> None:
        self.size = tuple(config.input_size[1:])
        self._mean = torch.tensor(config.mean)[:, None, None]
        self._std = torch.tensor(config.std)[:, None, None]
        self._transform = image_transform_v2(config, is_train=False)

    def __call__(self, images: Sequence[torch.Tensor]) -> torch.Tensor:
        """Turn pictures uint8 [3, H, W] of any sizes to float32 [N, 3, size, size]."""
        return torch.stack([self._one(image) for image in images])

    def _one(self, image_CHW: torch.Tensor) -> torch.Tensor:
        if tuple(image_CHW.shape[1:]) == self.size:
            return (image_CHW.float() / 255 - self._mean) / self._std
        prepared: torch.Tensor = self._transform(to_pil_image(image_CHW))
        return prepared


class LongestSide(Preprocess):
    """HPSv2's preprocessing: the float picture's long side is resized, black fills the rest, then it is normalised.

    Resized as a tensor, bicubic with antialias (torchvision's default from 0.17 on), which is not what PIL gives: values may
    leave the range of a picture and are not rounded.
    """

    def _one(self, image_CHW: torch.Tensor) -> torch.Tensor:
        picture, side = image_CHW.float() / 255, self.size[0]
        scale = side / max(image_CHW.shape[1:])
        if scale != 1:
            height, width = (max(1, round(length * scale)) for length in image_CHW.shape[1:])
            picture = resize(picture, [height, width], InterpolationMode.BICUBIC, antialias=True)
        down, right = side - picture.shape[1], side - picture.shape[2]
        picture = pad(picture, [right // 2, down // 2, right - right // 2, down - down // 2])
        return (picture - self._mean) / self._std
