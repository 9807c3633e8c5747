"""Command line of the trainings; each resumes where it stopped.

`python -m models.shapes.train all` runs everything, two processes side by side with one thread each, which is what two
cores do fastest and one GPU is shared by; `python -m models.shapes.train flux` runs one stage.
Then `python -m models.shapes.export infinity flux`.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module

STAGES = {
    "flux-vae": "models.shapes.flux_vae:train",
    "flux": "models.shapes.flux:train",
    "tokenizer": "models.shapes.tokenizer:train",
    "infinity": "models.shapes.infinity:train",
    "tokenizer-previews": "models.shapes.tokenizer:train_previews",
}
CHAINS = (("flux-vae", "flux"), ("tokenizer", "infinity", "tokenizer-previews"))
"""Stages that need one another's weights, in order; the chains are independent."""


def run_chain(stages: Sequence[str]) -> None:
    """Run stages one after another, each in a process of its own.

    Raises:
        CalledProcessError: a stage failed; the ones after it are not run.
    """
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    for stage in stages:
        subprocess.run([sys.executable, "-m", "models.shapes.train", stage], check=True, env=environment)


def main() -> None:
    """Run one stage of the training, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=("all", *STAGES))
    stage = parser.parse_args().stage
    if stage == "all":
        with ThreadPoolExecutor(len(CHAINS)) as pool:
            list(pool.map(run_chain, CHAINS))
        return
    module, function = STAGES[stage].split(":")
    getattr(import_module(module), function)()


if __name__ == "__main__":
    main()
