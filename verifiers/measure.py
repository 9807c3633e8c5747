"""Measures published verifiers at full size with random weights: `python -m verifiers.measure [NAME…]`; needs no files.

Scores mean nothing here; FLOPs and, on this machine, seconds are those of the real weights.
"""

import argparse
from collections.abc import Callable, Mapping
from functools import partial
from time import perf_counter, process_time

import torch

from verifiers.measure_judges import llava, qwen
from verifiers.published import published_verifiers
from verifiers.random_weights import BUILDERS
from verifiers.scorer import Scorer

PROMPT = "a photo of a red dog and two cups on a table"
SIDE = 1024
"""Pixels of the pictures that are scored: resizing is part of the time."""


MEASURED = tuple(name for name in BUILDERS if name != "aesthetic")
"""Without a name: aesthetic has the same picture pass as clip-score."""
JUDGES: Mapping[str, Callable[[], Scorer]] = {
    "vlm-judge": llava,
    "vlm-judge:mode=rubric": partial(llava, "rubric"),
    "vlm-judge-qwen": qwen,  # vqa-score has the same pass
    "vlm-judge-qwen:mode=rubric": partial(qwen, "rubric"),
}
"""15 GB of memory each; asked for by name only."""


def measure(verifier: Scorer, images: int) -> dict[str, float]:
    """FLOPs of a picture and of a new prompt; seconds, and seconds of the processor, of a picture, after a warm-up."""
    pictures = [torch.randint(0, 256, (3, SIDE, SIDE), dtype=torch.uint8) for _ in range(images)]
    verifier.score(pictures[:1], [PROMPT])
    begin, worked = perf_counter(), process_time()
    verifier.score(pictures, [PROMPT] * images)
    seconds, processor = (perf_counter() - begin) / images, (process_time() - worked) / images
    image, prompt = verifier.price(1).verifier_flops, verifier.price(0, 1).verifier_flops
    return {"gflop_image": image / 1e9, "gflop_prompt": prompt / 1e9, "seconds_image": seconds,
            "processor_image": processor}  # fmt: skip


def main() -> None:
    """Print one line a verifier."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MEASURED)} (all these without one), {', '.join(JUDGES)}")
    parser.add_argument("--images", type=int, default=4)
    asked = parser.parse_args()
    wrong = [name for name in asked.names if name not in {**BUILDERS, **JUDGES}]
    if wrong:
        parser.error(f"{wrong[0]!r} cannot be measured without its files; give {', '.join((*BUILDERS, *JUDGES))}")
    print(f"{torch.get_num_threads()} threads, float32 (judges bfloat16), {asked.images} pictures of {SIDE} pixels")
    rows = published_verifiers()
    for name in asked.names or MEASURED:
        with torch.inference_mode():
            verifier = JUDGES[name]() if name in JUDGES else BUILDERS[name](rows[name], "cpu", rows[name].settings)
            found = measure(verifier, asked.images)
        print(f"{name:26} {found['gflop_image']:8.1f} GFLOP an image, {found['gflop_prompt']:6.1f} a new prompt, "
              f"{found['seconds_image']:6.2f} s an image ({found['processor_image']:.2f} s of the processor)", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
