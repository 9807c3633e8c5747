"""One of transformers' vision-language models as a reader of pictures: probabilities of an answer, or the answer itself.

Pictures are fitted into one square and prompts padded to one length on the left, so that every pair costs the same.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import log_softmax
from torchvision.transforms.functional import InterpolationMode, resize, to_pil_image
from transformers import AutoModelForImageTextToText, AutoProcessor

from harness.errors import WrongInput, first_line
from models.hashes import weights_sha256
from models.transformers_folder import from_folder, reader_from_folder

SLACK = 8
"""Tokens by which a cut prompt may grow when it is read in its sentence."""
BLANK = torch.full((3, 8, 8), 128, dtype=torch.uint8)


class VisionLanguage:
    """A model, its processor, and the fixed shape of what it is given."""

    def __init__(self, model: Any, processor: Any, image_side: int, text_tokens: int, sha256: str) -> None:
        self.model, self.processor = model.eval().requires_grad_(False), processor
        self.tokenizer: Any = processor.tokenizer
        self.tokenizer.padding_side = "left"
        self.image_side, self.text_tokens, self.weights_sha256 = image_side, text_tokens, sha256

    @classmethod
    def from_folder(
        cls, folder: Path, device: torch.device | str, dtype: torch.dtype, image_side: int, text_tokens: int
    ) -> "VisionLanguage":
        """Load config, safetensors and processor from a folder in transformers' format.

        Raises:
            WrongInput: weights of the configured network are missing, or the folder holds no processor with a chat template.
            DamagedWeights: a file is cut short.
        """
        processor = reader_from_folder(AutoProcessor, folder)
        try:
            _asked(processor, "")
        except Exception as error:
            raise WrongInput(f"{folder} has no chat template that can be used ({first_line(error)}): give the published folder") from error
        model = from_folder(AutoModelForImageTextToText, folder, dtype)
        digest = weights_sha256(sorted(folder.glob("*.safetensors")))
        return cls(model.to(device), processor, image_side, text_tokens, digest)

    def cut(self, prompt: str) -> str:
        """The part of a prompt that is read."""
        tokens = self.tokenizer(prompt, add_special_tokens=False, verbose=False).input_ids
        return prompt if len(tokens) <= self.text_tokens else str(self.tokenizer.decode(tokens[: self.text_tokens]))

    def truncated(self, prompt: str) -> bool:
        """Whether a prompt is longer than what is read."""
        return len(self.tokenizer(prompt, add_special_tokens=False, verbose=False).input_ids) > self.text_tokens

    def length(self, template: str) -> int:
        """Tokens of every input that is made with this template: picture, question and the longest prompt."""
        return len(self._processed([BLANK], [template.replace("{}", "")]).input_ids[0]) + self.text_tokens + SLACK

    def inputs(self, images: Sequence[torch.Tensor], prompts: Sequence[str], template: str, length: int) -> Any:
        """What the model takes, on its device: each prompt put into the template, under the model's own chat format."""
        # str.replace, not format: a prompt may hold braces
        texts = [template.replace("{}", self.cut(prompt)) for prompt in prompts]
        made = self._processed(images, texts, padding="max_length", max_length=length)
        made = made.to(self.model.device)
        made["pixel_values"] = made["pixel_values"].to(self.model.dtype)
        return made

    @torch.no_grad()
    def first_log_probs(self, inputs: Any) -> torch.Tensor:
        """Log-probabilities of the answer's first token, float32 [B, V] on the CPU."""
        logits_BTV = self.model(**inputs, logits_to_keep=1, use_cache=False).logits
        return log_softmax(logits_BTV[:, -1].float(), dim=-1).cpu()

    @torch.no_grad()
    def answer_log_probs(self, inputs: Any, answer: Sequence[int]) -> torch.Tensor:
        """Log-probability of each token of an answer, given those before it, float32 [B, T] on the CPU."""
        rows, device = len(inputs.input_ids), inputs.input_ids.device
        given_BT = torch.tensor([list(answer[:-1])] * rows, dtype=torch.long, device=device)
        longer = dict(inputs)
        longer["input_ids"] = torch.cat([inputs.input_ids, given_BT], dim=1)
        longer["attention_mask"] = torch.cat([inputs.attention_mask, torch.ones_like(given_BT)], dim=1)
        if "mm_token_type_ids" in longer:
            longer["mm_token_type_ids"] = torch.cat([longer["mm_token_type_ids"], torch.zeros_like(given_BT)], dim=1)
        logits_BTV = self.model(**longer, logits_to_keep=len(answer), use_cache=False).logits
        wanted_BT1 = torch.tensor([list(answer)] * rows, device=device)[..., None]
        found: torch.Tensor = log_softmax(logits_BTV.float(), dim=-1).gather(-1, wanted_BT1)[..., 0]
        return found.cpu()

    @torch.no_grad()
    def answers(self, inputs: Any, new_tokens: int, exactly: bool = False) -> list[str]:
        """Greedy answers of at most `new_tokens` tokens, or, to measure what that costs, of exactly so many."""
        least = {"min_new_tokens": new_tokens} if exactly else {}
        ids_BT = self.model.generate(
            **inputs, **least, max_new_tokens=new_tokens, do_sample=False, temperature=None, top_p=None, top_k=None,
            pad_token_id=self.tokenizer.pad_token_id,
        )  # fmt: skip
        texts: list[str] = self.tokenizer.batch_decode(ids_BT[:, inputs.input_ids.shape[1] :], skip_special_tokens=True)
        return texts

    def token(self, word: str) -> int:
        """The first token of a word at the start of an answer."""
        return int(self.tokenizer(word, add_special_tokens=False).input_ids[0])

    def _processed(self, images: Sequence[torch.Tensor], texts: Sequence[str], **padding: Any) -> Any:
        chats = [_asked(self.processor, text) for text in texts]
        pictures = [to_pil_image(square(image, self.image_side)) for image in images]
        return self.processor(images=pictures, text=chats, return_tensors="pt", **padding)


def _asked(processor: Any, text: str) -> str:
    """A picture and a text as the user's turn in the model's own chat format."""
    content = [{"type": "image"}, {"type": "text", "text": text}]
    chat: str = processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    return chat


def square(image_CHW: torch.Tensor, side: int) -> torch.Tensor:
    """A picture uint8 [3, H, W] in the middle of a square, long side resized (bicubic, antialias), rest its mean colour."""
    if tuple(image_CHW.shape[1:]) == (side, side):
        return image_CHW
    scale = side / max(image_CHW.shape[1:])
    height, width = (max(1, round(length * scale)) for length in image_CHW.shape[1:])
    resized = resize(image_CHW, [height, width], InterpolationMode.BICUBIC, antialias=True)
    full = image_CHW.float().mean(dim=(1, 2)).round().to(torch.uint8)[:, None, None].repeat(1, side, side)
    top, left = (side - height) // 2, (side - width) // 2
    full[:, top : top + height, left : left + width] = resized
    return full
