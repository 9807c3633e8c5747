"""The pictures the embedded verifiers learn from: drawn or generated once, judged by the exact grader, kept in shards on disk."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from suites.geneval.records import Record
from suites.geneval.rules import evaluate
from suites.shapes.detector import detections
from suites.shapes.finder import Found, find
from suites.shapes.vocabulary import COLOUR_NAMES, COLOURS, KINDS
from verifiers.shapes.edits import shows, wrong_caption
from verifiers.shapes.pictures import draw_group

PICTURES = 3
"""Pictures of a group: a good one, a near miss, one with heavy flaws."""
SHARD = 500
UNKNOWN = -100
"""Label of a patch that nobody painted; losses leave it out."""
ARRAYS = ("images", "correct", "quality", "counts", "kinds", "colours")


@dataclass(frozen=True)
class Groups:
    """G captions with three pictures each."""

    records: list[Record]
    wrong_captions: list[str]
    """A caption that the first picture of the group does not show."""
    images: np.ndarray
    """uint8 [G, 3, C, H, W]."""
    correct: np.ndarray
    """bool [G, 3]: the exact grader's verdict for the group's caption."""
    quality: np.ndarray
    """float32 [G, 3]: mean confidence of the finder over all parts of the picture, 0 to 1."""
    counts: np.ndarray
    """uint8 [G, 3, kinds, colours]: parts found in the picture."""
    kinds: np.ndarray
    """int8 [G, 3, 6, 6]: kind per patch as painted, 0 for background, UNKNOWN in generated pictures."""
    colours: np.ndarray
    """int8 [G, 3, 6, 6]: colour per patch as painted, likewise."""

    def take(self, rows: np.ndarray) -> "Groups":
        """Return the groups with these indices."""
        return Groups(
            [self.records[row] for row in rows],
            [self.wrong_captions[row] for row in rows],
            *(getattr(self, name)[rows] for name in ARRAYS),
        )


def draw_groups(seed: int, shard: int, size: int = SHARD) -> Groups:
    """Draw and judge the groups of one shard; the same for the same seed and shard."""
    rng = np.random.default_rng((seed, shard))
    drawn = [draw_group(rng) for _ in range(size)]
    groups = [pictures for _, _, pictures in drawn]
    return judge(
        [record for record, _, _ in drawn],
        [wrong_caption(rng, record, partial(shows, shapes=scene.shapes)) for record, scene, _ in drawn],
        np.stack([[picture.image_CHW for picture in group] for group in groups]),
        np.stack([[picture.kinds_HW for picture in group] for group in groups]),
        np.stack([[picture.colours_HW for picture in group] for group in groups]),
    )


def judge(
    records: list[Record], wrong_captions: list[str], images: np.ndarray, kinds: np.ndarray, colours: np.ndarray
) -> Groups:
    """Return groups with the exact grader's verdicts on their pictures."""
    found = find(torch.from_numpy(images).flatten(0, 1))
    shape = (len(records), PICTURES)
    correct = [evaluate(records[i // PICTURES], detections(parts)).correct for i, parts in enumerate(found)]
    return Groups(
        records=records,
        wrong_captions=wrong_captions,
        images=images,
        correct=np.asarray(correct).reshape(shape),
        quality=np.asarray([_quality(parts) for parts in found], dtype=np.float32).reshape(shape),
        counts=np.stack([_counts(parts) for parts in found]).reshape(*shape, len(KINDS), len(COLOURS)),
        kinds=kinds,
        colours=colours,
    )


def _quality(parts: list[Found]) -> float:
    return float(np.mean([part.confidence for part in parts])) if parts else 0.0


def _counts(parts: list[Found]) -> np.ndarray:
    counts = np.zeros((len(KINDS), len(COLOURS)), dtype=np.uint8)
    for part in parts:
        counts[KINDS.index(part.kind), COLOUR_NAMES.index(part.colour)] += 1
    return counts


def load_pool(folder: Path, seed: int, shards: int) -> Groups:
    """Return the groups of the first shards, drawing those that are not on disk yet."""
    return join(
        [stored(folder / f"seed{seed}-{shard:04d}.npz", partial(draw_groups, seed, shard)) for shard in range(shards)]
    )


def join(parts: Sequence[Groups]) -> Groups:
    """Return all groups one after another."""
    return Groups(
        [record for part in parts for record in part.records],
        [caption for part in parts for caption in part.wrong_captions],
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ARRAYS),
    )


def stored(path: Path, make: Callable[[], Groups]) -> Groups:
    """Return the groups in a file, making them first where it is missing."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        groups = make()
        words = json.dumps({"records": groups.records, "wrong_captions": groups.wrong_captions})
        unfinished = path.with_suffix(".partial.npz")
        np.savez(unfinished, words=np.asarray(words), **{name: getattr(groups, name) for name in ARRAYS})
        os.replace(unfinished, path)
        print(f"made {path.name}", flush=True)
    with np.load(path, allow_pickle=False) as archive:
        words = json.loads(str(archive["words"]))
        return Groups(words["records"], words["wrong_captions"], *(archive[name] for name in ARRAYS))


def batches(groups: Groups, seed: int, size: int, first_step: int) -> Iterator[Groups]:
    """Yield batches of `size` groups for ever, in an order drawn anew each round; step n is the same after a resume."""
    count = len(groups.records)
    per_round = count // size
    step = first_step
    while True:
        order = np.random.default_rng((seed, step // per_round)).permutation(count)
        start = (step % per_round) * size
        yield groups.take(order[start : start + size])
        step += 1


def possible(records: list[Record], counts_NKC: np.ndarray) -> np.ndarray:
    """Whether picture n might show what record r asks, judged by its counts alone: bool [R, N]; places are not looked at.

    What is not even possible is a safe negative.
    """
    result = np.ones((len(records), len(counts_NKC)), dtype=bool)
    for row, record in enumerate(records):
        for need in record["include"]:
            of_kind = counts_NKC[:, KINDS.index(need["class"])]
            seen = of_kind[:, COLOUR_NAMES.index(need["color"])] if "color" in need else of_kind.sum(axis=1)
            result[row] &= seen == need["count"] if record.get("exclude") else seen >= need["count"]
    return result
