"""The configuration of a run: defaults, then a file, then --set, then flags; an unknown key is an error."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from harness.assignments import members_of, name_of
from harness.errors import WrongInput, unknown
from harness.ledger import Unit
from harness.named_searches import expanded
from harness.registry import entries
from harness.values import ALL

FILE = "file"
"""The suite whose prompts are any file's."""
EMBEDDED = ("shapes-infinity", "shapes-flux")
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
    """Per prompt, in `unit`."""
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
        return tuple(map(expanded, searches))

    @field_validator("seeds")
    @classmethod
    def _no_seed_twice(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        """The second would be the same run again, where a repetition was meant."""
        for seed in seeds:
            if seeds.count(seed) > 1:
                raise ValueError(f"seed {seed} is given more than once: give a repetition a seed of its own")
        return seeds

    @field_validator("models", "searches", "verifiers", "metrics")
    @classmethod
    def _once(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(dict.fromkeys(values))

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

    def run(self) -> RunConfig:
        """The part that determines the results; what was not given stays marked as a default."""
        given = self.model_fields_set & set(RunConfig.model_fields)
        return RunConfig(**{name: getattr(self, name) for name in given})


def _split(budgets: Any) -> Any:
    """Texts among budgets as the numbers that they list; what is no list is left as it is."""
    texts = [budgets] if isinstance(budgets, str) else budgets
    if not isinstance(texts, (list, tuple)):
        return budgets
    return [part for one in texts for part in (numbers(one) if isinstance(one, str) else [one])]


def numbers(text: str) -> list[float]:
    """Numbers with commas between, as typed. Raises ValueError for an item that is empty or none."""
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise ValueError("an item is empty: write 6,12,24, for example")
    try:
        return [float(part) for part in parts]
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


def load_settings(
    file: Path | None, assignments: Sequence[str], flags: Mapping[str, Any], say: Callable[[str], None] = lambda line: None
) -> Settings:
    """Merge defaults, a YAML, TOML or JSON file, `key=value` assignments and flags (None: not given), the last winning.

    `say` hears what is given twice and taken once.

    Raises:
        WrongInput: an unreadable file, an unknown key (near ones named), or a value that breaks a rule.
    """
    values: dict[str, Any] = {}
    if file is not None:
        values |= _read(file)
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise WrongInput(f"--set {assignment!r} is not key=value: write --set prompts=12, for example")
        values[key.strip()] = _parse(text, assignment)
    _check_keys(values)
    values = {key: _listed(key, value) for key, value in values.items()}
    values |= {key: value for key, value in flags.items() if value is not None}
    try:
        settings = Settings(**values)
    except ValidationError as error:
        raise WrongInput(_sentence(error)) from error
    for line in _doubles(values):
        say(line)
    return settings


def _doubles(values: Mapping[str, Any]) -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, (list, tuple)):
            twice = [item for place, item in enumerate(value) if item in value[:place]]
            yield from (f"{key}: {item} is given more than once and taken once" for item in dict.fromkeys(twice))


def _read(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
        values = tomllib.loads(text) if file.suffix == ".toml" else yaml.safe_load(text)
    except OSError as error:
        reason = error.strerror
        raise WrongInput(f"configuration {file} cannot be read: {reason}; give a YAML, TOML or JSON file") from error
    except (tomllib.TOMLDecodeError, yaml.YAMLError, UnicodeDecodeError) as error:
        reason = _place(error)
        raise WrongInput(f"configuration {file} is broken: {reason}; correct it there") from error
    if not isinstance(values, dict):
        raise WrongInput(f"configuration {file} is no list of keys and values: write lines such as 'prompts: 12'")
    return {str(key): value for key, value in values.items()}


def _place(error: Exception) -> str:
    """What a parser says, with the line."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}: {error.problem}"
    return " ".join(str(error).split())


def _parse(text: str, assignment: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise WrongInput(f"--set {assignment!r} has no readable value: quote it, or write a list as [a, b]") from error


def _check_keys(values: Mapping[str, Any]) -> None:
    known = list(Settings.model_fields)
    for key in values:
        if key not in known:
            raise WrongInput(unknown("configuration key", key, known))


def _listed(key: str, value: Any) -> Any:
    """One value where a list is expected is a list of one."""
    expects_list = isinstance(Settings.model_fields[key].get_default(), tuple)
    return (value,) if expects_list and not isinstance(value, (list, tuple)) else value


_RULES = {
    "int": "is not a whole number", "float": "is not a number", "string": "is not text", "tuple": "is not a list",
    "too_short": "is empty: give one",
}  # fmt: skip
"""What is wrong, by the beginning of pydantic's name for it."""


def _sentence(error: ValidationError) -> str:
    problem = error.errors()[0]
    key, limits = str(problem["loc"][0]), problem.get("ctx", {})
    said = f"{key}={problem['input']!r}"
    if problem["type"] == "value_error":
        said += f": {problem['msg'].removeprefix('Value error, ')}"
    elif key == "prompts":
        said += " is not a whole number from 1, or all"
    elif problem["type"] in ("enum", "literal_error"):
        said += f" is none of {_plain(limits['expected'])}"
    elif problem["type"] == "greater_than_equal":
        said += f" is below {limits['ge']}"
    else:
        said += f" {next((rule for kind, rule in _RULES.items() if problem['type'].startswith(kind)), 'cannot be taken')}"
    return f"{said}; correct {key} in the flags, --set or the configuration file"


def _plain(expected: str) -> str:
    """What pydantic lists, as typed."""
    return expected.replace("'", "").replace(" or ", ", ")


def default_folder(name: str) -> Path:
    """Where a run goes without --out: results/runs/ of the checkout worked in, vistas-runs/ in any other folder."""
    root = Path(__file__).resolve().parents[1]
    here = Path.cwd().resolve()
    if (root / ".git").exists() and (root / "pyproject.toml").exists() and here.is_relative_to(root):
        return root / "results" / "runs" / name
    return here / "vistas-runs" / name


def run_folder(settings: Settings, out: Path | None) -> Path:
    """Where a run with these settings goes: `out`, or a folder of its own."""
    return out if out is not None else default_folder(settings.run().run_name())
