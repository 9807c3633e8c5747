"""What `run` and `plan` are both asked for: options declared once, and the settings that they make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from inspect import Signature, signature
from typing import Any

from harness.commands import options
from harness.config import Settings
from harness.config_sources import load_settings
from harness.run.suites import suite_flags


@dataclass(frozen=True)
class Asked:
    """The options, in the order of `--help`."""

    suite: options.Suite = None
    model: options.Models = None
    search: options.Searches = None
    verifier: options.Verifiers = None
    budget: options.Budgets = None
    unit: options.UnitName = None
    prompts: options.Prompts = None
    seed: options.SeedList = None
    out: options.Out = None
    config: options.Config = None
    set_: options.Assignments = None
    weights: options.Weights = None
    suite_file: options.SuiteFile = None
    prompts_from: options.PromptsFrom = None
    reuse: options.Reuse = None

    def settings(self) -> Settings:
        """What they make with the configuration file and the defaults. Raises WrongInput."""
        flags = {
            **suite_flags(self.suite, self.suite_file, self.prompts_from), "models": self.model, "searches": self.search,
            "verifiers": self.verifier, "budgets": ",".join(self.budget) if self.budget else None, "unit": self.unit,
            "prompts": self.prompts, "seeds": self.seed, "weights": self.weights, "reuse": self.reuse,
        }  # fmt: skip
        return load_settings(self.config, self.set_ or (), flags)


def asking(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose first parameter is `Asked`, as one that has every option of it, before its own."""
    shared = signature(Asked, eval_str=True).parameters
    _, *own = signature(command, eval_str=True).parameters.values()

    @wraps(command)
    def with_options(**given: Any) -> None:
        command(Asked(**{name: given.pop(name) for name in shared}), **given)

    with_options.__signature__ = Signature([*shared.values(), *own])  # type: ignore[attr-defined]
    return with_options
