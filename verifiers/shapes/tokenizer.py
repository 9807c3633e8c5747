"""The word-level tokenizer of the embedded verifiers, as a folder that transformers' AutoTokenizer reads."""

from pathlib import Path

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from suites.shapes.vocabulary import STOP_WORDS, content_words

PAD, UNKNOWN, START, END = "<pad>", "<unk>", "<start>", "<end>"
SPECIAL = (PAD, UNKNOWN, START, END)
TEXT_LENGTH = 12
"""Tokens of a caption, start and end included; the world's own captions need at most 6."""


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer that lower-cases, drops the stop words and gives every other word of the world one token."""
    vocabulary = {word: index for index, word in enumerate((*SPECIAL, *content_words()))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    stop_words = Regex(rf"\b({'|'.join(STOP_WORDS)})\b")
    tokenizer.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.Replace(stop_words, " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation("removed")]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}", special_tokens=[(START, vocabulary[START]), (END, vocabulary[END])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=TEXT_LENGTH,
        pad_token=PAD,
        unk_token=UNKNOWN,
        bos_token=START,
        eos_token=END,
    )


def save_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Write the tokenizer's files into the folder and return it."""
    tokenizer = build_tokenizer()
    tokenizer.save_pretrained(folder)
    return tokenizer


def vocabulary_size() -> int:
    """Return the number of tokens, special ones included."""
    return len(SPECIAL) + len(content_words())
