"""Adding a verifier takes one file and one row: here both are those of docs/add-a-verifier.md, and the command is run with them."""

import json
import re
import sys
import tomllib
from pathlib import Path

import pandas as pd
import pytest
import torch
from command_line import call
from safetensors.torch import save_file

from harness import plugins, registry
from verifiers.published import read_verifiers

pytestmark = pytest.mark.usefixtures("unreported")

PAGE = (Path(__file__).parents[2] / "docs" / "add-a-verifier.md").read_text(encoding="utf-8")
RUN = ["run", "geneval", "--model", "shapes-infinity", "--search", "random", "--prompts", "1", "--budget", "15"]


def block(language: str, number: int = 0) -> str:
    """Of the verifier with weights (0) or of the one without (1)."""
    found = re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(found) == 2
    return str(found[number])


@pytest.fixture(autouse=True)
def _mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "brightness.py").write_text(block("python"))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "brightness", raising=False)
    row = read_verifiers(tomllib.loads(block("toml").replace("verifiers.brightness", "brightness")))["brightness"]
    monkeypatch.setitem(registry.VERIFIERS, "brightness", registry.published_verifier(row))  # type: ignore[arg-type]
    (tmp_path / "weights").mkdir()
    save_file({"weight": torch.tensor([0.2, 0.7, 0.1])}, tmp_path / "weights" / "channels.safetensors")


def test_it_guides_alone_and_in_an_ensemble_and_measures(tmp_path: Path) -> None:
    guides = ["brightness", "brightness:wish=dark", "ensemble:brightness=1,shapes-clip=2"]
    arguments = [*RUN, "--weights", f"brightness={tmp_path / 'weights'}", "--out", str(tmp_path / "run")]
    arguments += [text for guide in guides for text in ("--verifier", guide)] + ["--set", "metrics=[shapes-clip]"]
    result = call(*arguments)
    assert result.exit_code == 0, result.output
    selections = pd.read_parquet(tmp_path / "run" / "selections.parquet").set_index("verifier")
    candidates = pd.read_parquet(tmp_path / "run" / "candidates.parquet")
    assert set(selections.index) == set(guides)
    light, dark = (candidates[candidates["verifier"] == name]["score"] for name in guides[:2])
    assert light.to_numpy() == pytest.approx(1 - dark.to_numpy())
    assert selections.loc["brightness", "candidate"] != selections.loc["brightness:wish=dark", "candidate"]
    scores = pd.read_parquet(tmp_path / "run" / "scores.parquet")
    assert {"brightness", "shapes-clip"} <= set(scores["metric"])
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert len(manifest["verifiers"]["brightness"]["weights_sha256"]) == 64


def test_one_without_weights_comes_with_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tomllib.loads(block("toml", 1))["project"]
    (tmp_path / "saturation.py").write_text(block("python", 1))
    (folder := tmp_path / "my_verifiers.dist-info").mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    ((group, named),) = project["entry-points"].items()
    (folder / "entry_points.txt").write_text("\n".join([f"[{group}]", *(f"{name} = {value}" for name, value in named.items())]))
    for forget in (plugins._points.cache_clear, registry._brought.cache_clear):
        forget()
    try:
        arguments = [*RUN, "--out", str(tmp_path / "run"), "--verifier", "saturation", "--set", "metrics=[saturation]"]
        result = call(*arguments)
        assert result.exit_code == 0, result.output
    finally:
        monkeypatch.undo()
        for forget in (plugins._points.cache_clear, registry._brought.cache_clear):
            forget()
    candidates = pd.read_parquet(tmp_path / "run" / "candidates.parquet")
    assert candidates["score"].between(0, 1).all()
    assert candidates["score"].nunique() == 3
    assert candidates["verifier_flops"].eq(0).all()
    assert candidates["verifier_calls"].tolist() == [1, 2, 3]
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["verifiers"]["saturation"]["weights_sha256"] == ""
    assert manifest["environments"][0]["packages"]["my-verifiers"] == "0.1"


def test_its_weights_are_looked_for_before_anything_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    result = call(*RUN, "--verifier", "brightness")
    assert result.exit_code == 2
    assert "vistas fetch brightness" in result.output
    result = call(*RUN, "--verifier", "brightness:wish=red")
    assert result.exit_code == 2
    assert "wish=red is none of light, dark" in result.output
