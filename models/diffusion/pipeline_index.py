"""model_index.json: the parts of a pipeline, each of a class of diffusers or transformers that its own files name too."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from harness.errors import DamagedWeights, WrongInput
from models.configuration import CONFIG, read_config

INDEX = "model_index.json"
CLASS = "_class_name"
LIBRARIES = ("diffusers", "transformers")
SPLIT = {"Transformer2DModel": "PixArtTransformer2DModel"}
"""Classes that diffusers has split since models were published under them."""


def read_index(folder: Path) -> dict[str, Any]:
    """What the folder's model_index.json says. Raises DamagedWeights."""
    index = read_config(folder, INDEX)
    if not isinstance(index.get(CLASS), str):
        raise DamagedWeights(f"{folder / INDEX} names no class of a pipeline: fetch or copy it again")
    return index


def class_of(config: Mapping[str, Any], path: Path) -> str:
    """The class that a part's configuration names, as it is called today. Raises DamagedWeights."""
    name = config.get(CLASS)
    if not isinstance(name, str):
        raise DamagedWeights(f"{path} names no class: fetch or copy it again")
    return SPLIT.get(name, name)


def named_parts(index: Mapping[str, Any], path: Path) -> dict[str, tuple[str, str]]:
    """Library and class of every part that is there, by its folder.

    Raises:
        DamagedWeights: a part that its pipeline needs is not named.
        WrongInput: a part is of no class of `LIBRARIES`; other code is never run.
    """
    import diffusers

    kind = index[CLASS]
    signature = inspect.signature(getattr(diffusers, kind).__init__)
    needed = [name for name, one in signature.parameters.items() if name != "self" and one.default is inspect.Parameter.empty]
    named = {name: given for name, given in index.items() if name in needed or (isinstance(given, list) and any(given))}
    parts: dict[str, tuple[str, str]] = {}
    for name in dict.fromkeys((*needed, *named)):
        given: Any = named.get(name)
        if not isinstance(given, list) or len(given) != 2 or not all(isinstance(one, str) for one in given):
            raise DamagedWeights(f"{path} names no class for {name}, which a {kind} needs: fetch or copy it again")
        library, called = str(given[0]), str(SPLIT.get(given[1], given[1]))
        if library not in LIBRARIES or not hasattr(import_module(library), called):
            raise WrongInput(f"{path} takes {name} from {library}.{called}, which is no class of {' or '.join(LIBRARIES)}: other code "
                             "is never run; give the published folder")  # fmt: skip
        parts[name] = (library, called)
    return parts


def check_classes(folder: Path, parts: Mapping[str, tuple[str, str]], name: str, published: Mapping[str, Any]) -> None:
    """Compare the classes of a pipeline's parts with those that their own files name, and with the published ones.

    Raises:
        DamagedWeights: a part's own file cannot be read.
        WrongInput: a part is of another class.
    """
    for part, (_, called) in parts.items():
        wanted = published.get(part, {}).get(CLASS, called)
        if called != wanted:
            raise WrongInput(f"{folder} is another model's than {name}: its {part} is a {called} instead of a {wanted}; give the folder "
                             "of this model")  # fmt: skip
        own = _own_class(folder / part, part)
        if own is not None and own[1].removesuffix("Fast") != called.removesuffix("Fast"):
            raise WrongInput(f"{folder / INDEX} says that {part} is a {called}, {own[0]} says {own[1]}: one of the two is another model's; "
                             "give the published folder")  # fmt: skip


def _own_class(folder: Path, part: str) -> tuple[str, str] | None:
    """File and class, None where a part's files need not name one."""
    if part.startswith("tokenizer"):
        file = "tokenizer_config.json"
        called = read_config(folder, file).get("tokenizer_class")
        return (f"{part}/{file}", called) if isinstance(called, str) else None
    if part.startswith("text_encoder"):
        return None
    file = "scheduler_config.json" if part == "scheduler" else CONFIG
    return f"{part}/{file}", class_of(read_config(folder, file), folder / file)
