"""Where the configuration of a run comes from: defaults, then a file, then --set, then flags; an unknown key is an error."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from harness.config import Settings
from harness.errors import WrongInput, near, unknown


def load_settings(file: Path | None, assignments: Sequence[str], flags: Mapping[str, Any]) -> Settings:
    """Merge defaults, a YAML, TOML or JSON file, `key=value` assignments and flags (None: not given), the last winning.

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
        return Settings(**values)
    except ValidationError as error:
        raise WrongInput(_sentence(error)) from error


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
        names = _plain(limits["expected"])
        hint = near(str(problem["input"]), names.split(", "))
        said += f" is not one of {names}{hint and f' ({hint})'}"
    elif problem["type"] == "greater_than_equal":
        said += f" is below {limits['ge']}"
    else:
        said += f" {next((rule for kind, rule in _RULES.items() if problem['type'].startswith(kind)), 'cannot be taken')}"
    return f"{said}; correct {key} in the flags, --set or the configuration file"


def _plain(expected: str) -> str:
    """What pydantic lists, as typed."""
    return expected.replace("'", "").replace(" or ", ", ")
