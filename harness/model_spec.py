"""A model as it was asked for: NAME[:key=value,…], its settings, and the shortest text that says the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.assignments import assignments, members_of, name_of, quoted, written
from harness.entry import Entry, resolve
from harness.errors import WrongInput
from harness.registry import entry, published_row
from harness.values import NUMBER, Kind, at_least, like, several, typed
from models.base import SmallPreviews
from models.published import PRESET, PublishedModel
from models.random_weights import BUILDERS, outlined
from models.small_previews import SETTING


@dataclass(frozen=True)
class ModelSpec:
    """A registered model with the settings that were given for it."""

    text: str
    """The shortest text that names it: the model's name in tables."""
    name: str
    entry: Entry = field(repr=False)
    overrides: Mapping[str, Any] = field(default_factory=dict)
    pair: tuple[ModelSpec, ...] = ()
    """What drafts and what refines, where it is a pair."""
    preview_shrink: int = 1
    """What the sides of its previews are divided by: a setting of every model whose generator is `SmallPreviews`."""

    @property
    def members(self) -> tuple[ModelSpec, ...]:
        """What has to be loaded."""
        return self.pair or (self,)

    def published(self) -> PublishedModel:
        """The row of its registry file; raises WrongInput for a pair, and for a model that comes with the package."""
        if self.pair:
            raise WrongInput(f"{self.text} is a pair: name one of its models at a time")
        return published_row(self.name, self.entry)


def parse_model(text: str) -> ModelSpec:
    """The model that a text names, such as "infinity-2b:preset=notebook,cfg=4", or a pair, DRAFT+REFINE.

    Raises:
        UnknownName: a name that is not registered.
        WrongInput: a setting or preset that the model does not have, a value of the wrong type or one that the model
            cannot have, previews of a published model that do not divide its latents, or models that make no pair.
    """
    if len(members := members_of(text)) > 1:
        return _pair(text, [parse_model(member) for member in members])
    name = name_of(text)
    found = entry("model", name)
    settings = found.settings if found.row is None else found.row.settings
    described = {**settings, **({SETTING: 1} if issubclass(resolve(found.generator), SmallPreviews) else {})}
    listing = f"settings of {name}: {', '.join(f'{key} ({_kind(value).expected})' for key, value in described.items())}"
    presets = {PRESET} if found.row is not None and found.row.presets else set()
    given = assignments("model", text, {*described, *presets}, listing)
    shrink = _preview_shrink(text, given.pop(SETTING, "1"))
    previews = {SETTING: shrink} if shrink > 1 else {}
    values = {key: _convert(text, key, value, settings.get(key, "")) for key, value in given.items()}
    if found.row is None:
        if any(isinstance(value, tuple) for value in values.values()):
            raise WrongInput(f"model {text!r}: {name} takes one number for each of its settings; {listing}")
        needed = {key: values[key] for key in settings if key in values and values[key] != settings[key]}
        return ModelSpec(written(name, needed | previews), name, found, needed, preview_shrink=shrink)
    merged = found.row.merged(values)
    found.row.check(merged)
    if shrink > 1 and found.row.loader in BUILDERS:
        outlined(found.row, merged).with_previews(shrink)
    return ModelSpec(written(name, quoted(_needed(found.row, values)) | previews), name, found, values, preview_shrink=shrink)


def _preview_shrink(text: str, value: str) -> int:
    try:
        shrink: int = at_least(1).of(value)
    except ValueError as error:
        raise WrongInput(f"model {text!r}: {SETTING}={value} is not {error}: write {SETTING}=2, for example") from None
    return shrink


def _pair(text: str, members: list[ModelSpec]) -> ModelSpec:
    families = [member.entry.family for member in members]
    if families != ["ar", "diffusion"]:
        instead = f"; did you mean {'+'.join(member.text for member in reversed(members))}?" if families == ["diffusion", "ar"] else ""
        raise WrongInput(
            f"model {text!r} joins {' and '.join(families)} models: write DRAFT+REFINE, an autoregressive model and then "
            f"a diffusion model{instead}"
        )
    draft, refine = members
    if draft.entry.domain != refine.entry.domain:
        raise WrongInput(f"model {text!r} joins a {draft.entry.domain} and a {refine.entry.domain} model: pair one domain")
    joined = f"{draft.text}+{refine.text}"
    entry = Entry("models.pair:Pair", joined, "pair", draft.entry.domain, refine.entry.generator, draft=draft.entry)
    return ModelSpec(joined, joined, entry, {}, (draft, refine))


def _needed(row: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """What differs from the defaults, the preset first, then in the order of the row."""
    preset = values.get(PRESET, row.settings.get(PRESET))
    base = row.merged({PRESET: preset} if preset is not None else {})
    kept = {key: values[key] for key in row.settings if key in values and key != PRESET and values[key] != base[key]}
    return ({PRESET: preset} if preset != row.settings.get(PRESET) else {}) | kept


def _convert(text: str, key: str, value: str, default: Any) -> Any:
    try:
        converted = _kind(default).of(value)
    except ValueError as error:
        raise WrongInput(f"model {text!r}: {key}={value} is not {error}: write {key}={typed(default)}, for example") from None
    return converted[0] if isinstance(converted, tuple) and len(converted) == 1 else converted


def _kind(default: Any) -> Kind:
    kind = like(default)
    return several(NUMBER).called("a number; a/b/… one per step, where it may differ by step") if kind is NUMBER else kind
