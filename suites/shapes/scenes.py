"""Draws captions with their requirements (GenEval's record format), and scenes that show exactly what a record asks."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from suites.geneval.records import Record, record_of
from suites.geneval.wording import NUMBER_WORDS, RELATIONS, TAGS
from suites.shapes.renderer import Scene, Shape
from suites.shapes.vocabulary import BACKGROUNDS, COLOUR_NAMES, COLOURS, IMAGE_SIDE, KINDS

LATTICE = 4
MARGIN = 2
GAP = 4


def side_for(count: int) -> int:
    """Return the side in pixels of every shape in a picture of `count` shapes."""
    return 20 if count <= 2 else 16


def sample_record(rng: np.random.Generator, task: str | None = None) -> Record:
    """Draw a caption and its requirements; without a task, one of the six at random.

    Raises:
        ValueError: the task is not one of the six.
    """
    task = TAGS[rng.integers(len(TAGS))] if task is None else task
    kinds = [KINDS[i] for i in rng.choice(len(KINDS), size=2, replace=False)]
    colours = [COLOUR_NAMES[i] for i in rng.choice(len(COLOURS), size=2, replace=False)]
    return record_of(task, _requirements(rng, task, kinds, colours))


def _requirements(
    rng: np.random.Generator, task: str, kinds: Sequence[str], colours: Sequence[str]
) -> list[dict[str, Any]]:
    first, second = ({"class": kind, "count": 1} for kind in kinds)
    if task == "single_object":
        return [first]
    if task == "two_object":
        return [first, second]
    if task == "counting":
        return [first | {"count": int(rng.integers(min(NUMBER_WORDS), max(NUMBER_WORDS), endpoint=True))}]
    if task == "colors":
        return [first | {"color": colours[0]}]
    if task == "position":
        return [second, first | {"position": [RELATIONS[rng.integers(len(RELATIONS))], 0]}]
    if task == "color_attr":
        return [first | {"color": colours[0]}, second | {"color": colours[1]}]
    raise ValueError(f"task {task!r} is unknown; use one of {', '.join(TAGS)}")


def sample_scene(rng: np.random.Generator, record: Mapping[str, Any]) -> Scene:
    """Draw a scene that shows what the record asks and nothing else; what it leaves open is random."""
    kinds, colours = [], []
    for requirement in record["include"]:
        kinds += [requirement["class"]] * requirement["count"]
        free = [COLOUR_NAMES[i] for i in rng.integers(len(COLOURS), size=requirement["count"])]
        colours += [requirement["color"]] * requirement["count"] if "color" in requirement else free
    relation = next((r["position"][0] for r in record["include"] if "position" in r), None)
    side = side_for(len(kinds))
    corners = _place(rng, len(kinds), side, relation)
    shapes = tuple(
        Shape(kind, colour, left, top, side) for kind, colour, (left, top) in zip(kinds, colours, corners, strict=True)
    )
    return Scene(shapes, int(rng.integers(len(BACKGROUNDS))))


def _place(rng: np.random.Generator, count: int, side: int, relation: str | None) -> list[tuple[int, int]]:
    """Draw left and top corners on the lattice, apart by the gap; the second shape relates to the first as asked."""
    corners = layouts(count, side, relation)
    return [(int(left), int(top)) for left, top in corners[rng.integers(len(corners))]]


@cache
def layouts(count: int, side: int, relation: str | None = None) -> np.ndarray:
    """Return every allowed layout as left and top corners in pixels, [layouts, count, 2].

    Two shapes are apart by their side and the gap along at least one axis. With a relation, the second shape is so
    related to the first by that same distance, well above the margin that GenEval's rule asks for.
    """
    steps = np.arange(MARGIN, IMAGE_SIDE - MARGIN - side + 1, LATTICE, dtype=np.int16)
    spots = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
    distance = side + GAP
    found = spots[:, None]
    for _ in range(count - 1):
        earlier = np.repeat(found, len(spots), axis=0)
        latest = np.tile(spots, (len(found), 1))[:, None]
        apart = (np.abs(earlier - latest).max(axis=-1) >= distance).all(axis=1)
        found = np.concatenate([earlier[apart], latest[apart]], axis=1)
    if relation is not None:
        dx, dy = (found[:, 1] - found[:, 0]).T
        found = found[{"left of": -dx, "right of": dx, "above": -dy, "below": dy}[relation] >= distance]
    return found


def sample_pairs(
    rng: np.random.Generator, count: int, task_weights: Sequence[float] | None = None
) -> tuple[list[Record], list[Scene]]:
    """Draw records and a matching scene for each; `task_weights` follow the order of TAGS (default: even)."""
    probabilities = None if task_weights is None else np.asarray(task_weights) / np.sum(task_weights)
    tasks = rng.choice(len(TAGS), size=count, p=probabilities)
    records = [sample_record(rng, TAGS[task]) for task in tasks]
    return records, [sample_scene(rng, record) for record in records]
