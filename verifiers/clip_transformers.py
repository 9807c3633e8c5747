"""A CLIP model in transformers' format behind the same interface as an open_clip one."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torchvision.transforms.functional import to_pil_image
from transformers import AutoTokenizer, CLIPModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from models.hashes import weights_sha256
from models.transformers_folder import check_tokens, from_folder, reader_from_folder
from verifiers.clip_backbone import ClipBackbone

WEIGHTS_FILE = "model.safetensors"


class PilPreprocess:
    """transformers' CLIP preprocessing by PIL: as open_clip's, but an odd margin's half pixel is cropped on the other side."""

    def __init__(self, side: int) -> None:
        self.size: tuple[int, ...] = (side, side)
        self._process = CLIPImageProcessorPil(
            size={"shortest_edge": side}, crop_size={"height": side, "width": side}, do_convert_rgb=False
        )

    def __call__(self, images: Sequence[torch.Tensor]) -> torch.Tensor:
        """Turn pictures uint8 [3, H, W] of any sizes to float32 [N, 3, size, size]."""
        pixels: torch.Tensor = self._process([to_pil_image(image) for image in images], return_tensors="pt").pixel_values
        return pixels


class _ImageTower(nn.Module):
    """Pictures to embeddings [B, E]."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model, self.projection = model.vision_model, model.visual_projection

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        embedding_BE: torch.Tensor = self.projection(self.model(pixel_values=image).pooler_output)
        return embedding_BE


class _TextTower(nn.Module):
    """Tokens, with their mask where some are padding, to embeddings [B, E]."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model, self.projection = model.text_model, model.text_projection

    def forward(self, text: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        embedding_BE: torch.Tensor = self.projection(self.model(input_ids=text, attention_mask=mask).pooler_output)
        return embedding_BE


class TransformersClip(ClipBackbone):
    """transformers' CLIPModel; prompts are padded to the text tower's length and truncated to it."""

    @classmethod
    def from_folders(
        cls, folder: Path, tokenizer_folder: Path, device: torch.device | str = "cpu"
    ) -> "TransformersClip":
        """Load config.json and model.safetensors, and the tokenizer, which may lie elsewhere.

        Raises:
            WrongInput: one of the folders is another model's, or weights of the configured network are missing.
            DamagedWeights: a file is cut short.
        """
        model = from_folder(CLIPModel, folder)
        tokenizer = reader_from_folder(AutoTokenizer, tokenizer_folder)
        check_tokens(tokenizer_folder, tokenizer, model.config.text_config.vocab_size)
        preprocess = PilPreprocess(model.config.vision_config.image_size)
        return cls(model.to(device), preprocess, tokenizer, weights_sha256([folder / WEIGHTS_FILE]))

    @property
    def width(self) -> int:
        """Values of an embedding."""
        return int(self.model.config.projection_dim)

    @property
    def text_length(self) -> int:
        """Tokens of a prompt that are read, start and end included."""
        return int(self.model.config.text_config.max_position_embeddings)

    @cached_property
    def _towers(self) -> tuple[_ImageTower, _TextTower]:
        return _ImageTower(self.model), _TextTower(self.model)

    def _image_tower(self, image_BCHW: torch.Tensor) -> torch.Tensor:
        embedding_BE: torch.Tensor = self._towers[0](image_BCHW)
        return embedding_BE

    def _text_tower(self, prompts: list[str]) -> torch.Tensor:
        text = self._tokenizer(
            prompts, padding="max_length", truncation=True, max_length=self.text_length, return_tensors="pt"
        ).to(self.device)
        embedding_BE: torch.Tensor = self._towers[1](text.input_ids, text.attention_mask)
        return embedding_BE

    def _tokens(self, prompt: str) -> int:
        return len(self._tokenizer(prompt, verbose=False).input_ids)
