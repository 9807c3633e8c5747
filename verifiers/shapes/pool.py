"""The pictures the embedded verifiers learn from: drawn once, judged by the exact grader, kept in shards on disk."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from suites.geneval.records import Record
from suites.geneval.rules import evaluate
from suites.shapes.detector import detections
from suites.shapes.finder import Found, find
from suites.shapes.renderer import Scene
from suites.shapes.vocabulary import COLOUR_NAMES, COLOURS, KINDS
from verifiers.shapes.edits import wrong_caption
from verifiers.shapes.pictures import Picture, draw_group

PICTURES = 3
"""Pictures of a group: a good one, a near miss, one with heavy flaws."""
SHARD = 500
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
    """int8 [G, 3, 6, 6]: kind per patch as painted, 0 for background."""
    colours: np.ndarray
    """int8 [G, 3, 6, 6]: colour per patch as painted, 0 for background."""

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
    return _judge(rng, drawn)


def _judge(rng: np.random.Generator, drawn: list[tuple[Record, Scene, tuple[Picture, Picture, Picture]]]) -> Groups:
    images = np.stack([[picture.image_CHW for picture in pictures] for _, _, pictures in drawn])
    found = find(torch.from_numpy(images).flatten(0, 1))
    shape = (len(drawn), PICTURES)
    records = [record for record, _, _ in drawn]
    correct = [evaluate(records[i // PICTURES], detections(parts)).correct for i, parts in enumerate(found)]
    return Groups(
        records=records,
        wrong_captions=[wrong_caption(rng, record, scene) for record, scene, _ in drawn],
        images=images,
        correct=np.asarray(correct).reshape(shape),
        quality=np.asarray([_quality(parts) for parts in found], dtype=np.float32).reshape(shape),
        counts=np.stack([_counts(parts) for parts in found]).reshape(*shape, len(KINDS), len(COLOURS)),
        kinds=np.stack([[picture.kinds_HW for picture in pictures] for _, _, pictures in drawn]),
        colours=np.stack([[picture.colours_HW for picture in pictures] for _, _, pictures in drawn]),
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
    folder.mkdir(parents=True, exist_ok=True)
    parts = [_load_shard(folder / f"seed{seed}-{shard:04d}.npz", seed, shard) for shard in range(shards)]
    return Groups(
        [record for part in parts for record in part.records],
        [caption for part in parts for caption in part.wrong_captions],
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ARRAYS),
    )


def _load_shard(path: Path, seed: int, shard: int) -> Groups:
    if not path.exists():
        groups = draw_groups(seed, shard)
        words = json.dumps({"records": groups.records, "wrong_captions": groups.wrong_captions})
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, words=np.asarray(words), **{name: getattr(groups, name) for name in ARRAYS})
        os.replace(partial, path)
        print(f"drew {path.name}", flush=True)
    with np.load(path, allow_pickle=False) as stored:
        words = json.loads(str(stored["words"]))
        return Groups(words["records"], words["wrong_captions"], *(stored[name] for name in ARRAYS))


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
