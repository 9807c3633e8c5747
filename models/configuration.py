"""A model's config.json: read, and told from another size's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.errors import DamagedWeights, WrongInput

CONFIG = "config.json"


def read_config(folder: Path, file: str = CONFIG) -> dict[str, Any]:
    """A folder's config.json, or another file of its kind. Raises DamagedWeights."""
    path = folder / file
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DamagedWeights(f"{path} is missing: fetch or copy it again, or give a whole folder") from error
    except OSError as error:
        raise DamagedWeights(f"{path} cannot be read ({error.strerror}): fetch or copy it again, or allow reading it") from error
    except ValueError as error:
        raise DamagedWeights(f"{path} is no JSON file: fetch or copy it again") from error
    if not isinstance(config, dict):
        raise DamagedWeights(f"{path} holds a {type(config).__name__} and not names with values: fetch or copy it again")
    return config


def check_size(
    folder: Path, name: str, where: str, found: Mapping[str, Any], published: Mapping[str, Any], telling: Sequence[str]
) -> None:
    """Compare what tells one size of a network from another, as far as both say it. Raises WrongInput naming the first that differ.

    where: of the configuration within the folder, for a person.
    """
    wrong = [
        f"{key} is {found[key]} instead of {published[key]}"
        for key in telling
        if key in found and key in published and found[key] != published[key]
    ]
    if wrong:
        raise WrongInput(
            f"{folder} is another model's than {name}: in {where} {'; '.join(wrong[:3])}; give the folder of this model"
        )
