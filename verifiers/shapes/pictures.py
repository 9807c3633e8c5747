"""Pictures as generators might make them, with their flaws, and what is where in them."""

from dataclasses import dataclass, replace

import numpy as np

from suites.geneval.records import Record
from suites.geneval.wording import TAGS
from suites.shapes.renderer import Scene, Shape, mask
from suites.shapes.scenes import sample_record, sample_scene
from suites.shapes.vocabulary import BACKGROUNDS, COLOUR_NAMES, COLOURS, IMAGE_SIDE, KINDS
from verifiers.shapes.edits import Rng, add_shape, shows, wrong_scene
from verifiers.shapes.flaws import MASK_FLAWS, spoil, stain

FLAWS = tuple(MASK_FLAWS)
TASK_WEIGHTS = np.asarray((1.0, 1.2, 1.2, 1.0, 1.4, 1.4)) / 7.2
PATCH = 8
GRID = IMAGE_SIDE // PATCH


@dataclass(frozen=True)
class Picture:
    """A picture uint8 [3, H, W], and per patch of 8 pixels the kind and colour seen there: int8 [6, 6], 0 for background."""

    image_CHW: np.ndarray
    kinds_HW: np.ndarray
    colours_HW: np.ndarray


def draw_group(rng: Rng) -> tuple[Record, Scene, tuple[Picture, Picture, Picture]]:
    """Draw a caption and three pictures for it: a good one, a near miss, and one with heavy flaws; also the good one's scene."""
    record = sample_record(rng, TAGS[rng.choice(len(TAGS), p=TASK_WEIGHTS)])
    scene = _jitter(rng, sample_scene(rng, record))
    if rng.random() < 0.15 and shows(record, (extended := add_shape(rng, scene)).shapes):
        scene = extended
    missed = wrong_scene(rng, record, scene) or sample_scene(rng, sample_record(rng))
    good = paint_flawed(rng, scene, reach=0.4 if rng.random() < 0.6 else 0.0)
    near_miss = paint_flawed(rng, missed, reach=0.4 if rng.random() < 0.6 else 0.0)
    heavy = paint_flawed(rng, _crowd(rng, scene) if rng.random() < 0.15 else scene, reach=1.0)
    return record, scene, (good, near_miss, heavy)


def _jitter(rng: Rng, scene: Scene) -> Scene:
    """Move and resize shapes by a pixel or so: generators do not keep to the renderer's lattice."""
    shapes = []
    for shape in scene.shapes:
        side = shape.side + int(rng.integers(-1, 2))
        left, top = (min(IMAGE_SIDE - side, max(0, v + int(rng.integers(-1, 2)))) for v in (shape.left, shape.top))
        shapes.append(Shape(shape.kind, shape.colour, left, top, side))
    return replace(scene, shapes=tuple(shapes))


def _crowd(rng: Rng, scene: Scene) -> Scene:
    """Put one more shape so that it touches another."""
    near = scene.shapes[rng.integers(len(scene.shapes))]
    left, top = (
        int(np.clip(v + rng.integers(-near.side, near.side + 1), 0, IMAGE_SIDE - near.side))
        for v in (near.left, near.top)
    )
    kind, colour = KINDS[rng.integers(len(KINDS))], COLOUR_NAMES[rng.integers(len(COLOUR_NAMES))]
    return replace(scene, shapes=(*scene.shapes, Shape(kind, colour, left, top, near.side)))


def paint_flawed(rng: Rng, scene: Scene, reach: float) -> Picture:
    """Paint the scene with flaws of severity up to `reach` on some of its shapes or on the whole picture."""
    image_CHW = np.empty((3, IMAGE_SIDE, IMAGE_SIDE), dtype=np.float32)
    image_CHW[:] = np.asarray(BACKGROUNDS[scene.background], dtype=np.float32)[:, None, None]
    owners = np.zeros((len(scene.shapes) + 1, GRID, GRID), dtype=np.float32)
    owners[0] = 0.2
    whole = reach > 0 and rng.random() < 0.3
    chance = 0.0 if whole or reach == 0 else (0.5 if rng.random() < 0.5 else 1.0)
    chosen = rng.random(len(scene.shapes)) < chance
    if chance and scene.shapes:
        chosen[rng.integers(len(scene.shapes))] = True
    for index, shape in enumerate(scene.shapes):
        severity = reach * rng.uniform(0.3, 1.0) if chosen[index] else 0.0
        owners[index + 1] = _paint_shape(rng, image_CHW, shape, severity)
    if whole:
        image_CHW = spoil(rng, image_CHW, reach * rng.uniform(0.3, 1.0))
    owner_HW = owners.argmax(axis=0)
    kinds = np.asarray([0, *(1 + KINDS.index(s.kind) for s in scene.shapes)], dtype=np.int8)
    colours = np.asarray([0, *(1 + COLOUR_NAMES.index(s.colour) for s in scene.shapes)], dtype=np.int8)
    image_CHW = np.clip(np.rint(image_CHW), 0, 255).astype(np.uint8)
    return Picture(image_CHW, kinds[owner_HW], colours[owner_HW])


def _paint_shape(rng: Rng, image_CHW: np.ndarray, shape: Shape, severity: float) -> np.ndarray:
    """Paint one shape with one flaw into the picture; return the share of each patch that it covers, float32 [6, 6]."""
    coverage = mask(shape.kind, shape.side)
    pad = min(4, shape.left, shape.top, IMAGE_SIDE - shape.left - shape.side, IMAGE_SIDE - shape.top - shape.side)
    pad = max(0, pad) if severity else 0
    coverage = np.pad(coverage, pad)
    side = shape.side + 2 * pad
    colour = np.asarray(COLOURS[shape.colour], dtype=np.float32)
    colour_CHW = np.broadcast_to(colour[:, None, None], (3, side, side))
    if severity:
        flaw = rng.integers(len(FLAWS) + 1)
        if flaw < len(FLAWS):
            coverage = np.clip(MASK_FLAWS[FLAWS[flaw]](rng, coverage, severity), 0, 1)
        else:
            colour_CHW = stain(rng, colour, side, severity)
    top, left = shape.top - pad, shape.left - pad
    patch = image_CHW[:, top : top + side, left : left + side]
    patch += coverage * (colour_CHW - patch)
    full = np.zeros((IMAGE_SIDE, IMAGE_SIDE), dtype=np.float32)
    full[top : top + side, left : left + side] = coverage
    return np.asarray(full.reshape(GRID, PATCH, GRID, PATCH).mean(axis=(1, 3)))
