"""Errors as somebody in Python can act on them: what they say of options of the command is said of arguments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from harness.errors import RunFailed, WrongInput

_TERMS = (
    (r"repeat --\w+ for each: .*", "give one at a time"),
    (r"let text encoders leave with --set offload=text .*", "give fewer prompts at once"),
    (r", --set offload=model or --set device=A,B", ""),
    (r"(?<![\w./-])--weights '?([\w.+-]+)=([^\s',;]+)'?", r'weights={"\1": "\2"}'),
    (r"--budget (\S+)", r"budget=\1"),
    (r"(?<![\w./-])--(?=[a-z])", ""),  # not within a name or a path
)
"""What a message for the command line says, and what it is in Python, replaced one after another."""


@contextmanager
def in_python_terms() -> Iterator[None]:
    """Let errors of what is within name arguments where they name options."""
    try:
        yield
    except (WrongInput, RunFailed) as error:
        text = str(error)
        for option, argument in _TERMS:
            text = re.sub(option, argument, text)
        error.args = (text,)
        raise
