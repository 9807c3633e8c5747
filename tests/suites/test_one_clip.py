"""A run that guides with CLIP and grades with it holds one CLIP."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from suites.geneval import load as geneval
from suites.t2i_compbench import load as t2i_compbench
from verifiers.clip_backbone import ClipBackbone
from verifiers.load_published import clip_score
from verifiers.published import published_verifiers

CPU = torch.device("cpu")


def test_verifiers_and_graders_share_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[tuple[Path, str]] = []

    def from_folder(folder: Path, device: str, quick_gelu: bool) -> Any:
        assert quick_gelu  # as OpenAI's weights were trained
        loaded.append((folder, device))
        return SimpleNamespace(device=device)

    monkeypatch.setattr(ClipBackbone, "from_folder", from_folder)
    monkeypatch.setattr(geneval, "load", lambda path, device: (None, "detector"))
    monkeypatch.setattr(geneval, "check", lambda detector: None)
    backbones: list[Any] = []
    monkeypatch.setattr("verifiers.load_published.ClipScore", lambda backbone, *_, **__: backbones.append(backbone))
    monkeypatch.setattr(geneval, "ColorClassifier", backbones.append)
    monkeypatch.setattr(t2i_compbench, "Likeness", backbones.append)

    def graders(folder: Path) -> None:
        geneval.photo_detector(cast(Any, None), {"detector": tmp_path, "clip": folder}, CPU, {})
        t2i_compbench.load(cast(Any, SimpleNamespace(name="t2i-clip-score")), {"clip": folder}, CPU, {})

    clip_score(published_verifiers()["clip-score"], {"weights": tmp_path / "one"}, "cpu", {"caption": "plain"})
    graders(tmp_path / "one")
    assert loaded == [(tmp_path / "one", "cpu")]
    graders(tmp_path / "two")
    assert loaded == [(tmp_path / "one", "cpu"), (tmp_path / "two", "cpu")]
    assert [one is backbones[0] for one in backbones] == [True, True, True, False, False]
