"""GenEval's rules on any detector's output (Ghosh et al. 2023, arXiv 2310.11513; github.com/djghosh13/geneval).

`select` decides which detections count, `judge` compares them with a prompt's record, `evaluate` does both.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from suites.geneval.geometry import POSITION_THRESHOLD, overlap, relations
from suites.geneval.records import check_record


@dataclass(frozen=True)
class Detection:
    """One object found in a picture; `box` is [x1, y1, x2, y2] in pixels, `color` None where nobody has looked yet."""

    class_name: str
    score: float
    box: tuple[float, float, float, float]
    color: str | None = None
    mask: Any = field(default=None, compare=False, repr=False)
    """Bool tensor of the box, or of the whole picture, where the detector gives one: which pixels are the object."""

    def __post_init__(self) -> None:
        """Raise ValueError unless the score is a finite number and the box four of them."""
        if not math.isfinite(self.score):
            raise ValueError(f"detection of {self.class_name!r} has score {self.score}: scores must be finite")
        if len(self.box) != 4 or not all(math.isfinite(edge) for edge in self.box):
            raise ValueError(
                f"detection of {self.class_name!r} has box {self.box}: boxes are four finite numbers x1, y1, x2, y2"
            )


@dataclass(frozen=True)
class Thresholds:
    """Which detections count; the defaults are GenEval's published settings."""

    score: float = 0.3
    """Scores must exceed this, except for counting prompts."""
    counting_score: float = 0.9
    """Scores must exceed this for counting prompts."""
    max_per_class: int = 16
    max_overlap: float = 1.0
    """Weaker detections of a class that overlap a stronger one this much are dropped; 1 keeps all."""
    position: float = POSITION_THRESHOLD


@dataclass(frozen=True)
class Verdict:
    """Whether a picture shows what its prompt asks, and one reason for every requirement it fails."""

    correct: bool
    reasons: tuple[str, ...] = field(default_factory=tuple)
    found: Mapping[str, Sequence[Detection]] = field(default_factory=dict, compare=False, repr=False)
    """The detections that counted, by class."""


ColorClassifier = Callable[[Sequence[Detection]], Sequence[str]]
"""Names one colour for each detection; asked only about the detections a colour requirement depends on."""

Group = list[Detection]
PUBLISHED = Thresholds()


def evaluate(record: Mapping[str, Any], detections: Iterable[Detection], classify: ColorClassifier | None = None) -> Verdict:
    """Select the detections that count for this prompt, and judge them.

    Raises:
        ValueError: the record is not a GenEval record, or a colour is needed that nobody can name.
    """
    check_record(record)
    return judge(record, select(detections, record["tag"]), classify)


def select(detections: Iterable[Detection], tag: str, thresholds: Thresholds = PUBLISHED) -> dict[str, Group]:
    """Group detections by class, best first: above the score threshold, few enough, not overlapping too much."""
    least = thresholds.counting_score if tag == "counting" else thresholds.score
    groups: dict[str, Group] = {}
    for detection in sorted(detections, key=lambda found: -found.score):
        if detection.score > least:
            groups.setdefault(detection.class_name, []).append(detection)
    return {
        name: _suppress(group[: thresholds.max_per_class], thresholds.max_overlap) for name, group in groups.items()
    }


def undecided(record: Mapping[str, Any], groups: Mapping[str, Sequence[Detection]]) -> list[Detection]:
    """The detections whose colour `judge` will ask for: unnamed ones that a colour requirement depends on, each once."""
    asked: list[Detection] = []
    for need in record["include"]:
        found = list(groups.get(need["class"], ()))[: need["count"]]
        if "color" in need and len(found) == need["count"]:
            asked += [one for one in found if one.color is None and not any(one is other for other in asked)]
    return asked


def _suppress(group: Group, max_overlap: float) -> Group:
    if max_overlap == 1:
        return group
    kept: Group = []
    for detection in group:
        if all(overlap(stronger.box, detection.box) < max_overlap for stronger in kept):
            kept.append(detection)
    return kept


def judge(
    record: Mapping[str, Any],
    groups: Mapping[str, Sequence[Detection]],
    classify: ColorClassifier | None = None,
    position_threshold: float = POSITION_THRESHOLD,
) -> Verdict:
    """Compare selected detections (per class, best first) with what the record includes and excludes.

    Only the best `count` of a class are looked at; more of them are a fault only where the record excludes them.

    Raises:
        ValueError: the record is not a GenEval record, or a colour is needed that nobody can name.
    """
    check_record(record)
    reasons: list[str] = []
    matched: list[Group | None] = []
    for need in record["include"]:
        found = list(groups.get(need["class"], ()))[: need["count"]]
        reason = _fault(need, found, matched, classify, position_threshold)
        matched.append(None if reason else found)
        if reason:
            reasons.append(reason)
    for ban in record.get("exclude", ()):
        total = len(groups.get(ban["class"], ()))
        if total >= ban["count"]:
            reasons.append(f"expected {ban['class']}<{ban['count']}, found {total}")
    return Verdict(not reasons, tuple(reasons), groups)


def _fault(
    need: Mapping[str, Any],
    found: Group,
    matched: Sequence[Group | None],
    classify: ColorClassifier | None,
    position_threshold: float,
) -> str | None:
    """Name the first thing wrong with what was found for one requirement, or None."""
    name, count = need["class"], need["count"]
    if len(found) < count:
        return f"expected {name}>={count}, found {len(found)}"
    if "color" in need:
        colors = _colors(found, classify)
        if any(color != need["color"] for color in colors):
            return f"expected {count} {need['color']} {name}, found {', '.join(colors)}"
    if "position" in need:
        relation, target = need["position"]
        targets = matched[target]
        if targets is None:
            return f"no target for {name} to be {relation}"
        for detection in found:
            for other in targets:
                seen = relations(detection.box, other.box, position_threshold)
                if relation not in seen:
                    what = " and ".join(sorted(seen)) or "no relation to"
                    return f"expected {name} {relation} target, found {what} target"
    return None


def _colors(found: Group, classify: ColorClassifier | None) -> list[str]:
    unknown = [detection for detection in found if detection.color is None]
    if not unknown:
        return [str(detection.color) for detection in found]
    if classify is None:
        raise ValueError(
            f"a detection of {unknown[0].class_name!r} has no color: give Detection.color or pass a color classifier"
        )
    named = list(classify(unknown))
    if len(named) != len(unknown):
        raise ValueError(f"the color classifier named {len(named)} colors for {len(unknown)} detections: one each")
    answers = iter(named)
    return [next(answers) if detection.color is None else detection.color for detection in found]
