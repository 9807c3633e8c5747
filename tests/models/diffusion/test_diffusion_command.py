"""Tiny published pipelines by the command, from a local folder: what is said of text that is lost, and of folders that are wrong."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import command_line
import pandas as pd
import pytest
import torch
from tiny_families import FAMILIES, published
from typer.testing import Result

from harness import registry
from harness.weights.repository import Repository
from models.diffusion import published as loaders

pytestmark = pytest.mark.usefixtures("unreported")

FAMILY = "pixart"
LONG = "two blue star above two green square and red star and blue circle"


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    for family, tiny in FAMILIES.items():
        row = published(
            f"tiny-{family}", settings={**tiny.settings, "dtype": "float32"}, domain="shapes", loader="models.diffusion.published:load",
            generator="models.diffusion.generator:DiffusionGenerator",
            repositories={"weights": Repository("none/tiny", "main", ("model_index.json", "vae/*"), 1, "none")},
        )  # fmt: skip
        monkeypatch.setitem(registry.MODELS, row.name, registry.published(row))  # type: ignore[arg-type]


@pytest.fixture
def call(tmp_path: Path, family_folder: Callable[[str], Path]) -> Callable[..., Result]:
    """`vistas run` of a family on two prompts, one of them too long."""
    (tmp_path / "prompts.txt").write_text(f"red circle\n{LONG}\n")

    def called(family: str = FAMILY, *more: str, folder: Path | None = None, images: int = 1) -> Result:
        return command_line.call(
            "run", "--suite-file", str(tmp_path / "prompts.txt"), "--model", f"tiny-{family}", "--search", "random", "--verifier",
            "shapes-clip", "--budget", str(images), "--unit", "images", "--prompts", "all", "--out", str(tmp_path / "run"),
            "--set", "metrics=[]", "--weights", f"tiny-{family}={folder or family_folder(family)}", *more,
        )  # fmt: skip

    return called


def said(result: Result) -> list[str]:
    return [line for line in result.stderr.splitlines() if not line.startswith("loading ")]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_table_says_of_which_prompt_the_end_was_not_read(family: str, call: Callable[..., Result], tmp_path: Path) -> None:
    result = call(family)
    assert result.exit_code == 0, result.output
    table = pd.read_parquet(tmp_path / "run" / "selections.parquet").set_index("prompt")
    assert table["text_truncated"].to_dict() == {"red circle": False, LONG: True}


@pytest.mark.parametrize("command", ["run", "plan"])
@pytest.mark.parametrize("damaged", [False, True])
def test_a_wrong_folder_is_named_before_what_is_absent(
    command: str, damaged: bool, family_folder: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    folder = Path(shutil.copytree(family_folder("flux"), tmp_path / "copy"))
    if damaged:
        (folder / "transformer" / "config.json").write_text("no JSON")
    result = command_line.call(
        command, "geneval", "--model", "flux-dev", "--search", "random", "--verifier", "image-reward", "--budget", "60",
        "--out", str(tmp_path / "run"), "--weights", f"flux-dev={folder}",
    )  # fmt: skip
    assert result.exit_code == 2
    (line,) = said(result)
    wrong = f"{folder / 'transformer' / 'config.json'} is no JSON file" if damaged else f"{folder} is another model's than flux-dev: in "
    assert line.startswith(f"vistas: {wrong}")


def test_a_folder_that_is_damaged_later_costs_no_finished_unit(
    call: Callable[..., Result], tmp_path: Path, family_folder: Callable[[str], Path]
) -> None:
    folder = Path(shutil.copytree(family_folder(FAMILY), tmp_path / "copy"))
    assert call(folder=folder).exit_code == 0
    kept = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*.parquet")}
    assert kept
    path = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    result = call(folder=folder)
    assert result.exit_code == 2
    (line,) = said(result)
    assert line.startswith(f"vistas: {path} has ")
    assert line.endswith("fetch or copy it again")
    assert {path: path.read_bytes() for path in kept} == kept


def test_weights_of_what_is_not_in_the_run_are_named(call: Callable[..., Result]) -> None:
    result = call(FAMILY, "--weights", "flux-dev=/nowhere", "--weights", "image-reward.tokenizer=/nowhere")
    assert result.exit_code == 0, result.output
    assert said(result)[:2] == [f"--weights {name} is not used: {name} is not in this run" for name in ("flux-dev", "image-reward")]
    result = call(FAMILY, "--weights", "tiny-pixrt=/nowhere")
    assert result.exit_code == 2
    assert "'tiny-pixrt' has no published weights; did you mean tiny-pixart" in said(result)[0]


def test_memory_that_a_model_does_not_fit_is_a_line_with_what_to_do(call: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(loaders, "load_pipeline", full)
    result = call()
    assert result.exit_code == 1
    assert said(result) == ["vistas: failed: tiny-pixart runs out of memory while it is loaded: take a smaller size or dtype, --set "
                            "offload=model or --set device=A,B (`vistas doctor` says what fits) (--debug shows where)"]  # fmt: skip
