"""Models of transformers from local folders: every weight from the files, nothing left to chance, nothing downloaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase
from transformers.utils import is_protobuf_available, logging

from harness.errors import DamagedWeights, WrongInput, first_line
from harness.memory import out_of_memory
from models.configuration import CONFIG, read_config
from models.weight_files import check_whole

TWO_WORDS = ("red", "circle")
"""Different words, so that a tokenizer with a vocabulary gives different tokens."""


def from_folder(
    kind: Any, folder: Path, dtype: torch.dtype = torch.float32, parts: tuple[str, ...] = (), unused: Sequence[str] = (), variant: str = ""
) -> Any:
    """A model of this class from a folder in transformers' format, safetensors only, those of the variant; to be run, not trained.

    parts: beginnings of the names of the weights that are used; what else the file holds or lacks is no matter. Without
    parts every weight is, and what the file holds beside them is no matter.
    unused: pieces of the names of weights that the model does not run; the file may lack them.
    Raises WrongInput where one of them is missing, surplus or of another shape, or the folder is of another kind of model, and
    DamagedWeights for a truncated file or configuration.
    """
    ending = f".{variant}" if variant else ""
    for path in (*folder.glob(f"*{ending and ending + '*'}.safetensors"), *folder.glob(f"*.safetensors.index{ending}.json")):
        check_whole(path)
    _check_kind(kind, folder)
    return _whole(kind, folder, parts, unused, folder, dtype=dtype, use_safetensors=True, variant=variant or None)


def from_tensors(kind: Any, source: Path, tensors: Mapping[str, torch.Tensor], config: Any, unused: Sequence[str] = ()) -> Any:
    """A model of this class in float32 from weights by name that were read from `source`; otherwise as `from_folder`. Raises WrongInput."""
    return _whole(kind, source, (), unused, None, state_dict=dict(tensors), config=config, dtype=torch.float32)


def _whole(kind: Any, source: Path, parts: tuple[str, ...], unused: Sequence[str], folder: Path | None, **given: Any) -> Any:
    """The model with every weight that it runs: transformers would draw at random what is missing. Raises WrongInput."""
    instead = f"give the published {'file' if source.is_file() else 'folder'}"
    before = logging.get_verbosity()
    logging.set_verbosity_error()  # its table of what does not fit is one line here
    try:
        model, report = kind.from_pretrained(folder, local_files_only=True, output_loading_info=True,
                                             ignore_mismatched_sizes=True, **given)  # below they are named and refused
    except Exception as error:
        if out_of_memory(error):
            raise
        raise WrongInput(f"{source} cannot be loaded as {kind.__name__} ({first_line(error)}): {instead}") from error
    finally:
        logging.set_verbosity(before)
    for wrong in ("missing_keys", "mismatched_keys", *(["unexpected_keys"] if parts else [])):
        keys = sorted(said for said in map(_said, report.get(wrong) or ())
                      if said.startswith(parts or "") and not any(piece in said for piece in unused))
        if keys:
            raise WrongInput(f"{source} is another model's or contradicts its configuration: {len(keys)} "
                             f"{wrong.replace('_', ' ')}, first {', '.join(keys[:3])}; {instead}")
    return model.eval().requires_grad_(False)


def reader_from_folder(kind: Any, folder: Path) -> Any:
    """A tokenizer, processor or configuration of transformers from a local folder.

    Raises WrongInput, and DamagedWeights for a tokenizer without its vocabulary.
    """
    _check_readable(folder)
    try:
        reader = kind.from_pretrained(folder, local_files_only=True)
        tokenizer = getattr(reader, "tokenizer", reader)
        tokens = [tokenizer(word).input_ids for word in TWO_WORDS] if isinstance(tokenizer, PreTrainedTokenizerBase) else []
    except Exception as error:
        raise WrongInput(f"{folder} holds no {kind.__name__} that can be read ({first_line(error)}): give the published folder") from error
    if tokens and tokens[0] == tokens[1]:  # transformers makes a tokenizer that knows no word of a folder without a vocabulary
        raise DamagedWeights(f"{folder} holds a tokenizer that reads {' and '.join(TWO_WORDS)} as the same: its vocabulary "
                             "(tokenizer.json, vocab.json, vocab.txt or a .model file) is missing; fetch or copy it again")
    return reader


def _check_readable(folder: Path) -> None:
    """Say what reads a vocabulary of sentencepiece: transformers asks for another package. Raises WrongInput."""
    pieces = sorted(path.name for path in folder.glob("*.model"))
    if pieces and not (folder / "tokenizer.json").is_file() and not is_protobuf_available():
        raise WrongInput(f"{folder} has its vocabulary in {pieces[0]} alone, which is read with protobuf: `pip install protobuf`")


def check_tokens(folder: Path, tokenizer: Any, known: int) -> None:
    """Refuse a tokenizer with tokens that a network of so many does not have. Raises WrongInput."""
    most = max(tokenizer.get_vocab().values(), default=0)
    if most >= known:
        raise WrongInput(f"{folder} numbers tokens up to {most}, its text encoder has {known}: it is another model's; give the published "
                         "folder")


def _check_kind(kind: Any, folder: Path) -> None:
    """Refuse the configuration of another kind of model. Raises WrongInput, DamagedWeights."""
    found, wanted = read_config(folder).get("model_type"), getattr(getattr(kind, "config_class", None), "model_type", None)
    if found is not None and wanted and found != wanted:
        raise WrongInput(f"{folder / CONFIG} is of a {found!r} model and not of a {wanted!r} one: give the published folder")


def _said(key: Any) -> str:
    """A weight's name, with its shapes in the file and by the configuration where these differ."""
    if isinstance(key, str):
        return key
    name, found, wanted = key
    return f"{name} is {tuple(found)} instead of {tuple(wanted)}"
