"""Command line of the trainings: `python -m models.shapes.train flux-vae`, and so on; each resumes where it stopped."""

import argparse
from importlib import import_module

STAGES = {
    "flux-vae": "models.shapes.flux_vae:train",
    "tokenizer": "models.shapes.tokenizer:train",
    "tokenizer-previews": "models.shapes.tokenizer:train_previews",
    "flux": "models.shapes.flux:train",
    "infinity": "models.shapes.infinity:train",
}


def main() -> None:
    """Run one stage of the training."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=STAGES)
    module, function = STAGES[parser.parse_args().stage].split(":")
    getattr(import_module(module), function)()


if __name__ == "__main__":
    main()
