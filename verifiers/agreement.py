"""How far verifiers agree with a suite's own verdicts: AUROC per generator, verifier and task."""

import numpy as np
import pandas as pd

from verifiers.auroc import POOL, auroc, auroc_within

KEYS = ("model", "verifier", "task")
ALL_TASKS = "all"


def agreement(judged: pd.DataFrame) -> pd.DataFrame:
    """Return one row per (model, verifier, task) and one over all tasks: images, share right, and both AUROCs.

    `judged` has one row per image and verifier: verifier, task, score, truth (0 or 1), and the columns of POOL. "auroc"
    compares images of all pools, which an ensemble's ranks do not allow; "auroc_within" only those of one pool.

    Raises:
        ValueError: a column is missing.
    """
    needed = dict.fromkeys([*KEYS, *POOL, "score", "truth"])
    missing = [name for name in needed if name not in judged]
    if missing:
        raise ValueError(f"the table of judged images lacks {', '.join(missing)}; give {', '.join(needed)}")
    everything = pd.concat([judged, judged.assign(task=ALL_TASKS)])
    groups = everything.groupby(list(KEYS), sort=False, observed=True)
    rows = [{**dict(zip(KEYS, keys, strict=True)), **_measure(group)} for keys, group in groups]
    return pd.DataFrame(rows).sort_values(["model", "verifier"], kind="stable", ignore_index=True)


def _measure(group: pd.DataFrame) -> dict[str, float]:
    scores, truths = group["score"].to_numpy(np.float64), group["truth"].to_numpy(np.float64)
    known = ~(np.isnan(scores) | np.isnan(truths))
    return {
        "images": int(known.sum()),
        "right": float(truths[known].mean()) if known.any() else float("nan"),
        "auroc": auroc(scores, truths),
        "auroc_within": auroc_within(scores, truths, group[POOL]),
    }
