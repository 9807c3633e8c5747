"""Errors a user can act on: the value, the rule and the next action in one line, and an exit code each."""

from __future__ import annotations


class WrongInput(ValueError):
    """Raised for input that cannot be run as asked (exit code 2)."""


class RunFailed(RuntimeError):
    """Raised when a run had to stop for an outside reason (exit code 1); finished units stay on disk."""
