"""What a published model needs of a machine: memory of weights, rows and passes, and the largest batch that fits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from harness.config import Settings
from harness.errors import WrongInput
from harness.fitting import beside, fit, in_words, rows_divided, rows_that_fit
from harness.memory import SHARE
from harness.model_spec import ModelSpec, parse_model
from harness.placing import check_placing
from harness.weights.local import LocalWeights, check_given, found
from harness.weights.repository import gigabytes
from models.multi_device import Division, divide
from models.published import published_models
from models.sheet import Sheet, sheet


@dataclass(frozen=True)
class Need:
    """What one model needs of a machine, in words."""

    model: str
    fits: str
    """Rows of one batch."""
    here: bool
    """Whether its weights are on this machine."""
    lines: tuple[tuple[str, str], ...]
    """Name and value of everything else."""


def needs(texts: Sequence[str], memory: Mapping[str, int], local: LocalWeights, judges: int = 0) -> Iterator[Need]:
    """Those of the models named, of all published ones without names; of a pair each beside the other's weights.

    memory: free bytes of each device; judges: bytes that verifiers and graders take beside a model.

    Raises WrongInput at once, also for a folder that was given and is no copy of what it is given for.
    """
    specs = [parse_model(text) for text in texts or published_models()]
    for member in (member for spec in specs for member in spec.members):
        member.published()
        check_given(member.name, member.entry, local)
    return (need for spec in specs for need in _each(spec, memory, local, judges))


def _each(spec: ModelSpec, memory: Mapping[str, int], local: LocalWeights, judges: int) -> Iterator[Need]:
    """The need of a model, or of both of a pair."""
    if not spec.pair:
        yield _need(spec, sheet_of(spec), memory, local, judges)
        return
    draft, refine = ((member, sheet_of(member)) for member in spec.pair)
    for (own, own_sheet), (other, other_sheet) in ((draft, refine), (refine, draft)):
        need = _need(own, own_sheet, memory, local, judges + other_sheet.weight_bytes)
        yield replace(need, model=f"{own.text} beside {other.text}")


def sheet_of(spec: ModelSpec) -> Sheet:
    """The data sheet of a published model under its settings."""
    model = spec.published()
    return sheet(model, model.merged(spec.overrides))


def _need(spec: ModelSpec, one: Sheet, every: Mapping[str, int], local: LocalWeights, taken: int) -> Need:
    """every: free bytes of each device; taken: those that lie beside the model on its first."""
    model, memory = spec.published(), beside(every, taken)
    refusal, apart = _refusal(spec, offload="model"), _refusal(spec, divided=True) if len(memory) > 1 else ""
    several = len(memory) > 1 and not apart
    division = divide(one.networks, [int(SHARE * free) for free in memory.values()]) if one.networks and several else None
    kept = f"{gigabytes(one.row_bytes)} {'of cache' if one.cache_step_bytes else 'of latents'}"
    growth = [("each step", f"adds {_span(one.cache_step_bytes)} of it")] if one.cache_step_bytes else []
    divided = [("" if at else "divided", line) for at, line in enumerate(_said(one, division, memory))] if division else []
    if division and (copies := _copies(one, every, taken)):
        divided.append(("copies", copies))
    largest = fit(one, memory, division, offload=not refusal)
    settings = largest.run_with(Settings.model_fields["max_rows"].default)
    refused = [line for line in dict.fromkeys((refusal, apart)) if line]
    return Need(spec.text, in_words(largest, memory), found(spec.name, spec.entry, local), (
        *([("run with", settings)] if settings else []),
        *([("presets", f"{spec.name}:preset={' or '.join(model.presets)}")] if model.presets else []),
        ("download", gigabytes(model.bytes)),
        ("in memory", f"{gigabytes(one.weight_bytes)}; {gigabytes(one.all_parameters * torch.float32.itemsize)} in float32"),
        ("each row", f"{kept}, {gigabytes(one.pass_bytes)} more within a pass"),
        *growth,
        ("decoding", f"{gigabytes(one.decode_bytes)} an image"),
        *divided,
        *(("" if at else "refused", line) for at, line in enumerate(refused)),
    ))  # fmt: skip


def _refusal(spec: ModelSpec, **placing: Any) -> str:
    """Why the model cannot lie so, as `check_placing` says; "" where it can."""
    try:
        check_placing(spec.entry, spec.overrides, **placing)
    except WrongInput as error:
        return str(error)
    return ""


def _said(one: Sheet, division: Division, memory: Mapping[str, int]) -> Iterator[str]:
    """The largest batch over all devices, and what would lie where, a device at a time."""
    yield f"{max(0, rows_divided(one, division, list(memory.values())))} rows with device={','.join(memory)}"
    for at, device in enumerate(memory):
        texts = [name for name, place in division.places.items() if place == at and "." not in name]
        held = [f"{division.blocks[at]} of {sum(division.blocks)} blocks", *texts, *(["decoder"] if at == 0 else [])]
        yield f"{device} {gigabytes(division.bytes[at])} ({', '.join(held)})"


def _copies(one: Sheet, every: Mapping[str, int], taken: int) -> str:
    """What a process with a copy on each card holds together, which all work, where divided cards take turns; "" where one has no room."""
    if any(torch.device(device).type != "cuda" for device in every):
        return ""
    rows = [rows_that_fit(one, beside({device: free}, taken)[device]) for device, free in every.items()]
    each = " + ".join(map(str, rows))
    return f"{each} rows at once (divided, cards take turns): --shard K/{len(rows)}" if min(rows) > 0 else ""


def _span(sizes: Sequence[int]) -> str:
    return gigabytes(sizes[0]) if len(set(sizes)) == 1 else f"{gigabytes(min(sizes))} to {gigabytes(max(sizes))}"
