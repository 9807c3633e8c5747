"""Whether a report is up to date: drawn of these very tables, by this very source and these libraries."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from models.hashes import joint_sha256, sha256_of
from results.environment import PACKAGES, installed_version, python_version, source_sha256
from results.files import MANIFEST, write_atomic
from results.schema import TABLES

FILE = "drawn.json"
PAGE = "index.html"
DRAWS = (*PACKAGES, "matplotlib", "scipy", "jinja2")


def mark_up_to_date(runs: Sequence[Path], out: Path) -> None:
    """Remember beside a report what it was drawn of, and its files; nothing where a run is not finished."""
    (out / FILE).unlink(missing_ok=True)
    if all(path.is_file() for path in _tables(runs)):
        content = {"of": _of(runs), "files": {path.relative_to(out).as_posix(): sha256_of(path) for path in sorted(_files(out))}}
        write_atomic(out / FILE, (json.dumps(content, indent=1) + "\n").encode())


def up_to_date(runs: Sequence[Path], out: Path) -> Path | None:
    """The page in `out` where all of the report is there as drawing it again would make it, else None."""
    try:
        kept = json.loads((out / FILE).read_text())
        same = kept["of"] == _of(runs) and all(sha256_of(out / name) == digest for name, digest in kept["files"].items())
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return out / PAGE if same and PAGE in kept["files"] else None


def _of(runs: Sequence[Path]) -> str:
    """Hash of what a report is made of: names of runs, which it shows, manifests, tables, source and libraries; pictures are named
    in the tables by their content."""
    parts = [source_sha256(), python_version(), *map(installed_version, DRAWS), *(run.name for run in runs)]
    parts += [sha256_of(path) for path in _tables(runs)]
    return joint_sha256(parts)


def _tables(runs: Sequence[Path]) -> list[Path]:
    return [run / name for run in runs for name in (MANIFEST, *(f"{table}.parquet" for table in TABLES))]


def _files(out: Path) -> Iterator[Path]:
    yield from (out / name for name in (PAGE, "report.md"))
    for folder in ("figures", "tables"):
        yield from (path for path in (out / folder).rglob("*") if path.is_file())
