"""What a run was made with: versions, commit and hardware, for the manifest."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "vistas", "torch", "torchvision", "diffusers", "transformers", "tokenizers", "open_clip_torch", "safetensors",
    "numpy", "pandas", "pyarrow", "pillow",
)
ROOT = Path(__file__).resolve().parents[1]


def environment(device: str) -> dict[str, Any]:
    """Python, packages, commit and hardware of this process, computing on `device`."""
    import torch

    return {
        "python": platform.python_version(),
        "packages": {name: installed_version(name) for name in PACKAGES},
        "commit": commit(ROOT),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": device,
        "accelerator": torch.cuda.get_device_name(device) if device.startswith("cuda") else "",
    }


@cache
def commit(root: Path) -> str:
    """The checked-out commit of the source, "-dirty" appended when tracked files differ; "" outside a checkout.

    Asked once, as the source is imported once.
    """
    if not (root / ".git").exists():
        return ""
    head = _git(root, "rev-parse", "HEAD")
    return head and head + ("-dirty" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")


def _git(root: Path, *arguments: str) -> str:
    try:
        answer = subprocess.run(["git", *arguments], cwd=root, capture_output=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.decode("utf-8", "replace").strip()


@cache
def installed_version(package: str) -> str:
    """The version of an installed package, "" where it is not installed; read once, as it is imported once."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())
