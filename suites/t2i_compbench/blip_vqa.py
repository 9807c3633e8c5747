"""BLIP-VQA: how sure BLIP is that a picture shows each noun phrase of its prompt (Huang et al. 2023, arXiv 2307.06350)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torchvision.transforms import Compose, InterpolationMode, Normalize, Resize, ToTensor
from torchvision.transforms.functional import to_pil_image

from models.transformers_folder import from_folder, reader_from_folder

START, QUESTION, YES, NO = 30522, 30523, 2748, 2053
"""bert-base-uncased's tokens with BLIP's two: start of an answer, start of a question, "yes", "no"."""
MOST_TOKENS, MOST_WORDS = 35, 50
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
BATCH = 16


class BlipVqa:
    """BLIP's visual question answering, ViT-B at 480 pixels: model_base_vqa_capfilt_large in transformers' format."""

    def __init__(self, network: Any, tokenizer: Any) -> None:
        self._network, self._tokenizer = network, tokenizer
        side = network.config.vision_config.image_size
        # The picture is squashed, not cropped.
        self._transform = Compose(
            [Resize((side, side), InterpolationMode.BICUBIC), ToTensor(), Normalize(MEAN, STD)]
        )

    @classmethod
    def from_folder(cls, folder: Path, device: torch.device | str = "cpu") -> BlipVqa:
        """Load a folder in transformers' format. Raises WrongInput, DamagedWeights."""
        from transformers import AutoTokenizer, BlipForQuestionAnswering

        return cls(from_folder(BlipForQuestionAnswering, folder).to(device), reader_from_folder(AutoTokenizer, folder))

    @torch.no_grad()
    def scores(self, images: Sequence[torch.Tensor], phrases: Sequence[Sequence[str]]) -> list[float]:
        """The product of the answers about every phrase of picture n.

        The published scripts round each answer to four decimals as they write it down, and the product, in float32, again.
        """
        found: list[float] = []
        for start in range(0, len(images), BATCH):
            found += self._batch(images[start : start + BATCH], phrases[start : start + BATCH])
        return found

    def _batch(self, images: Sequence[torch.Tensor], phrases: Sequence[Sequence[str]]) -> list[float]:
        owners = [n for n, each in enumerate(phrases) for _ in each]
        products = np.ones(len(images), dtype=np.float32)
        if owners:
            pixels = torch.stack([self._transform(to_pil_image(image)) for image in images])
            pictures_NLE = self._network.vision_model(pixel_values=pixels.to(self._network.device)).last_hidden_state
            sure = self._sure(pictures_NLE[owners], [question(phrase) for each in phrases for phrase in each])
            for owner, answer in zip(owners, sure, strict=True):
                products[owner] *= answer
        return [round(product, 4) for product in products.tolist()]

    def _sure(self, pictures_NLE: torch.Tensor, questions: Sequence[str]) -> list[float]:
        ids = self._tokenizer(list(questions), truncation=True, max_length=MOST_TOKENS).input_ids
        by_length: dict[int, list[int]] = {}
        for place, tokens in enumerate(ids):
            by_length.setdefault(len(tokens), []).append(place)
        sure = [0.0] * len(ids)
        # Questions of one length together: transformers' decoder would look at the padding of others.
        for places in by_length.values():
            tokens_NT = torch.tensor([ids[place] for place in places], device=pictures_NLE.device)
            for place, value in zip(places, self._answers(pictures_NLE[places], tokens_NT), strict=True):
                sure[place] = round(value, 4)
        return sure

    def _answers(self, pictures_NLE: torch.Tensor, tokens_NT: torch.Tensor) -> list[float]:
        """How sure each answer is "yes", of "yes" and "no"."""
        tokens_NT[:, 0] = QUESTION
        states = self._network.text_encoder(input_ids=tokens_NT, encoder_hidden_states=pictures_NLE)[0]
        start = torch.full((len(tokens_NT), 1), START, device=tokens_NT.device)
        logits = self._network.text_decoder(input_ids=start, encoder_hidden_states=states).logits[:, 0]
        yes, no = logits.float().softmax(dim=-1)[:, [YES, NO]].unbind(dim=-1)
        answers: list[float] = (yes / (yes + no)).tolist()
        return answers


def question(phrase: str) -> str:
    """A phrase as it is asked: lower case, without punctuation, at most fifty words, with a question mark."""
    text = re.sub(r"[.!\"()*#:;~]", "", f"{phrase}?".lower()).rstrip(" ")
    return " ".join(text.split(" ")[:MOST_WORDS])
