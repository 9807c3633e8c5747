"""The command that a report prints makes its run's configuration again."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from harness.cli import app
from harness.config import RunConfig, Settings
from reports.command import command

PLAIN = {"models": ["shapes-infinity"], "searches": ["random", "beam:width=2,reuse=True"], "verifiers": ["shapes-reward", "shapes-clip"]}


@pytest.mark.parametrize("changed", [
    {}, {"unit": "flops", "budgets": [5e9, 1.25e10 + 1, 1e11 / 3, 2e17], "prompts": "all", "seeds": [0, 3]}, {"suite": "drawbench"},
    {"metrics": ["shapes-clip"], "sample_seed": 7, "chunk": 3, "keep": 0}, {"metrics": ["shapes-clip", "shapes-reward"]},
    {"suite": "file", "prompts_from": "my prompts.txt"},
])  # fmt: skip
def test_it_is_read_as_the_same_configuration(changed: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my prompts.txt").write_text("a red circle\n")
    wanted = RunConfig(**(PLAIN | changed))
    asked: list[Settings] = []

    def seen(settings: Settings, _: Path | None) -> Path:
        asked.append(settings)
        raise typer.Exit

    monkeypatch.setattr("harness.commands.run.run_folder", seen)
    name, *words = shlex.split(command(wanted.model_dump(mode="json")))
    found = CliRunner().invoke(app, words, prog_name=name)
    assert found.exit_code == 0, found.output
    assert RunConfig(**{key: getattr(asked[0], key) for key in RunConfig.model_fields}) == wanted


def test_a_page_and_its_markdown_print_it(make_run: Callable[..., Path], tmp_path: Path, without_figures: None) -> None:
    from reports.build import build_report

    run = make_run(tmp_path / "run", tasks=("colors",), budgets=(14,), searches=("random",), verifiers=("shapes-clip",), picture_px=12)
    page = build_report([run], tmp_path / "out")
    said = "vistas run geneval --model shapes-infinity --model shapes-flux --search random --verifier shapes-clip --budget 14 --unit nfe"
    assert f"{said} --prompts 3 --seed 0" in page.read_text()
    assert f"{said} --prompts 3 --seed 0" in (tmp_path / "out" / "report.md").read_text()
