"""Numbers printed in papers beside a run of photographs, and never beside the shapes world."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from reports.build import build_report
from reports.load import read_runs
from reports.published import published_table
from reports.summary import summarise
from results.papers import read_papers

MakeRun = Callable[..., Path]
PHOTO = {"models": {"infinity-2b:preset=tts-var": "ar", "flux-dev": "diffusion"}, "searches": ("random",), "picture_px": 12}


@pytest.fixture(scope="module")
def geneval(module_without_figures: None, make_run: MakeRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photo")
    two = {"tasks": ("counting", "colors"), "budgets": (14, 28, 56), "prompts": 1}
    run = make_run(folder / "run", suite="geneval", verifiers=("image-reward",), **two, **PHOTO)
    return build_report([run], folder / "out").parent


def test_a_run_of_photographs_shows_them_on_the_page_and_in_markdown(geneval: Path) -> None:
    page, markdown = (geneval / "index.html").read_text(), (geneval / "report.md").read_text()
    for text in (page, markdown):
        assert "Printed in papers" in text
        assert "budgets, verifiers, seeds" in text
        assert "stated, printed in the paper" in text
        assert "reported, quoted by a third party" in text
        assert "https://erir11.github.io/visual-autoregressive-search/" in text
    assert '<a href="#published">' in page
    assert 'id="published"' in page


def test_rows_are_those_of_the_suite_and_the_models_beside_what_was_measured(geneval: Path) -> None:
    table = pd.read_csv(geneval / "tables/published.csv", dtype={"paper": str})
    measured = table[table["evidence"] == "measured"]
    printed = table[table["evidence"] != "measured"]
    ours = read_papers().query("suite == 'geneval' and model == 'infinity-2b'")
    assert len(printed) == len(ours)
    assert set(printed["source"]) == set(ours["source"])
    assert set(measured["model"]) == {"infinity-2b:preset=tts-var"}, "nothing is printed of flux-dev on geneval"
    assert set(measured["budget"]) == {14, 56}
    results = pd.read_csv(geneval / "tables/results-image-reward.csv").query("model.str.startswith('infinity') and budget == 56")
    expected = results.set_index("task")["mean"]
    assert measured[measured["budget"] == 56].set_index("task")["value"].to_dict() == pytest.approx(expected.to_dict())


def test_a_row_keeps_the_printed_digits_and_tells_verifiers_on_another_scale_apart(make_tables: MakeRun, tmp_path: Path) -> None:
    run = make_tables(tmp_path / "run", suite="drawbench", truth=False, verifiers=("image-reward", "clip-score"), tasks=("colors",),
                   budgets=(14, 28), prompts=1, **PHOTO)  # fmt: skip
    table = published_table(summarise(read_runs([run])))
    assert table.columns[5:] == ("image-reward", "aesthetic", "CLIPScore", "LLM grader", "evidence")
    zero_order = [row for row in table.rows if row["search"] == "zero-order search, N = 2" and row["guided by"] == "image-reward"]
    assert [(row["image-reward"], row["budget"], row["evidence"]) for row in zero_order] == [("1.50", "2880 NFE", "stated")]
    measured = [row for row in table.rows if row["evidence"] == "measured"]
    assert {row["guided by"] for row in measured} == {"image-reward", "clip-score"}
    assert all(row["image-reward"] != "–" and row["CLIPScore"] == "–" for row in measured)
    assert "raw cosine" in table.caption
    assert {row["model"] for row in table.rows} == {"infinity-2b", "flux-dev"}


@pytest.mark.usefixtures("without_figures")
def test_runs_of_the_shapes_world_never_show_them(make_run: MakeRun, tmp_path: Path) -> None:
    few = {"tasks": ("colors",), "verifiers": ("shapes-clip",), "budgets": (28.0,), "prompts": 1} | PHOTO
    run = make_run(tmp_path / "run", suite="geneval@shapes", **few)
    out = build_report([run], tmp_path / "out").parent
    for page in ("index.html", "report.md"):
        text = (out / page).read_text()
        assert "Printed in papers" not in text
        assert "2510.16751" not in text
    assert not (out / "tables/published.csv").exists()


def test_models_that_no_paper_has_here_have_no_section(make_tables: MakeRun, tmp_path: Path) -> None:
    few = {"tasks": ("colors",), "verifiers": ("image-reward",), "budgets": (28.0,), "prompts": 1, "searches": ("random",)}
    run = make_tables(tmp_path / "run", suite="geneval", models={"sana-1.6b": "diffusion"}, picture_px=12, **few)
    assert not published_table(summarise(read_runs([run]))).rows
