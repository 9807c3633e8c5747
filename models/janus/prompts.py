"""Prompts in the language model's own template, as token ids, with the unconditional text of guidance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class JanusPrompts:
    """The published processor's template and tokenizer: a user's message, the answer's opening, and "image begins"."""

    def __init__(self, processor: Any, longest: int) -> None:
        self.processor, self.longest = processor, longest
        tokenizer = processor.tokenizer
        kept = {"bos_token": tokenizer.bos_token_id, "pad_token": tokenizer.pad_token_id,
                "boi_token": tokenizer.convert_tokens_to_ids(processor.image_start_token)}
        lacking = [name for name, value in kept.items() if value is None]
        if lacking:
            raise ValueError(f"the tokenizer has no {', '.join(lacking)}: it is not Janus's; give the published folder")
        self.bos, self.pad, self.boi = kept.values()

    def ids(self, prompts: Sequence[str]) -> list[list[int]]:
        """Token ids of each prompt in its template; the end of a prompt that leaves no room for the image is cut."""
        return [self._ids(self._fitting(prompt)) for prompt in prompts]

    def truncated(self, prompts: Sequence[str]) -> tuple[bool, ...]:
        """Whether the end of each prompt is cut."""
        return tuple(self._fitting(prompt) != prompt for prompt in prompts)

    def _ids(self, prompt: str) -> list[int]:
        message = [{"role": "user", "content": [{"type": "text", "text": prompt}]}]
        text = self.processor.apply_chat_template(message, add_generation_prompt=True, tokenize=False)
        ids: list[int] = self.processor.tokenizer(text + self.processor.image_start_token, verbose=False)["input_ids"]
        return ids

    def _fitting(self, prompt: str) -> str:
        """As much of a prompt as fits, to the character."""
        if len(self._ids(prompt)) <= self.longest:
            return prompt
        low, high = 0, len(prompt)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if len(self._ids(prompt[:middle])) <= self.longest else (low, middle)
        return prompt[:low]

    def unconditional(self, ids: Sequence[int]) -> list[int]:
        """The same number of tokens with everything but the beginning of the text and of the image padded over."""
        return [token if token in (self.bos, self.boi) else self.pad for token in ids]
