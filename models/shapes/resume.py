"""Makes training runs out of the shipped weights, so that training goes on where it ended, on any machine.

`python -m models.shapes.resume infinity flux`, then `python -m models.shapes.train all` with longer schedules. Weights and
logs are the shipped ones; the optimisers begin with empty moments. Runs that are there already are left alone.
"""

import argparse
import json
import shutil
from collections.abc import Mapping
from typing import Any

from torch import nn

from models.card_file import checked_card
from models.diffusion.flux import load_flux_pipeline
from models.infinity.pretrained import load_pretrained
from models.shapes.facts import RUNS_OF
from models.shapes.load import LOGS, TEXT_ENCODER, weights
from models.shapes.text import build_t5
from models.shapes.training_loop import LOG, Run

FACTS_OF = {"infinity": "generator", "flux": "generator", "tokenizer": "tokenizer", "flux-vae": "autoencoder",
            "tokenizer-previews": "preview decoder"}  # fmt: skip
"""What a card calls each run."""


def resume_infinity() -> dict[str, dict[str, Any]]:
    """Return the state of every run behind shapes-infinity but its optimiser's moments."""
    folder = weights("shapes-infinity")
    parts = load_pretrained(folder)
    models = nn.ModuleDict({"transformer": parts.transformer, "t5": build_t5().from_pretrained(folder / TEXT_ENCODER)})
    vae = _state(parts.vae)
    return {"infinity": _state(models), "tokenizer": vae, "tokenizer-previews": vae}


def resume_flux() -> dict[str, dict[str, Any]]:
    """Return the state of every run behind shapes-flux but its optimiser's moments."""
    pipeline = load_flux_pipeline(weights("shapes-flux"))
    models = nn.ModuleDict(
        {"transformer": pipeline.transformer, "t5": pipeline.text_encoder_2, "clip": pipeline.text_encoder}
    )
    return {"flux": _state(models), "flux-vae": _state(pipeline.vae)}


def _state(module: nn.Module) -> dict[str, Any]:
    weights_now = {name: value.detach().clone() for name, value in module.state_dict().items()}
    return {"model": weights_now, "average": weights_now}


def write_runs(model: str, states: Mapping[str, dict[str, Any]]) -> None:
    """Write a run's folder for each state that has none yet, at the step and with the log of the shipped weights.

    What the card says of how they came about is the generator's note.
    """
    folder = weights(f"shapes-{model}")
    card = checked_card(folder)
    facts = card["training"]
    for name in RUNS_OF[model]:
        run = Run(name)
        if run.load() is not None:
            print(f"{run.folder} is there already and is left alone")
            continue
        own = facts[FACTS_OF[name]]
        run.earlier_seconds = own["seconds"]
        run.save(**states[name], step=own["steps"])
        log, shipped = run.folder / LOG, folder / LOGS / f"{name}.jsonl"
        if shipped.is_file():
            shutil.copyfile(shipped, log)
        else:
            line = {"seconds": own["seconds"], "step": own["steps"], "samples": own["samples"], "loss": own["loss"]}
            log.write_text(json.dumps(line) + "\n", encoding="utf-8")
        if name == model:
            run.note(card["recipe"])
        print(f"{run.folder} stands at step {own['steps']}")


def main() -> None:
    """Write the runs of the models named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", choices=RUNS_OF)
    for model in parser.parse_args().models:
        write_runs(model, resume_infinity() if model == "infinity" else resume_flux())


if __name__ == "__main__":
    main()
