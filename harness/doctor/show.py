"""What `vistas doctor` prints."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from harness.assignments import members_of, name_of
from harness.doctor.judges import sorted_out
from harness.doctor.machine import described, devices_of, machine, planned
from harness.doctor.needs import needs
from harness.memory import SHARE, free_and_total
from harness.model_spec import parse_model
from harness.registry import EMBEDDED, entry, kind_beside
from harness.weights.local import LocalWeights, check_given
from harness.weights.repository import gigabytes
from models.published import published_models
from models.shapes.load import weights as weights_of
from verifiers.spec import parse_verifier

NOTE = """download: all files as published, often in float32 or with parts that are not used.
in memory: all networks, text encoders included, in the number formats they run in.
each row: one candidate image. Passes and decoding are estimates.
Candidates of one prefix share its cache, so that a search may fit more; a batch that does
not fit is tried again with half the rows. Verifiers and graders lie beside the model: name
them too, and their weights are taken off (what they need while they score is not counted).
--set offload=model keeps one network on the device at a time, --set device=A,B divides a
model over several devices."""


def show(texts: Sequence[str], device: str, memory: str | None, weights: Sequence[str]) -> None:
    """Print both; `memory` in GB, one number or one for each device, stands for what is free.

    Raises WrongInput for a name, setting or device that is not there.
    """
    from rich.console import Console

    console, local = Console(soft_wrap=True), LocalWeights.parse(weights)
    named, judges = sorted_out(texts)
    own = [member for text in named for member in members_of(text) if name_of(member) in EMBEDDED]
    models = [text for text in named if any(name_of(member) not in EMBEDDED for member in members_of(text))]
    beside_them = [(kind, member) for text in judges if (kind := kind_beside(text))
                   for member in (parse_verifier(text).names if kind == "verifier" else (text,))]  # fmt: skip
    shown = [name_of(member) for text in models or (() if own else published_models()) for member in members_of(text)]
    local.check_used([*shown, *(member for _, member in beside_them)])
    for kind, member in beside_them:
        check_given(member, entry(kind, member), local)
    devices, read = devices_of(device, memory), cache(free_and_total)  # memory is read once: what is said of it is what is planned with
    free = planned(devices, memory, read)
    needed = needs(models, free, local, sum(judges.values())) if models or not own else ()
    for name, value in described(machine(devices[0], read), elsewhere=memory is not None):
        console.print(f"{name:<10} {value}", highlight=False, markup=False)
    said = ", ".join(f"{gigabytes(count)} free" + (f" on {name}" if len(free) > 1 else "") for name, count in free.items())
    console.print(f"\nwith {said}, of which {SHARE:.0%} are planned with:\n", highlight=False)
    for name, count in judges.items():
        taken = f"{gigabytes(count)} of weights beside each model, taken off" if count else "no weights beside those named already"
        console.print(f"{name}: {taken}", highlight=False, markup=False)
    for spec in map(parse_model, own):
        size = gigabytes(sum(file.stat().st_size for file in weights_of(spec.name).rglob("*.safetensors")))
        console.print(f"{spec.text}: comes with the package, {size} of weights: runs on any machine", highlight=False, markup=False)
    for need in needed:
        stored = "yes" if need.here else "no"
        console.print(f"{need.model}: rows that fit: {need.fits}; weights here: {stored}", highlight=False, markup=False)
        for name, value in need.lines:
            console.print(f"  {name:<10} {value}", highlight=False, markup=False)
    console.print(f"\n{NOTE}", highlight=False, markup=False)
