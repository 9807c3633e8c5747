"""A run that is finished is not loaded again: told from files, and only while nothing that determines it has changed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.config import Settings
from harness.run.finished import fingerprint, finished_units, mark_finished
from reports.up_to_date import mark_up_to_date, up_to_date
from results import environment
from results.files import locked, locked_part
from results.manifest import manifest
from results.schema import TABLES
from results.store import Store

PROMPTS = 5


def settings(**changes: object) -> Settings:
    return Settings(**{"prompts": PROMPTS, **changes})  # type: ignore[arg-type]


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """The folder of a finished run of one unit, which has no rows, with its report."""
    folder = tmp_path / "run"
    store = Store(folder)
    store.open(manifest({"searches": [], "verifiers": []}, {}, {}, {}, {}, {}, []))
    store.keep_units(["unit"])
    store.save("unit", {name: [] for name in TABLES})
    store.compact(["unit"])
    mark_finished(folder, fingerprint(settings()))
    (folder / "report").mkdir()
    for name in ("index.html", "report.md"):
        (folder / "report" / name).write_text("drawn")
    mark_up_to_date([folder], folder / "report")
    return folder


def test_the_same_command_loads_no_library_and_says_where_the_report_is(finished: Path) -> None:
    code = (
        "import sys, harness.cli\n"
        "try: harness.cli.app(sys.argv[1:], prog_name='vistas')\n"
        "except SystemExit as left: assert not left.code, left.code\n"
        "heavy = {'torch', 'diffusers', 'transformers', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    asked = ["run", "--prompts", str(PROMPTS), "--out", str(finished)]
    done = subprocess.run([sys.executable, "-c", code, *asked], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == f"1 of 1 unit is there in {finished}: nothing has to be loaded\n"
    assert done.stdout == f"report: {finished / 'report/index.html'} (drawn already, of these tables and by this source)\n"


def test_what_is_missing_is_seen_and_a_lost_table_is_made_again(finished: Path) -> None:
    same = fingerprint(settings())
    (finished / "scores.parquet").unlink()
    assert finished_units(finished, same) == 1
    assert (finished / "scores.parquet").is_file()
    assert finished_units(finished, fingerprint(settings(seeds=(1,)))) == finished_units(finished, "") == 0
    (finished / "parts/unit.part").write_bytes(b"damaged")
    assert finished_units(finished, same) == 0


@pytest.mark.parametrize("content", ["[", "[]", "5"])
def test_a_damaged_list_of_units_is_no_dead_end(finished: Path, content: str) -> None:
    (finished / "scores.parquet").write_text("rows")
    (finished / "units.json").write_text(content)
    assert finished_units(finished, fingerprint(settings())) == 0
    assert (finished / "scores.parquet").read_text() == "rows"


def test_a_folder_that_others_are_at_is_not_looked_at(finished: Path) -> None:
    """A shard of a finished run must not be refused because another one is looking, or at work on what has been lost."""
    same = fingerprint(settings())
    for holding in (locked(finished), locked_part(finished, ".lock-0-2")):
        with holding:
            assert finished_units(finished, same) == 0
    assert finished_units(finished, same) == 1


def test_all_that_determines_a_run_is_in_the_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, folder = tmp_path / "prompts.txt", tmp_path / "weights"
    file.write_text("a red circle\n")
    folder.mkdir()
    asked = settings(suite="file", prompts_from=str(file), weights=(f"flux-dev={folder}",))

    def changes(change: Callable[[], object]) -> bool:
        before = fingerprint(asked)
        assert fingerprint(asked) == before
        change()
        return fingerprint(asked) != before

    assert changes(lambda: file.write_text("a red square\n"))
    assert changes(lambda: (folder / "model.safetensors").write_text("weights"))
    assert changes(lambda: os.utime(folder / "model.safetensors", (1, 1)))
    assert changes(lambda: monkeypatch.setenv("VISTAS_PROMPTS", str(folder)))
    assert changes(lambda: monkeypatch.setattr("harness.run.finished.source_sha256", lambda: "other"))
    assert changes(lambda: monkeypatch.setattr("harness.run.finished.installed_version", lambda package: "0.0.0"))
    assert fingerprint(asked) != fingerprint(asked.model_copy(update={"unit": "flops"}))
    assert fingerprint(asked) == fingerprint(asked.model_copy(update={"max_rows": 3})), "which changes no result"


def test_what_is_registered_from_elsewhere_is_never_taken_for_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "OURS", ("harness", "models", "results", "reports", "verifiers"))
    assert fingerprint(settings()) == ""


def test_a_report_is_drawn_again_where_anything_it_is_made_of_has_changed(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = finished / "report"
    assert up_to_date([finished], report) == report / "index.html"
    for path in (report / "report.md", finished / "scores.parquet", finished / "manifest.json", report / "index.html"):
        content = path.read_bytes()
        path.write_bytes(content + b" ")
        assert up_to_date([finished], report) is None, path
        path.write_bytes(content)
    assert up_to_date([finished, finished], report) is None
    with monkeypatch.context() as patched:
        patched.setattr("reports.up_to_date.source_sha256", lambda: "other")
        assert up_to_date([finished], report) is None
    (finished / "scores.parquet").unlink()
    assert up_to_date([finished], report) is None
    mark_up_to_date([finished], report)
    assert not (report / "drawn.json").exists(), "of a run that is not finished"


def test_the_source_is_every_file_but_what_running_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models/__pycache__").mkdir(parents=True)
    (tmp_path / "results/runs/one").mkdir(parents=True)
    monkeypatch.setattr(environment, "ROOT", tmp_path)

    def hashed(name: str) -> str:
        (tmp_path / name).write_text(name)
        environment._tree_sha256.cache_clear()
        return environment.source_sha256()

    one = hashed("models/a.py")
    assert hashed("models/__pycache__/a.pyc") == hashed("results/runs/one/manifest.json") == one
    assert len({one, hashed("models/b.toml"), hashed("results/published.csv")}) == 3
    made = environment.unit_source()
    (tmp_path / "reports").mkdir()
    assert hashed("reports/page.py") != one
    assert environment.unit_source() == made, "reports make no units"
    hashed("harness.py")
    assert environment.unit_source() == made
    (tmp_path / "verifiers").mkdir()
    hashed("verifiers/clip.py")
    assert environment.unit_source() != made
    environment._tree_sha256.cache_clear()
