"""Where a run goes that is given no folder."""

from __future__ import annotations

from pathlib import Path

from harness.config import Settings


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
