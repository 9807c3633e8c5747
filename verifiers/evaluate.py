"""Prints how well each verifier tells right images from wrong ones, per task: `python -m verifiers.evaluate RUN…` or `--model NAME`.

With run folders, the candidates that the runs have scored and graded; with `--model`, images made for this, and with
`--write` the figures also go into the cards of the verifiers that come with the package.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import torch

from harness.registry import entries, entry
from harness.seeds import Seeds
from models.base import Generator, Images, Row
from models.generate import generate
from suites.base import Prompt, display_name
from suites.sample import sample
from verifiers.agreement import agreement
from verifiers.shapes.generated import write_generated

PROMPTS_AT_ONCE = 8


def from_run(folder: Path) -> pd.DataFrame:
    """Read a run's finished candidates, with all their columns.

    Raises:
        ValueError: the folder has no table of candidates.
    """
    path = folder / "candidates.parquet"
    if not path.is_file():
        raise ValueError(f"{folder} has no candidates.parquet: give the folder of a finished run")
    table = pd.read_parquet(path)
    return table[table["complete"]]


def from_model(name: str, prompts: int, images: int, seed: int) -> pd.DataFrame:
    """Make `images` images for each of an even sample of GenEval's prompts, grade them, and score them by every verifier.

    The images of a prompt are one pool: that of a random search with this many candidates.
    """
    generator: Generator = entry("model", name).resolve()()
    domain = generator.card.domain
    suite = entry("suite", "geneval").resolve()()
    chosen = sample(suite.prompts(domain), prompts, seed)
    names = [key for key, value in entries("verifier").items() if value.domain == domain]
    verifiers = {key: entry("verifier", key).resolve()() for key in names}
    seeds = Seeds(seed, display_name("geneval", domain))
    rows = []
    for batch, pictures in _generate(generator, chosen, images, seeds):
        repeated = [prompt for prompt in batch for _ in range(images)]
        truths = [grade.value for grade in suite.grade(pictures, repeated, domain)]
        for key, verifier in verifiers.items():
            values_NM = verifier.score(pictures, [prompt.text for prompt in repeated]).values_NM
            for start in range(0, len(repeated), images):
                pool = slice(start, start + images)
                for prompt, score, truth in zip(
                    repeated[pool], verifier.combine(values_NM[pool]), truths[pool], strict=True
                ):
                    rows.append((name, key, prompt.task, prompt.id, score, truth))
    table = pd.DataFrame(rows, columns=["model", "verifier", "task", "prompt_id", "score", "truth"])
    return table.assign(seed=seed, search="random", budget=float(images))


def _generate(
    generator: Generator, prompts: Sequence[Prompt], images: int, seeds: Seeds
) -> Iterator[tuple[Sequence[Prompt], Images]]:
    """Yield a few prompts at a time with their images, uint8 [prompts * images, 3, H, W]."""
    for first in range(0, len(prompts), PROMPTS_AT_ONCE):
        batch = prompts[first : first + PROMPTS_AT_ONCE]
        places = [(index, image) for index in range(len(batch)) for image in range(images)]
        rows = [Row(index, seeds.at(batch[index].id, (image,), -1)) for index, image in places]
        draws = [[seeds.at(batch[index].id, (image,), step) for index, image in places] for step in range(generator.card.steps)]
        with torch.inference_mode():
            conditioning = generator.encode([prompt.text for prompt in batch])
            yield batch, generate(generator, conditioning, rows, draws)


def main() -> None:
    """Print the table of agreement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path, metavar="RUN", help="folders of finished runs")
    parser.add_argument(
        "--model", action="append", default=[], help="generator to make images with; repeat for several"
    )
    parser.add_argument("--prompts", type=int, default=120, help="prompts to make images for")
    parser.add_argument("--images", type=int, default=4, help="images per prompt")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="put the figures into the embedded verifiers' cards")
    asked = parser.parse_args()
    if not (asked.runs or asked.model):
        parser.error("nothing to judge: give run folders, or --model NAME")
    if asked.write and (asked.runs or not asked.model):
        parser.error(
            "--write records images made by generators of known weights: give --model NAME, and no run folders"
        )
    tables = [from_run(folder) for folder in asked.runs]
    tables += [from_model(name, asked.prompts, asked.images, asked.seed) for name in asked.model]
    found = agreement(pd.concat(tables))
    print(found.round(3).to_string(index=False))
    if asked.write:
        hashes = {name: entry("model", name).resolve()().card.weights_sha256 for name in asked.model}
        print("written to the cards of", ", ".join(write_generated(found, asked.prompts, hashes)))


if __name__ == "__main__":
    main()
