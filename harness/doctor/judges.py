"""What verifiers and graders take of the memory beside a model."""

from __future__ import annotations

from collections.abc import Sequence

from harness.registry import entry, kind_beside
from harness.weights.repository import Repository
from verifiers.spec import parse_verifier
from verifiers.weight_bytes import weight_bytes


def sorted_out(texts: Sequence[str]) -> tuple[list[str], dict[str, int]]:
    """Models among these names, and the bytes that the weights of each verifier and grader take. Raises UnknownName or WrongInput.

    Of what has no outline (graders, features) that is what it downloads, without what others of these hold in memory already.
    """
    others = {text: kind for text in texts if (kind := kind_beside(text))}
    judges = {text: parse_verifier(text) for text, kind in others.items() if kind == "verifier"}
    sizes = {text: weight_bytes(spec) for text, spec in judges.items()}
    held = {one.repo for spec in judges.values() for name in spec.names for one in _repositories("verifier", name)}
    for text, kind in others.items():
        if kind != "verifier":
            own = {one.repo: one.bytes for one in _repositories(kind, text) if one.repo not in held}
            sizes[text] = sum(own.values())
            held |= own.keys()
    return [text for text in texts if text not in others], sizes


def _repositories(kind: str, name: str) -> Sequence[Repository]:
    row = entry(kind, name).row
    return tuple(row.repositories.values()) if row is not None else ()
