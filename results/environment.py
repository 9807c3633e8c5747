"""What a run was made with: versions, commit and hardware, for the manifest."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from collections.abc import Collection, Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from harness.compute.amounts import counted
from harness.plugins import plugin_packages, plugin_sources
from models.hashes import joint_sha256

PACKAGES = (
    "vistas", "torch", "torchvision", "diffusers", "transformers", "tokenizers", "open_clip_torch", "safetensors",
    "numpy", "pandas", "pyarrow", "pillow",
)
ROOT = Path(__file__).resolve().parents[1]
OURS = ("harness", "models", "reports", "results", "suites", "verifiers")
"""The packages that vistas is made of."""
NO_SOURCE = {"__pycache__", "runs", "training"}
"""Folders in them that are made by running."""


def environment(device: str) -> dict[str, Any]:
    """Python, packages, commit and hardware of this process, computing on `device`."""
    import torch

    return {
        "python": python_version(),
        "packages": {**{name: installed_version(name) for name in PACKAGES}, **plugin_packages()},
        "commit": commit(ROOT),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": device,
        "accelerator": torch.cuda.get_device_name(device) if device.startswith("cuda") else "",
    }


def computes_on(device: str) -> str:
    """The name of what `device` is: an accelerator's, or the processor's with the threads that this process computes with."""
    import torch

    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return f"{_processor() or device} with {counted(torch.get_num_threads(), 'thread')}" if device == "cpu" else device


def source_sha256() -> str:
    """The hash of every file that vistas comes with, weights and data too, by name and content: what a version number and a
    commit do not tell of a source that is being worked on."""
    return joint_sha256(_tree_sha256(ROOT / package) for package in OURS)


def unit_source(packages: Collection[str] | None = None) -> str:
    """The hash of all source that units are made by: vistas without its reports, and what these packages, or all others, bring."""
    ours = [_tree_sha256(ROOT / package) for package in OURS if package != "reports"]
    return joint_sha256([*ours, *map(_tree_sha256, plugin_sources(packages))])[:32]


@cache
def _tree_sha256(root: Path) -> str:
    """The hash of a file, or of all files of a folder by name and content; read once, as it is imported once."""
    digest = hashlib.sha256()
    for path in [root] if root.is_file() else _files(root):
        with path.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        digest.update(f"{path.relative_to(root.parent).as_posix()} {content}\n".encode())
    return digest.hexdigest()


def _files(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(set(folders) - NO_SOURCE)
        yield from (path for path in (Path(folder, name) for name in sorted(names)) if path.is_file())


def written_here(target: str) -> bool:
    """Whether the module of a "module:object" is one of `source_sha256`."""
    return target.partition(":")[0].partition(".")[0] in OURS


def python_version() -> str:
    """Python's own version."""
    return platform.python_version()


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
