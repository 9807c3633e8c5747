"""What each figure shows, in a line: read out in place of it, and written where it is missing."""

from __future__ import annotations

from reports.summary import AXES

LABELS = {
    "main": "Score against measures of compute",
    **{f"tasks-{unit}": f"By task, against {name}" for unit, name in AXES.items()},
    **{f"verifiers-{unit}": f"By verifier, against {name}" for unit, name in AXES.items()},
    "over-optimisation": "Truth against the verifier's own score, along growing budgets",
    "reliability": "Time of an image against how well a verifier agrees with the grader",
    "gallery": "Chosen pictures at growing budgets",
    "tree": "Search tree",
}
"""By the name of the figure's file, in the order of the report."""
