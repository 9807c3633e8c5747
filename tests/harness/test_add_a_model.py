"""Adding a model takes one file and one registry entry: here both are written, and the model is run by the command."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import pandas as pd
import pytest
import torch
import toy_world
from command_line import call
from safetensors.torch import save_file

from harness import registry
from harness.errors import WrongInput
from harness.model_spec import parse_model
from harness.weights.absent import MissingWeights
from harness.weights.local import LocalWeights, find
from harness.weights.repository import Repository
from models import base
from models.published import PublishedModel, read_models

pytestmark = pytest.mark.usefixtures("toys", "unreported")

PAGE = (Path(__file__).parents[2] / "docs" / "add-a-model.md").read_text(encoding="utf-8")
FILE = next(block for block in re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL) if "class Mine" in block)
ENTRY = """
[mine]
summary = "one file and one entry"
family = "ar"
domain = "shapes"
generator = "mine:Mine"
loader = "mine:load"
licence = "MIT"
paper = ""
settings = { contrast = 1.0, rounds = 3, sharp = false, note = "" }
presets = { vivid = { contrast = 3.0 } }
weights = { repo = "someone/mine", files = ["bias.safetensors"], bytes = 2_000_000_000 }
"""
RUN = ["run", "geneval", "--search", "random", "--verifier", "toy-judge", "--prompts", "2", "--set", "metrics=[]"]


@pytest.fixture(autouse=True)
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PublishedModel:
    """The model, registered for a test."""
    (tmp_path / "mine.py").write_text(FILE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    row = read_models(tomllib.loads(ENTRY))["mine"]
    monkeypatch.setitem(registry.MODELS, "mine", registry.published(row))  # type: ignore[arg-type]
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    return row


def weights(folder: Path, bias: float = 0.5) -> Path:
    folder.mkdir()
    save_file({"bias": torch.full((1,), bias)}, folder / "bias.safetensors")
    return folder


def test_it_runs_from_a_local_folder_and_settings_never_mix(tmp_path: Path) -> None:
    folder = weights(tmp_path / "weights")
    out = tmp_path / "run"
    result = call(*RUN, "--model", "mine", "--model", "mine:contrast=2,sharp=true", "--model", "mine:preset=vivid",
                  "--model", "mine:contrast=1.0", "--weights", f"mine={folder}", "--budget", "6", "--out", str(out))  # fmt: skip
    assert result.exit_code == 0, result.output
    table = pd.read_parquet(out / "selections.parquet")
    assert set(table["model"]) == {"mine", "mine:contrast=2.0,sharp=True", "mine:preset=vivid"}
    assert table.groupby("model")["unit"].nunique().eq(1).all()
    assert table["unit"].nunique() == 3
    assert table.groupby("prompt_id")["image"].nunique().eq(3).all()
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["models"]["mine:preset=vivid"]["settings"]["contrast"] == 3.0


def test_every_search_of_its_family_takes_it(tmp_path: Path) -> None:
    folder, out = weights(tmp_path / "weights"), tmp_path / "run"
    searches = [part for name in ("greedy", "beam:width=2", "smc", "halving") for part in ("--search", name)]
    asked = [*RUN[:2], *searches, *RUN[4:], "--model", "mine", "--weights", f"mine={folder}", "--budget", "60"]
    result = call(*asked, "--out", str(out))
    assert result.exit_code == 0, result.output
    table = pd.read_parquet(out / "selections.parquet")
    assert len(table["search"].unique()) == 4
    assert (table["nfe"] <= 60).all()
    assert table["score"].notna().all()


def test_other_weights_are_other_units(tmp_path: Path) -> None:
    units = set()
    for bias in (0.5, 0.7):
        folder, out = weights(tmp_path / f"weights-{bias}", bias), tmp_path / f"run-{bias}"
        result = call(*RUN, "--model", "mine", "--weights", f"mine={folder}", "--budget", "6", "--out", str(out))
        assert result.exit_code == 0, result.output
        units |= set(pd.read_parquet(out / "selections.parquet")["unit"])
    assert len(units) == 2


def test_the_page_names_every_key_of_a_repository() -> None:
    required = {"repo", "files", "bytes"}
    assert [one.name for one in fields(Repository) if f"`{one.name}`" not in PAGE and one.name not in required] == []
    assert all(f"{name} = " in PAGE for name in required)


def test_missing_weights_stop_a_run_before_anything_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    def loaded(device: object) -> None:
        raise AssertionError("loaded")

    monkeypatch.setattr(toy_world, "toy_judge", loaded)
    result = call(*RUN, "--model", "mine")
    assert result.exit_code == 2
    _, first, said = result.stderr.splitlines()
    assert first.startswith("loading mine and toy-judge")
    assert said == (
        "vistas: someone/mine is not on this machine (2.0 GB, licence MIT): get it with `vistas fetch mine`, or give a "
        "local folder with --weights mine=PATH"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mine:contrst=2", "model 'mine:contrst=2': unknown parameter 'contrst', did you mean contrast?; settings of mine: "),
        ("mine:contrast=big", "contrast=big is not a number; a/b/… one per step"),
        ("mine:rounds=2.5", "rounds=2.5 is not a whole number"),
        ("mine:sharp=1", "sharp=1 is not true or false"),
        ("mine:sharp", "sharp has no value: write sharp=…"),
        ("mine:preset=dull", "model mine has no preset 'dull': presets of mine are vivid"),
        ("shapes-flux:steps=3", "model 'shapes-flux:steps=3': unknown parameter 'steps'; settings of shapes-flux: "),
    ],
)
def test_wrong_settings_are_refused(text: str, message: str) -> None:
    with pytest.raises(WrongInput) as error:
        parse_model(text)
    assert message in str(error.value)


def test_the_shortest_text_says_what_differs() -> None:
    said = {
        "mine:contrast=1": "mine", "mine:note=x,contrast=2": "mine:contrast=2.0,note=x",
        "mine:contrast=3,preset=vivid": "mine:preset=vivid", "mine:contrast=1/2/3": "mine:contrast=1.0/2.0/3.0",
    }  # fmt: skip
    assert {text: parse_model(text).text for text in said} == said
    assert all(parse_model(short).text == short for short in said.values())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mine", "--weights 'mine' is not NAME=PATH or NAME.role=PATH"),
        ("shapes-flux=/x", "'shapes-flux' has no published weights; known: "),
        ("mine.vae=/x", "mine has no role 'vae'; its roles: weights"),
    ],
)
def test_wrong_weights_are_refused(text: str, message: str) -> None:
    with pytest.raises(WrongInput) as error:
        LocalWeights.parse([text])
    assert message in str(error.value)


def test_a_role_can_have_a_folder_of_its_own(tmp_path: Path) -> None:
    folder = weights(tmp_path / "a")
    sd = "sd3.5-medium"
    known = registry.entry("model", "mine")
    assert find("mine", known, LocalWeights.parse(["mine=/nowhere", f"mine.weights={folder}"])) == {"weights": folder}
    assert LocalWeights.parse([f"{sd}=/x"]).folder(sd, "weights") == Path("/x")
    assert LocalWeights.parse([f"{sd}.weights=/y"]).folder(sd, "weights") == Path("/y")
    with pytest.raises(MissingWeights, match="`vistas fetch mine`"):
        find("mine", known, LocalWeights())


def test_list_says_terms_size_and_whether_it_is_here(tmp_path: Path) -> None:
    line = next(line for line in call("list", "models").stdout.splitlines() if " mine " in line)
    assert line.endswith("one file and one entry (ar, shapes; MIT; download 2.0 GB, weights not here)")
    repository = tmp_path / "cache" / "models--someone--mine"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("1" * 40)
    (repository / "snapshots").mkdir()
    weights(repository / "snapshots" / ("1" * 40))
    assert "2.0 GB, weights here" in call("list", "models").stdout


def test_fetch_names_what_it_gets_and_refuses_what_it_cannot() -> None:
    result = call("fetch", "mine")
    assert result.stdout == "mine weights: someone/mine, 2.0 GB, licence MIT\n"
    assert result.stderr == "vistas: someone/mine cannot be fetched while HF_HUB_OFFLINE is set: unset it\n"
    assert call("fetch", "shapes-flux").stderr == "vistas: shapes-flux comes with the package: there is nothing to fetch\n"
    assert "did you mean flux-dev" in call("fetch", "flux-dv").stderr


def test_what_no_search_needs_is_in_the_document_as_optional() -> None:
    checked = {name for name, one in vars(base).items() if getattr(one, "_is_runtime_protocol", False) and one.__module__ == base.__name__}
    needed = {one.__name__ for family in base.ABILITIES.values() for one in family}
    optional = checked - needed - {"Generator"}
    assert optional >= {"Mixed", "SmallPreviews"}
    assert {name for name in optional if f"(protocol `{name}`)" not in PAGE} == set()
