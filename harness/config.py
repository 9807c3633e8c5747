"""The configuration of a run: its keys with their defaults, meanings and rules."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from harness.assignments import members_of, name_of
from harness.compute import amounts
from harness.compute.ledger import Unit
from harness.named_searches import expanded
from harness.registry import EMBEDDED, entries
from harness.values import ALL

FILE = "file"
"""The suite whose prompts are any file's."""
VERIFIER = {"shapes": "shapes-reward", "photo": "image-reward"}
"""What guides where nobody names a verifier, by the domain of the models; the paper's is ImageReward."""


class RunConfig(BaseModel):
    """Everything that determines a run's results (the machine and the code apart)."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    suite: str = "geneval"
    """Whose prompts, and whose grader where it has one."""
    prompts_from: str | None = None
    """File or folder of the suite's prompts, in place of VISTAS_PROMPTS and the hub."""
    models: tuple[str, ...] = Field(EMBEDDED, min_length=1)
    """NAME or NAME:key=value,…; two joined by + are a pair."""
    searches: tuple[str, ...] = Field(("random", "greedy", "beam", "zero-order"), min_length=1)
    """NAME or NAME:key=value,…; all: every one that fits a model."""
    verifiers: tuple[str, ...] = Field((VERIFIER["shapes"],), min_length=1)
    """What guides the searches; without any named, the one of the models' domain."""
    metrics: tuple[str, ...] = ("all",)
    """Verifiers that measure what was selected, besides those that guide; all: every registered one of the domain."""
    unit: Unit = Unit.NFE
    """nfe, flops, images or seconds."""
    budgets: tuple[float, ...] = Field((5, 10, 30, 60, 120), min_length=1)
    """Per prompt, in `unit`; k, M, G, T, P and E stand for thousands, millions and so on."""
    prompts: int | Literal["all"] = 48
    """How many, or all: an even, seeded sample over the suite's tasks; of a file of one's own all, where no number is given."""
    sample_seed: int = 0
    """Seed of that sample; the same prompts for every run seed."""
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    """Every search is run once with each: independent repetitions."""
    chunk: int = Field(8, ge=1)
    """Prompts of one unit: what is advanced together, and what an interruption loses."""
    keep: int = Field(1, ge=0)
    """Prompts per task whose candidate images are all kept; selected images always are."""

    @model_validator(mode="before")
    @classmethod
    def _all_searches_have_a_model(cls, values: Any) -> Any:
        """All searches without models named are run on the embedded pair and, for those of pairs, on the two joined."""
        if isinstance(values, dict) and "models" not in values and ALL in values.get("searches", ()):
            values = {**values, "models": (*EMBEDDED, "+".join(EMBEDDED))}
        return values

    @model_validator(mode="before")
    @classmethod
    def _the_verifier_is_of_the_domain(cls, values: Any) -> Any:
        """Photographs have a default verifier of their own."""
        if isinstance(values, dict) and "verifiers" not in values and values.get("models"):
            model = entries("model").get(name_of(members_of(str(values["models"][0]))[0]))
            if model is not None and model.domain != "shapes":
                return {**values, "verifiers": (VERIFIER[model.domain],)}
        return values

    @model_validator(mode="before")
    @classmethod
    def _a_file_is_run_whole(cls, values: Any) -> Any:
        """A sample is of a benchmark; one's own prompts are those that were meant."""
        if isinstance(values, dict) and values.get("suite") == FILE and "prompts" not in values:
            return {**values, "prompts": ALL}
        return values

    @field_validator("budgets")
    @classmethod
    def _positive(cls, budgets: tuple[float, ...], info: ValidationInfo) -> tuple[float, ...]:
        for budget in budgets:
            if not 0 < budget < float("inf"):
                raise ValueError(f"budget {budget:g} is not a positive number")
            if info.data.get("unit") is Unit.IMAGES and budget != int(budget):
                raise ValueError(f"budget {budget:g} is not a whole number of images")
            if budgets.count(budget) > 1:
                raise ValueError(f"budget {budget:g} is given more than once: give each once")
        return tuple(sorted(budgets))

    @field_validator("unit", mode="before")
    @classmethod
    def _in_any_case(cls, unit: Any) -> Any:
        """Texts write NFE."""
        return unit.lower() if isinstance(unit, str) else unit

    @field_validator("seeds", mode="before")
    @classmethod
    def _apart(cls, seeds: Any) -> Any:
        """Several may be one text, as budgets may: "0,1"."""
        if not isinstance(seeds, (list, tuple)):
            return seeds
        return [part for one in seeds for part in (map(str.strip, one.split(",")) if isinstance(one, str) else [one])]

    @field_validator("budgets", mode="before")
    @classmethod
    def _split(cls, budgets: Any) -> Any:
        """A file may write them as the command line does, "6,12,24"."""
        return _split(budgets)

    @field_validator("prompts")
    @classmethod
    def _at_least_one(cls, prompts: int | str) -> int | str:
        if isinstance(prompts, int) and prompts < 1:
            raise ValueError(f"{prompts} is not a number from 1 up, or all")
        return prompts

    @field_validator("searches")
    @classmethod
    def _expanded(cls, searches: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(map(expanded, _each_once(searches))))

    @field_validator("seeds")
    @classmethod
    def _no_seed_twice(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        """The second would be the same run again, where a repetition was meant."""
        for seed in seeds:
            if seeds.count(seed) > 1:
                raise ValueError(f"seed {seed} is given more than once: give a repetition a seed of its own")
        return seeds

    @field_validator("models", "verifiers", "metrics")
    @classmethod
    def _none_twice(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return _each_once(values)

    def identity(self) -> dict[str, Any]:
        """The configuration as plain values."""
        return self.model_dump(mode="json")

    def run_name(self) -> str:
        """A folder name that the same configuration always gets."""
        text = json.dumps(self.identity(), sort_keys=True)
        return f"{self.suite}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


class Settings(RunConfig):
    """A run's configuration with what changes how it is computed, not what comes out."""

    device: str = "auto"
    """auto (an accelerator where there is one), cpu, cuda, cuda:1 …; several, as cuda:0,cuda:1, to divide published models over."""
    max_rows: int = Field(64, ge=1)
    """Most candidates in one batch of the generator: lower it when memory runs out."""
    offload: Literal["none", "text", "model"] = "none"
    """Networks of published models that rest in host memory: none, text encoders once they have encoded, or every network
    that is not running."""
    weights: tuple[str, ...] = ()
    """Local folders of published weights, NAME=PATH or NAME.role=PATH, in place of the hub's cache."""
    reuse: tuple[str, ...] = ()
    """Folders of other runs: units that are finished there and belong to this run as well are taken over."""

    @field_validator("weights", "reuse")
    @classmethod
    def _no_folder_twice(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return _each_once(values)

    def run(self) -> RunConfig:
        """The part that determines the results; what was not given stays marked as a default."""
        given = self.model_fields_set & set(RunConfig.model_fields)
        return RunConfig(**{name: getattr(self, name) for name in given})


def _each_once(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{value} is given more than once: give each once")
    return values


def _split(budgets: Any) -> Any:
    """Texts among budgets as the numbers that they list; what is no list is left as it is."""
    texts = [budgets] if isinstance(budgets, str) else budgets
    if not isinstance(texts, (list, tuple)):
        return budgets
    return [part for one in texts for part in (numbers(one) if isinstance(one, str) else [one])]


def numbers(text: str) -> list[float]:
    """Numbers with commas between, as typed: 6, 1e9, 5G. Raises ValueError for an item that is empty or none."""
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise ValueError("an item is empty: write 6,12,24, for example")
    try:
        return [amounts.as_number(part) for part in parts]
    except ValueError:
        raise ValueError("not a list of numbers: write 6,12,24, for example") from None


def settings_lines() -> Iterator[str]:
    """Every key of a configuration with its default and its meaning."""
    width = max(map(len, Settings.model_fields))
    for key, one in Settings.model_fields.items():
        default = one.get_default()
        values = default if isinstance(default, tuple) else (default,)
        shown = ",".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values if value is not None)
        yield f"{key:<{width}}  {' '.join((one.description or '').split())} [{shown or 'none'}]"
