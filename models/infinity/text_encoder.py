"""Text encoders of Infinity: prompts to features of their real tokens, with a price."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerBase, T5EncoderModel

from models.infinity.text import TextFeatures
from models.offload import device_of
from models.text_flops import t5_encoder_flops
from models.text_length import longer_than
from models.transformers_folder import check_tokens, from_folder, reader_from_folder


class TextEncoder(Protocol):
    """Anything that turns prompts into features; each prompt's features depend on that prompt alone."""

    def encode(self, prompts: Sequence[str]) -> TextFeatures:
        """float32 features of each prompt's tokens, without padding."""
        ...

    def lengths(self, prompts: Sequence[str]) -> tuple[int, ...]:
        """Tokens of each prompt that `encode` gives features of."""
        ...

    def truncated(self, prompts: Sequence[str]) -> tuple[bool, ...]:
        """Whether each prompt has more tokens than `encode` reads."""
        ...

    def flops(self, tokens: int) -> int:
        """One prompt of this many tokens, 2 per multiply-add."""
        ...


class T5TextEncoder:
    """A T5 encoder (Flan-T5-XL for the published models) over the tokens of each prompt, end token included.

    Prompts run in groups of equal length instead of padded to the longest allowed; the mask of the padded run makes
    both the same up to rounding, and a tiny part of the price. `autocast` is the type that the passes run in whatever
    the weights' type (the authors' command line encodes under bfloat16, their notebook does not).
    """

    def __init__(self, model: T5EncoderModel, tokenizer: PreTrainedTokenizerBase, max_tokens: int,
                 autocast: torch.dtype | None = None) -> None:
        self.model, self.tokenizer, self.max_tokens = model.eval(), tokenizer, max_tokens
        self.autocast = autocast

    @classmethod
    def load(cls, folder: Path, tokenizer_folder: Path, max_tokens: int, device: torch.device | str = "cpu",
             dtype: torch.dtype = torch.float32) -> T5TextEncoder:
        """From local folders in the format of transformers; a decoder beside the encoder is left out.

        Raises WrongInput, DamagedWeights.
        """
        tokenizer = reader_from_folder(AutoTokenizer, tokenizer_folder)
        model = from_folder(T5EncoderModel, folder, dtype, ("shared.", "encoder."))
        check_tokens(tokenizer_folder, tokenizer, model.config.vocab_size)
        model.to(torch.device(device))  # type: ignore[arg-type]
        return cls(model, tokenizer, max_tokens)

    @torch.no_grad()
    def encode(self, prompts: Sequence[str]) -> TextFeatures:
        """float32 features of each prompt's tokens, cut at max_tokens."""
        tokens = self._ids(prompts)
        features: dict[int, Tensor] = {}
        for length in {len(ids) for ids in tokens}:
            group = [row for row, ids in enumerate(tokens) if len(ids) == length]
            ids_RL = torch.tensor([tokens[row] for row in group], device=device_of(self.model))
            kind = ids_RL.device.type
            with nullcontext() if self.autocast is None or kind == "meta" else torch.autocast(kind, self.autocast):
                hidden_RLC = self.model(ids_RL).last_hidden_state
            features |= zip(group, hidden_RLC.float(), strict=True)
        return TextFeatures.of([features[row] for row in range(len(prompts))])

    def lengths(self, prompts: Sequence[str]) -> tuple[int, ...]:
        """Tokens of each prompt, the end token included, cut at max_tokens."""
        return tuple(len(ids) for ids in self._ids(prompts))

    def truncated(self, prompts: Sequence[str]) -> tuple[bool, ...]:
        """Whether each prompt has more than max_tokens, the end token included."""
        return longer_than(self.tokenizer, prompts, self.max_tokens)

    def _ids(self, prompts: Sequence[str]) -> list[list[int]]:
        if not prompts:
            return []
        ids: list[list[int]] = self.tokenizer(list(prompts), truncation=True, max_length=self.max_tokens)["input_ids"]
        return ids

    def flops(self, tokens: int) -> int:
        """One prompt of this many tokens through the encoder."""
        return t5_encoder_flops(self.model.config.to_dict(), tokens)
