"""Pictures as a network takes them: resized, cropped and normalised exactly as open_clip does it."""

from collections.abc import Sequence

import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from torchvision.transforms.functional import to_pil_image


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
