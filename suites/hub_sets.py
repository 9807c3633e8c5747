"""Sets of prompts of the hub, through `datasets`: at once, or a reason at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SECONDS = 10.0
"""How long is waited for an answer."""


class NotReached(OSError):
    """Raised where the hub gives no answer and the cache does not hold the set either."""


def rows(repo: str, subset: str, revision: str) -> tuple[str, list[str], list[Mapping[str, Any]]]:
    """Name, columns and rows of a set, or of one of its subsets, at a commit.

    Raises:
        NotReached: the hub is not reached, and the set has not been read before.
        ValueError: it has not one split; `datasets` and the hub's client raise more of their own.
    """
    from datasets import load_dataset
    from datasets.utils.logging import disable_progress_bar

    disable_progress_bar()
    with _without_waiting(repo, revision):
        loaded = load_dataset(repo, subset or None, revision=revision or None)
    splits = list(loaded)
    what = f"{repo} {subset}".strip()
    if len(splits) != 1:
        raise ValueError(f"{what} has splits {', '.join(map(str, splits))} instead of one")
    table = loaded[splits[0]]
    return what, list(table.column_names), list(table)


@contextmanager
def _without_waiting(repo: str, revision: str) -> Iterator[None]:
    """Within, `datasets` asks the hub only where it has just answered, and else takes what the cache holds.

    By itself it asks six times and waits in between, half a minute in all, even for what it has.
    """
    reason = "" if Path(repo).exists() else _no_answer(repo, revision)
    if not reason:
        yield
        return
    import datasets
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = datasets.config.HF_HUB_OFFLINE = True
    try:
        yield
    except (OSError, ValueError) as error:
        raise NotReached(reason) from error
    finally:
        constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE = before


def _no_answer(repo: str, revision: str) -> str:
    """Why the hub does not answer, "" where it does, with a refusal too: what is wrong then is said by whoever asks next."""
    from huggingface_hub import HfApi, errors

    try:
        HfApi().dataset_info(repo, revision=revision or None, timeout=SECONDS)
    except errors.HfHubHTTPError:
        return ""
    except errors.OfflineModeIsEnabled:
        return "HF_HUB_OFFLINE is set"
    except Exception as error:  # its transport raises its own
        return str(error) or type(error).__name__
    return ""
