"""Weights that memory cannot hold are refused before they are read; files alone settle it where they are small."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from harness.errors import RunFailed
from harness.model_spec import parse_model
from harness.run import model_loader
from harness.run.model_loader import ModelLoader
from harness.run.timing import Stopwatch
from models.offload import Offload

GIGA = 10**9
TEXT = "sana-1.6b:dtype=float32"


@pytest.fixture
def loader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelLoader:
    """Of sparse files as large as the published ones; what would read them says so."""
    with open(tmp_path / "weights.safetensors", "wb") as file:
        file.truncate(10 * GIGA)
    monkeypatch.setattr(model_loader, "build", lambda *given: pytest.fail("the weights are read"))
    return ModelLoader({TEXT: {"pipeline": tmp_path}}, [torch.device("cpu")], "none", Stopwatch())


@pytest.mark.parametrize(("offload", "free", "refused"), [
    ("none", 17, r"needs 18\.1 GB for its weights, and cpu has 17\.0 GB free: take a smaller size"),
    ("model", 10, r"needs 10\.\d GB for its largest network, and cpu has 10\.0 GB free"),
    ("model", 15, None),
    ("none", 19, None),
])  # fmt: skip
def test_weights_beyond_memory_are_refused_before_they_are_read(
    loader: ModelLoader, offload: Offload, free: int, refused: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_loader, "free_and_total", lambda device: (free * GIGA, 64 * GIGA))
    loading = ModelLoader(loader.folders, loader.devices, offload, loader.watch)
    if refused is None:
        with pytest.raises(pytest.fail.Exception, match="the weights are read"):
            loading(parse_model(TEXT))
    else:
        with pytest.raises(RunFailed, match=refused):
            loading(parse_model(TEXT))


@pytest.mark.parametrize(("offload", "refused"), [("text", False), ("none", True)])
def test_text_encoders_that_rest_are_on_the_device_one_at_a_time(
    loader: ModelLoader, offload: Offload, refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SD 3.5 medium weighs 15.8 GB, 14.2 GB without its two smaller encoders."""
    monkeypatch.setattr(model_loader, "free_and_total", lambda device: (15 * GIGA, 64 * GIGA))
    loading = ModelLoader({"sd3.5-medium": loader.folders[TEXT]}, loader.devices, offload, loader.watch)
    with pytest.raises(RunFailed if refused else pytest.fail.Exception, match=r"15\.8 GB for its weights" if refused else "are read"):
        loading(parse_model("sd3.5-medium"))


def test_a_model_without_a_data_sheet_is_loaded(loader: ModelLoader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another package's entry need not name one, and then nothing says what its weights take."""
    monkeypatch.setattr(model_loader, "free_and_total", lambda device: (17 * GIGA, 64 * GIGA))
    spec = parse_model(TEXT)
    bare = replace(spec, entry=replace(spec.entry, row=replace(spec.published(), sheet="")))
    with pytest.raises(pytest.fail.Exception, match="the weights are read"):
        loader(bare)


def test_several_devices_hold_them_together(loader: ModelLoader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_loader, "free_and_total", lambda device: (10 * GIGA, 64 * GIGA))
    both = ModelLoader(loader.folders, [torch.device("cpu")] * 2, "none", loader.watch)
    with pytest.raises(pytest.fail.Exception, match="the weights are read"):
        both(parse_model(TEXT))
