"""Command line of the embedded verifiers' trainings: `python -m verifiers.train shapes-clip`; each resumes where it stopped."""

import argparse
from importlib import import_module

STAGES = {
    "shapes-clip": "verifiers.shapes.publish:publish_clip",
    "shapes-aesthetic": "verifiers.shapes.publish:publish_aesthetic",
    "shapes-reward": "verifiers.shapes.publish:publish_reward",
}


def main() -> None:
    """Train one verifier, or all of them in order, and write its folder under verifiers/weights/."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("verifier", choices=[*STAGES, "all"])
    chosen = parser.parse_args().verifier
    for name in STAGES if chosen == "all" else [chosen]:
        module, function = STAGES[name].split(":")
        getattr(import_module(module), function)()


if __name__ == "__main__":
    main()
