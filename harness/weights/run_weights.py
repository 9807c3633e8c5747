"""Folders of all weights that a run needs, found before any of them is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from harness.run.pairing import Pairing
from harness.search.base import describes
from harness.weights.absent import Absent, AbsentWeights
from harness.weights.local import LocalWeights, absent_graders, find, together
from suites.base import Equipped, Suite
from verifiers.features import find_features
from verifiers.spec import VerifierSpec

Folders: TypeAlias = dict[str, Path]
"""By role; none for what comes with the package."""


@dataclass(frozen=True, slots=True)
class RunWeights:
    """Where everything is; None for what has no weights here and is taken from its configuration."""

    models: Mapping[str, Folders | None]
    """By text; of pairs their members."""
    verifiers: Mapping[str, Folders | None]
    """By name: guides and other metrics."""
    features: Folders | None
    describing: bool
    """Whether a search needs features beside its verifiers; without one there is nothing to find of them."""
    lacking: tuple[Absent, ...]
    """What is absent of all these."""
    lacking_graders: tuple[Absent, ...]
    """What is absent of the suite's graders: a run goes on without, and says so."""


def find_run_weights(
    pairing: Pairing, verifiers: Mapping[str, VerifierSpec], suite: Suite, local: LocalWeights, outlines: bool
) -> RunWeights:
    """Look for all that a run cannot do without. `outlines`: what is absent is listed as lacking.

    Raises:
        MissingWeights: weights are not on this machine, in one line for all of them.
        DamagedWeights: a file is cut short.
    """
    models = {one.text: one for text in pairing.models for one in pairing.specs[text].members}
    describing = any(describes(pairing.searches[search]) for _, search in pairing.pairs)
    looks: dict[tuple[str, str], Callable[[], Folders]] = {
        **{("model", one.name): partial(find, one.name, one.entry, local) for one in models.values()},
        **{("verifier", name): partial(spec.find, local) for name, spec in verifiers.items()},
        **({("features", ""): partial(find_features, pairing.domain, local)} if describing else {}),
    }
    graders = absent_graders(suite.graders(pairing.domain), local) if isinstance(suite, Equipped) else []
    lacking: list[Absent] = []
    every = [partial(_or_lacking, look, lacking) if outlines else look for look in looks.values()]
    found = dict(zip(looks, together(every, graders), strict=True))
    return RunWeights(
        models={text: found["model", one.name] for text, one in models.items()},
        verifiers={name: found["verifier", name] for name in verifiers},
        features=found["features", ""] if describing else {},
        describing=describing, lacking=tuple(lacking), lacking_graders=tuple(graders),
    )  # fmt: skip


def _or_lacking(look: Callable[[], Folders], lacking: list[Absent]) -> Folders | None:
    """What a look finds, None where weights are absent, which are then `lacking`."""
    try:
        return look()
    except AbsentWeights as error:
        lacking += error.absent
        return None
