"""The text side of the embedded pair: one shared word-level tokenizer, a tiny T5 encoder, a tiny CLIP text model."""

from collections.abc import Sequence

import torch
from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase, Replace
from tokenizers.normalizers import Sequence as Normalizers
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerFast, T5Config, T5EncoderModel

from suites.shapes.vocabulary import STOP_WORDS, content_words

TEXT_TOKENS = 6
"""Longest caption without its stop words: five words and the end."""
TEXT_WIDTH = 128
PAD, EOS, UNKNOWN = 0, 1, 2


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Return the tokenizer: known words become numbers, stop words vanish, the end is marked."""
    words = ("<pad>", "</s>", "<unk>", *content_words())
    tokenizer = Tokenizer(WordLevel({word: index for index, word in enumerate(words)}, unk_token="<unk>"))
    stop = r"\b(" + "|".join(STOP_WORDS) + r")\b"
    tokenizer.normalizer = Normalizers([Lowercase(), Replace(Regex(stop), " ")])
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", EOS)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=TEXT_TOKENS,
        padding_side="right",
    )


def build_t5() -> T5EncoderModel:
    """Return the word-order-aware encoder with fresh weights."""
    return T5EncoderModel(
        T5Config(
            vocab_size=3 + len(content_words()),
            d_model=TEXT_WIDTH,
            d_kv=32,
            d_ff=256,
            num_layers=2,
            num_heads=4,
            relative_attention_num_buckets=16,
            relative_attention_max_distance=16,
            dropout_rate=0.0,
            pad_token_id=PAD,
            eos_token_id=EOS,
        )
    )


def build_clip() -> CLIPTextModel:
    """Return the pooled-text encoder with fresh weights; its vector is the state at the end token."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=3 + len(content_words()),
            hidden_size=64,
            intermediate_size=128,
            projection_dim=64,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=TEXT_TOKENS,
            pad_token_id=PAD,
            bos_token_id=EOS,
            eos_token_id=EOS,
        )
    )


def token_ids(tokenizer: PreTrainedTokenizerFast, captions: Sequence[str]) -> torch.Tensor:
    """Return ids padded on the right, int64 [N, TEXT_TOKENS]."""
    encoded = tokenizer(list(captions), padding="max_length", max_length=TEXT_TOKENS, truncation=True)
    return torch.tensor(encoded["input_ids"], dtype=torch.int64)


def lengths_of(ids_BL: torch.Tensor) -> torch.Tensor:
    """Return the number of tokens of each caption, the end included, int64 [N]."""
    return (ids_BL != PAD).sum(dim=1)
