"""Numbers printed in papers: the files in the package keep the rules, and a file that does not is refused in a sentence."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pandas as pd
import pytest

from harness.errors import WrongInput
from harness.registry import MODELS, entry
from results.papers import COLUMNS, EVIDENCE, FOLDER, METRICS, chosen, lacking, read_papers

ROW = {
    "paper": "2501.00001", "where": "Table 1", "suite": "geneval", "metric": "grade", "task": "overall", "model": "infinity-2b",
    "search": "beam search", "verifier": "", "budget": "1365", "budget_unit": "nfe", "value": "0.830", "evidence": "stated",
    "source": "https://example.org/a", "note": "",
}  # fmt: skip


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    return read_papers()


def write(folder: Path, *rows: dict[str, str], name: str = "2501.00001.csv", columns: list[str] | None = None) -> Path:
    with open(folder / name, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns or list(COLUMNS))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def test_every_row_has_a_source_and_a_grade_of_evidence(rows: pd.DataFrame) -> None:
    assert len(rows) == sum(len(path.read_text(encoding="utf-8").splitlines()) - 1 for path in FOLDER.glob("*.csv")) > 200
    assert rows["source"].str.match(r"https://\S+\.\S+$").all()
    assert set(rows["evidence"]) == set(EVIDENCE)
    # Who quotes without an address is said to be a note; what a figure shows has no other digits than a table.
    quoted = rows[(rows["evidence"] == "reported") & rows["source"].str.contains("arxiv.org")]
    assert quoted["note"].str.contains("notes on the paper").all()
    assert rows.loc[rows["evidence"] == "figure", "where"].str.startswith("Figure").all()


def test_values_are_in_the_range_of_their_metric_with_their_printed_digits(rows: pd.DataFrame) -> None:
    for metric, part in rows.groupby("metric"):
        low, high = METRICS[str(metric)]
        assert part["value"].between(low, high).all(), metric
    assert (rows["printed"].astype(float) == rows["value"]).all()
    assert "0.770" in set(rows["printed"])
    assert (rows.loc[rows["search"] == "none", "verifier"] == "").all()


def test_names_of_this_harness_are_used_where_it_has_them(rows: pd.DataFrame) -> None:
    def plain(name: str) -> str:
        return re.sub(r"[^a-z0-9]", "", name.lower())

    known = {plain(name) for name in MODELS}
    assert not [name for name in rows["model"].unique() if name not in MODELS and plain(name) in known]
    assert all(entry("model", name).domain == "photo" for name in rows["model"].unique() if name in MODELS)
    for suite in filter(None, rows["suite"].unique()):
        tasks = set(rows.loc[rows["suite"] == suite, "task"]) - {"overall"}
        assert tasks <= set(entry("suite", suite).resolve()().card.tasks), suite


def test_numbers_of_the_sources_are_read_back(rows: pd.DataFrame) -> None:
    beam = chosen(rows, "geneval", ["infinity-2b"]).query("paper == '2510.16751' and search == 'beam search'")
    assert dict(zip(beam["task"], beam["printed"], strict=True)) == {
        "single_object": "1.00", "two_object": "0.97", "counting": "0.85", "colors": "0.90", "position": "0.51", "color_attr": "0.74",
        "overall": "0.83",
    }  # fmt: skip
    flux = rows.query("paper == '2501.09732' and where == 'Table 1' and verifier == 'ensemble'")
    assert flux["printed"].tolist() == ["0.8204", "0.5959", "0.7197", "0.3043", "0.6623", "0.3754"]
    assert set(flux["budget"]) == {1920}


def test_a_model_without_numbers_of_a_suite_hides_no_other(rows: pd.DataFrame) -> None:
    both = ["infinity-2b", "flux-dev"]
    assert set(chosen(rows, "geneval", both)["model"]) == {"infinity-2b"}
    assert lacking(rows, "geneval", both) == ["nothing of geneval is printed of flux-dev, only of drawbench, t2i-compbench"]
    assert lacking(rows, "drawbench", both) == lacking(rows, None, both) == []
    with pytest.raises(WrongInput, match=r"^nothing of geneval is printed of flux-dev, only of drawbench, t2i-compbench; of geneval there "
                       r"are: .*infinity-2b"):
        chosen(rows, "geneval", ["flux-dev"])
    with pytest.raises(WrongInput, match="no model 'flux-dve' among these numbers; did you mean flux-dev"):
        chosen(rows, "geneval", ["infinity-2b", "flux-dve"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"source": ""}, "no source: write where it can be read"),
        ({"source": "a note"}, "source 'a note': write an address that begins with https://"),
        ({"evidence": ""}, "no evidence: write stated"),
        ({"evidence": "guessed"}, "unknown evidence 'guessed'; known: stated, figure, reported"),
        ({"value": "83"}, "value '83' of grade is no number from 0 to 1"),
        ({"value": "high"}, "value 'high' of grade is no number"),
        ({"value": "nan"}, "value 'nan' of grade is no number"),
        ({"metric": "image-rewrd"}, "did you mean image-reward?"),
        ({"suite": "genevl"}, "did you mean geneval?"),
        ({"budget": "0"}, "budget '0' is no number above 0"),
        ({"budget": ""}, "budget '' with unit 'nfe': write both or neither"),
        ({"budget_unit": "hours"}, "unknown budget_unit 'hours'"),
        ({"paper": "2501.00002"}, "call the file after it"),
    ],
)
def test_a_wrong_row_is_refused_with_its_line(tmp_path: Path, change: dict[str, str], said: str) -> None:
    write(tmp_path, ROW, ROW | {"task": "counting"} | change)
    with pytest.raises(WrongInput, match=r"^2501.00001.csv, line 3: ") as refused:
        read_papers(tmp_path)
    assert said in str(refused.value)


def test_wrong_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match="holds no CSV file"):
        read_papers(tmp_path)
    with pytest.raises(WrongInput, match="line 3: a second value of one number"):
        read_papers(write(tmp_path, ROW, ROW | {"value": "0.9"}))
    fewer = {name: text for name, text in ROW.items() if name != "evidence"}
    with pytest.raises(WrongInput, match=r"has the columns paper, .*: write exactly paper, where"):
        read_papers(write(tmp_path, fewer, columns=list(fewer)))
    (tmp_path / "2501.00001.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(WrongInput, match=r"2501.00001.csv is no table \("):
        read_papers(tmp_path)
    (tmp_path / "2501.00001.csv").write_text(",".join(COLUMNS) + "\n2501.00001,Table 1\n")
    with pytest.raises(WrongInput, match="line 2: no metric"):
        read_papers(tmp_path)
