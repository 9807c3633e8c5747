"""Whether the tokenizers of a pipeline's folder are those of its text encoders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import WrongInput
from models.transformers_folder import check_tokens


def check_tokenizers(folder: Path, components: Mapping[str, Any]) -> None:
    """Refuse tokens that a text encoder does not have. Raises WrongInput.

    components: a pipeline's, by the names of their folders; tokenizer_2 is text_encoder_2's.
    """
    for name, tokenizer in components.items():
        encoder = components.get(name.replace("tokenizer", "text_encoder")) if name.startswith("tokenizer") else None
        if tokenizer is None or encoder is None:
            continue
        path = folder / name
        if tokenizer.pad_token is None:
            raise WrongInput(f"{path} has no padding token, which prompts of one batch need: give the published folder")
        check_tokens(path, tokenizer, encoder.config.vocab_size)
        most = getattr(encoder.config, "max_position_embeddings", None)
        if type(encoder).__name__.startswith("CLIP") and tokenizer.model_max_length > most:
            raise WrongInput(f"{path} gives texts of {tokenizer.model_max_length} tokens, its text encoder takes {most}: it is another "
                             "model's; give the published folder")  # fmt: skip
