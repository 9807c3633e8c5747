"""Networks of transformers loaded whole: what a file lacks would be drawn at random, and every grade would be noise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from harness.errors import DamagedWeights


def load_whole(
    kind: Any, path: Path, device: torch.device | str = "cpu", unused: Sequence[str] = (), **given: Any
) -> Any:
    """Load a network for evaluation from a folder in transformers' format, or from `given` (state_dict and config).

    Weights whose names contain one of `unused` may be missing: the network does not run them.

    Raises:
        DamagedWeights: any other weight is missing or has another shape.
    """
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # it would advise to train what is not used here; what matters is checked below
    try:
        network, report = kind.from_pretrained(
            None if given else str(path), local_files_only=True, use_safetensors=True, output_loading_info=True, **given
        )
    except (OSError, RuntimeError, ValueError) as error:
        first = str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
        raise DamagedWeights(f"{path} does not load as {kind.__name__} ({first}): fetch it again") from error
    finally:
        logging.set_verbosity(verbosity)
    lacking = [key for key in report["missing_keys"] if not any(part in key for part in unused)]
    wrong = sorted({*lacking, *(str(key) for key in report["mismatched_keys"])})
    if wrong:
        raise DamagedWeights(f"{path} lacks {len(wrong)} weights of {kind.__name__}, such as {wrong[0]}: fetch it again")
    return network.to(device).eval().requires_grad_(False)
