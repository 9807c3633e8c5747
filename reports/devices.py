"""What seconds were measured on: those of different devices, or of processes side by side, are no measure of methods."""

from __future__ import annotations

from reports.summary import Method, Summary
from reports.verdict import listed

UNKNOWN = "what is not known"


def devices(summary: Summary) -> dict[str, list[Method]]:
    """What units were computed on, most methods first, to the methods with units of it; empty where no unit says it."""
    methods = ["model", "search", "budget_unit"]
    units = summary.runs.selections[["run", "unit", *methods]].drop_duplicates()
    found: dict[str, set[Method]] = {}
    for run, unit, *method in units.itertuples(index=False):
        making = summary.runs.makings.get((run, unit))
        found.setdefault((making.computed_on if making else "") or UNKNOWN, set()).add(Method(*method))
    by_device = {device: [one for one in summary.methods if one in of] for device, of in found.items()}
    return {} if set(found) == {UNKNOWN} else dict(sorted(by_device.items(), key=lambda each: (-len(each[1]), each[0])))


def differ(summary: Summary) -> str:
    """A sentence to stand beside seconds that are of several devices; empty where they are of one."""
    return "Seconds are not all of one device: see the notes." if len(devices(summary)) > 1 else ""


def device_notes(summary: Summary) -> list[str]:
    """What parts the seconds of methods besides the methods; nothing where one process on one device measured them all."""
    found, said = devices(summary), []
    if len(found) > 1:
        each = "; ".join(f"on {device} {_methods(summary, methods)}" for device, methods in found.items())
        said.append(f"Seconds were not all measured on the same device: {each}. What they say of methods is also what they say of devices.")
    shards = max((making.shards for making in summary.runs.makings.values()), default=0)
    if shards > 1:
        said.append(f"Units were divided among {shards} processes (--shard): those that shared a card or a processor took longer for it.")
    return said


def _methods(summary: Summary, methods: list[Method]) -> str:
    if len(methods) == len(summary.methods):
        return "units of every method"
    return f"units of {listed([summary.label(method) for method in methods])}"
