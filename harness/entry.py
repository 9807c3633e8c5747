"""What is known of a registered thing before anything of it is imported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any


@dataclass(frozen=True, slots=True)
class Entry:
    """One registered thing: where it is built, and what has to be known before anything is imported."""

    target: str
    """ "module:object": a callable that builds it."""
    summary: str
    family: str = ""
    """ar, diffusion, or "" where it does not apply."""
    domain: str = ""
    """photo, shapes, or "" where it does not apply."""
    generator: str = ""
    """Models only: "module:class" of the generator, so that abilities are known before weights are loaded."""
    row: Any = None
    """Published ones only: the row that says where the weights are; `target` is then called with it (models/published.py)."""
    draft: Entry | None = None
    """Pairs only: the model that drafts; everything else is that of the one that refines."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Models without a row: what can be set, with its default; `target` takes these by keyword."""
    ensemble: bool = False
    """Verifiers only: scores compare within one pool, so that it guides but is no metric of an image."""
    needs: str = ""
    """Verifiers only: "module:protocol" that a generator must have; such a one guides and is no metric of an image alone."""
    few_words: bool = False
    """Verifiers only: reads the prompt, and of all words those of the shapes world alone."""
    package: str = ""
    """Name and version of the installed package that brings it, "" for what comes with vistas (harness/plugins.py)."""

    def resolve(self) -> Any:
        """The object behind `target`."""
        return resolve(self.target)

    def beside(self, name: str) -> Any:
        """What the module of `target` calls so, such as `check_folders`; None where it has nothing of that name."""
        return beside(self.target, name)


def resolve(target: str) -> Any:
    """Import "module:object"."""
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


def beside(target: str, name: str) -> Any:
    """What the module of "module:object" calls `name`, None where it has no such thing."""
    return getattr(import_module(target.partition(":")[0]), name, None)
