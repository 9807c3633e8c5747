"""The command that makes a run again, from its configuration."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from harness.config import FILE, RunConfig

_EACH = {"models": "--model", "searches": "--search", "verifiers": "--verifier"}


def command(configuration: Mapping[str, Any]) -> str:
    """ "vistas run geneval --model … --seed 0,1": with what the configuration says, but for defaults that no table names.

    Where weights lie and what was reused is of one machine and changes no result, so it is in no configuration.
    """
    wanted, prompts = {"prompts_from": None, **configuration}, []
    if wanted["prompts_from"] is not None:
        prompts = ["--suite-file" if wanted["suite"] == FILE else "--prompts-from", wanted["prompts_from"]]
    words = ["vistas", "run", *([] if wanted["suite"] == FILE else [wanted["suite"]]), *prompts]
    words += [word for key, option in _EACH.items() for value in wanted[key] for word in (option, value)]
    words += ["--budget", _listed(wanted["budgets"]), "--unit", wanted["unit"], "--prompts", str(wanted["prompts"])]
    words += ["--seed", _listed(wanted["seeds"])]
    for key in ("metrics", "sample_seed", "chunk", "keep"):
        default = json.dumps(RunConfig.model_fields[key].default)
        if (value := json.dumps(wanted[key]) if key in wanted else default) != default:
            words += ["--set", f"{key}={value}"]
    return shlex.join(words)


def _listed(values: Sequence[Any]) -> str:
    return ",".join(str(value).removesuffix(".0") for value in values)
