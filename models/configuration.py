"""A model's config.json: read, and told from another size's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.errors import DamagedWeights, WrongInput

CONFIG = "config.json"


def read_config(folder: Path) -> dict[str, Any]:
    """A folder's config.json. Raises DamagedWeights."""
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        return dict(config)
    except (OSError, ValueError, TypeError) as error:
        raise DamagedWeights(f"{path} is missing or damaged: fetch or copy it again") from error


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
