"""Scenes and captions that are nearly right: one kind, colour, place or number changed."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from suites.geneval.records import Record, record_of
from suites.geneval.rules import Detection, evaluate
from suites.geneval.wording import NUMBER_WORDS, RELATIONS
from suites.shapes.renderer import Scene, Shape
from suites.shapes.scenes import GAP, LATTICE, MARGIN, sample_record
from suites.shapes.vocabulary import COLOUR_NAMES, IMAGE_SIDE, KINDS

Rng = np.random.Generator


def shows(record: Record, shapes: tuple[Shape, ...]) -> bool:
    """Whether these shapes, all perfectly visible, satisfy the record under GenEval's rules."""
    detections = [Detection(s.kind, 1.0, (s.left, s.top, s.left + s.side, s.top + s.side), s.colour) for s in shapes]
    return evaluate(record, detections).correct


def _other(rng: Rng, names: tuple[str, ...], name: str) -> str:
    rest = [candidate for candidate in names if candidate != name]
    return rest[rng.integers(len(rest))]


def _put(scene: Scene, index: int, shape: Shape) -> Scene:
    return replace(scene, shapes=(*scene.shapes[:index], shape, *scene.shapes[index + 1 :]))


def _change_kind(rng: Rng, scene: Scene) -> Scene:
    index = int(rng.integers(len(scene.shapes)))
    shape = scene.shapes[index]
    return _put(scene, index, replace(shape, kind=_other(rng, KINDS, shape.kind)))


def _change_colour(rng: Rng, scene: Scene) -> Scene:
    index = int(rng.integers(len(scene.shapes)))
    shape = scene.shapes[index]
    return _put(scene, index, replace(shape, colour=_other(rng, COLOUR_NAMES, shape.colour)))


def _swap_colours(rng: Rng, scene: Scene) -> Scene:
    if len(scene.shapes) != 2:
        return scene
    a, b = scene.shapes
    return replace(scene, shapes=(replace(a, colour=b.colour), replace(b, colour=a.colour)))


def _swap_places(rng: Rng, scene: Scene) -> Scene:
    if len(scene.shapes) != 2:
        return scene
    a, b = scene.shapes
    return replace(scene, shapes=(replace(a, left=b.left, top=b.top), replace(b, left=a.left, top=a.top)))


def _turn_places(rng: Rng, scene: Scene) -> Scene:
    """Exchange x and y, which turns "left of" into "above"."""
    return replace(scene, shapes=tuple(replace(s, left=s.top, top=s.left) for s in scene.shapes))


def _remove(rng: Rng, scene: Scene) -> Scene:
    index = int(rng.integers(len(scene.shapes)))
    return replace(scene, shapes=(*scene.shapes[:index], *scene.shapes[index + 1 :]))


def add_shape(rng: Rng, scene: Scene) -> Scene:
    """Return the scene with one more shape in a free place, or unchanged where there is none."""
    side = scene.shapes[0].side if scene.shapes else 16
    kind = scene.shapes[0].kind if scene.shapes and rng.random() < 0.5 else KINDS[rng.integers(len(KINDS))]
    colour = COLOUR_NAMES[rng.integers(len(COLOUR_NAMES))]
    for _ in range(8):
        left, top = (
            int(v) for v in rng.integers(0, (IMAGE_SIDE - 2 * MARGIN - side) // LATTICE + 1, 2) * LATTICE + MARGIN
        )
        if all(max(abs(left - s.left), abs(top - s.top)) >= s.side + GAP // 2 for s in scene.shapes):
            return replace(scene, shapes=(*scene.shapes, Shape(kind, colour, left, top, side)))
    return scene


EDITS: dict[str, tuple[Callable[[Rng, Scene], Scene], ...]] = {
    "single_object": (_change_kind, _change_kind, _remove),
    "two_object": (_change_kind, _change_kind, _remove),
    "counting": (_change_kind, _remove, add_shape),
    "colors": (_change_kind, _change_colour, _change_colour, _remove),
    "position": (_change_kind, _swap_places, _swap_places, _turn_places, _remove),
    "color_attr": (_change_kind, _change_colour, _change_colour, _swap_colours, _remove),
}


def wrong_scene(rng: Rng, record: Record, scene: Scene) -> Scene | None:
    """Return a near copy of the scene that fails the record, or None where five edits made none."""
    edits = EDITS[record["tag"]]
    for _ in range(5):
        edited = edits[rng.integers(len(edits))](rng, scene)
        if not shows(record, edited.shapes):
            return edited
    return None


def wrong_caption(rng: Rng, record: Record, shown: Callable[[Record], bool]) -> str:
    """Return a caption near the record's own that a picture does not show; of another draw where none was found."""
    for _ in range(6):
        changed = _change_words(rng, record)
        if not shown(changed):
            return str(changed["prompt"])
    while shown(changed := sample_record(rng)):
        pass
    return str(changed["prompt"])


def _change_words(rng: Rng, record: Record) -> Record:
    needs = [dict(need) for need in record["include"]]
    need = needs[rng.integers(len(needs))]
    fields = [field for field in ("class", "color", "position", "count") if field in need]
    if record["tag"] != "counting":
        fields.remove("count")
    field = fields[rng.integers(len(fields))]
    if field == "class":
        need["class"] = _other(rng, KINDS, need["class"])
    elif field == "color":
        need["color"] = _other(rng, COLOUR_NAMES, need["color"])
    elif field == "position":
        need["position"] = [_other(rng, RELATIONS, need["position"][0]), 0]
    else:
        need["count"] = [n for n in NUMBER_WORDS if n != need["count"]][rng.integers(len(NUMBER_WORDS) - 1)]
    return record_of(record["tag"], needs)
