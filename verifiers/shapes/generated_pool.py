"""Pictures that the embedded generators made, for the verifiers to learn from, as ImageReward learnt from generated ones.

Captions are drawn as in the rest of the pool; the pictures of a caption differ by their seeds only.
"""

from functools import cache, partial
from pathlib import Path

import numpy as np
import torch

from harness.registry import entry
from models.base import Generator, Row
from models.generate import generate
from suites.geneval.records import Record
from suites.geneval.rules import evaluate
from suites.geneval.wording import TAGS
from suites.shapes.detector import detections
from suites.shapes.finder import Found, find
from suites.shapes.scenes import sample_record
from verifiers.shapes.edits import Rng, wrong_caption
from verifiers.shapes.pictures import GRID, TASK_WEIGHTS
from verifiers.shapes.pool import PICTURES, UNKNOWN, Groups, join, judge, stored

MODELS = ("shapes-infinity", "shapes-flux")
SHARD = 250
CAPTIONS_AT_ONCE = 16


def load_generated(folder: Path, seed: int, shards: int) -> Groups:
    """Return the first shards of every generator, making those that are not on disk yet; named after the weights."""
    return join(
        [
            stored(
                folder / f"{model}-{_generator(model).card.weights_sha256[:12]}-seed{seed}-{shard:04d}.npz",
                partial(generate_groups, _generator(model), seed, shard),
            )
            for model in MODELS
            for shard in range(shards)
        ]
    )


def generate_groups(generator: Generator, seed: int, shard: int, size: int = SHARD) -> Groups:
    """Make and judge the groups of one shard; the same for the same weights, seed and shard."""
    rng = np.random.default_rng((seed, shard, len(generator.card.name)))
    records = [sample_record(rng, TAGS[rng.choice(len(TAGS), p=TASK_WEIGHTS)]) for _ in range(size)]
    chunks = [records[first : first + CAPTIONS_AT_ONCE] for first in range(0, size, CAPTIONS_AT_ONCE)]
    images = torch.cat([_make(generator, rng, chunk) for chunk in chunks]).unflatten(0, (size, PICTURES))
    unknown = np.full((size, PICTURES, GRID, GRID), UNKNOWN, dtype=np.int8)
    firsts = find(images[:, 0].contiguous())
    wrong = [_wrong(rng, record, parts) for record, parts in zip(records, firsts, strict=True)]
    return judge(records, wrong, images.numpy(), unknown, unknown)


def _wrong(rng: Rng, record: Record, parts: list[Found]) -> str:
    seen = detections(parts)
    return wrong_caption(rng, record, lambda asked: evaluate(asked, seen).correct)


def _make(generator: Generator, rng: Rng, records: list[Record]) -> torch.Tensor:
    """Return three pictures of each caption, uint8 [captions * 3, 3, H, W]."""
    count = len(records) * PICTURES
    seeds = rng.integers(2**62, size=(generator.card.steps + 1, count)).tolist()
    with torch.inference_mode():
        rows = [Row(index // PICTURES, seeds[0][index]) for index in range(count)]
        conditioning = generator.encode([str(record["prompt"]) for record in records])
        return generate(generator, conditioning, rows, seeds[1:])


@cache
def _generator(model: str) -> Generator:
    generator: Generator = entry("model", model).resolve()()
    return generator
