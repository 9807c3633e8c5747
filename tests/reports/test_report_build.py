"""The whole report on made-up runs: what it must contain, what it must refuse, and what may be missing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness.errors import WrongInput
from reports.build import build_report
from reports.figure_labels import LABELS
from reports.load import read_runs
from reports.overlap import ConflictingRuns
from reports.summary import Summary, summarise

HOSTILE = 'a photo of <script>alert("x")</script> | ../../etc/passwd & a cow'
MakeRun = Callable[..., Path]


class Reader(HTMLParser):
    """Tags, and every address a browser would load."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loaded: list[str] = []
        self.named: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.named.append((tag, dict(attrs)))
        names = ("src", "srcset", "xlink:href") if tag == "a" else ("src", "srcset", "href", "xlink:href")
        self.loaded += [value or "" for name, value in attrs if name in names]


@pytest.fixture(scope="module")
def run(make_run: MakeRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "first"
    return make_run(folder, text=HOSTILE, budgets=(14, 56), tasks=("counting", "colors"), nan_share=0.1)


@pytest.fixture(scope="module")
def report(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_report([run], tmp_path_factory.mktemp("report") / "out").parent


def read(page: Path) -> tuple[str, Reader]:
    text, reader = page.read_text(encoding="utf-8"), Reader()
    reader.feed(text)
    return text, reader


def test_page_loads_nothing_and_runs_nothing(report: Path) -> None:
    text, reader = read(report / "index.html")
    assert "script" not in reader.tags
    assert all(address.startswith(("#", "data:")) for address in reader.loaded)
    assert "url(http" not in text.replace(" ", "")
    assert "&lt;script&gt;alert(" in text


def test_page_says_what_it_is_no_evidence_about(report: Path) -> None:
    assert "Nothing here is evidence about FLUX, Infinity" in (report / "index.html").read_text()
    assert "Nothing here is evidence about FLUX, Infinity" in (report / "report.md").read_text()


def test_page_shows_figures_pictures_protocol_and_what_was_left_out(report: Path) -> None:
    text, reader = read(report / "index.html")
    # The main figure and three units by task and by verifier, all wide and narrow; over-optimisation and reliability as well; the tree.
    assert reader.tags.count("svg") == 19
    assert reader.tags.count("img") >= 12
    assert "0123abcd" in text
    assert "greedy does not fit shapes-flux" in text
    assert re.findall(r'id="task-unit-(\w+)" checked', text) == ["nfe"], "the run's own unit comes first"
    assert len(re.findall(r'id="([^"]+)"', text)) == len(set(re.findall(r'id="([^"]+)"', text)))


def test_who_does_not_see_the_page_hears_what_is_on_it(report: Path) -> None:
    text, reader = read(report / "index.html")
    labels = [found["aria-label"] for tag, found in reader.named if tag == "svg" and found["role"] == "img"]
    assert len(labels) == 19
    assert set(labels) == set(LABELS.values()) - {LABELS[name] for name in ("gallery", "tasks-images", "verifiers-images")}
    assert "<text" in text, "letters of figures can be searched for"
    assert not [tag for tag, found in reader.named if tag == "th" and not found.get("scope")]
    regions = [found for _, found in reader.named if found.get("class") == "scroll"]
    assert regions
    assert all(found["tabindex"] == "0" and found["role"] == "group" and found["aria-label"] for found in regions)
    assert reader.tags.count("fieldset") == reader.tags.count("legend") == 2
    pictures = [str(found["alt"]) for tag, found in reader.named if tag == "img"]
    by_prompt = re.compile(r"shapes-(infinity|flux), [^,]+, (14|56) NFE, (right|wrong|ungraded), (−?\d+\.\d\d|unscored)$")
    assert all(by_prompt.search(alt) for alt in pictures)


def test_headings_are_not_repeated(report: Path) -> None:
    text = (report / "index.html").read_text()
    for heading in ("Optimised harder", "Searched by one, scored by all", "Speed against reliability"):
        assert text.count(heading) == 2, "as a heading, and as the name of the table that it stands above"


def test_every_column_of_the_files_is_explained(report: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "report.md").read_text()
    section = page[page.index("## The tables as files") : page.index("## Printed in papers")]
    heads = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    told = {name for head in heads for name in re.findall(r"`([^`]+)`", head)}
    files = {path.name: set(path.read_text().splitlines()[0].split(",")) - {""} for path in (report / "tables").glob("*.csv")}
    made = {re.sub(r"(results|spent)-shapes-\w+", r"\1-VERIFIER", name) for name in files}
    without_rows_here = {"published.csv", "equal-compute-smaller.csv"}
    assert not made & without_rows_here
    assert told == made | without_rows_here | set().union(*files.values())


def test_markdown_links_exist_and_prompts_stay_text(report: Path) -> None:
    text = (report / "report.md").read_text()
    links = re.findall(r"\]\((figures/[^)]+)\)", text)
    assert len(links) == 11
    assert all((report / link).is_file() for link in links)
    assert "<script" not in text


def test_no_file_is_written_outside_the_report(report: Path) -> None:
    top = {path.name for path in report.iterdir()}
    assert top == {"index.html", "report.md", "figures", "tables", "drawn.json"}
    assert {path.name for path in report.parent.iterdir()} == {"out"}


def test_tables_keep_the_means_of_the_run(run: Path, report: Path) -> None:
    table = pd.read_csv(report / "tables" / "results-shapes-reward.csv")
    scores = pd.read_parquet(run / "scores.parquet")
    grades = scores[(scores["metric"] == "grade") & (scores["verifier"] == "shapes-reward") & (scores["search"] == "greedy")]
    expected = grades.groupby("task")["value"].mean().mean()
    found = table[(table["search"] == "greedy") & (table["task"] == "overall")]
    assert found["mean"].item() == pytest.approx(expected)
    spent = pd.read_csv(report / "tables" / "spent-shapes-reward.csv").set_index(["model", "search", "budget"])
    selections = pd.read_parquet(run / "selections.parquet").query("verifier == 'shapes-reward' and budget == 56")
    flops = selections.groupby(["model", "search"])["flops"].mean()
    for (model, search), value in flops.items():
        assert spent.loc[(model, search, 56.0), "flops"] == pytest.approx(value)


def test_tables_in_latex_hold_the_rows_and_no_letter_that_would_stop_it(report: Path) -> None:
    folder = report / "tables"
    assert {path.stem for path in folder.glob("*.tex")} <= {path.stem for path in folder.glob("*.csv")}
    text = (folder / "results-shapes-reward.tex").read_text(encoding="utf-8")
    lines = text.splitlines()
    body = lines[lines.index("\\midrule") + 1 : lines.index("\\bottomrule")]
    csv = pd.read_csv(folder / "results-shapes-reward.csv")
    assert len(body) == (csv["task"] == "overall").sum()
    assert all(line.startswith("shapes-") for line in body)
    columns = len(lines[0].split("}{")[1].strip("}"))
    cells = [re.split(r"(?<!\\) & ", line) for line in body]
    assert {len(row) for row in cells} == {columns}
    for path in folder.glob("*.tex"):
        text = re.sub(r"\$(\\(pm|approx|times)|-)\$", "", path.read_text(encoding="utf-8"))
        assert not re.search(r"(?<!\\)[%#_$]", text), path.name
        assert not set(text) & set("±≈×−"), path.name


def test_paired_table_has_both_kinds_of_pairs(report: Path) -> None:
    table = pd.read_csv(report / "tables" / "paired.csv")
    pairs = set(zip(table["model"], table["search"], table["other_model"], table["other_search"], strict=True))
    assert ("shapes-infinity", "random", "shapes-flux", "random") in pairs
    assert ("shapes-infinity", "beam:width=2", "shapes-infinity", "random") in pairs
    table = table[table["low"].notna()]  # the others have too few prompts that both have scored
    assert len(table) >= 9
    assert (table["low"] <= table["difference"] + 1e-12).all()


@pytest.mark.usefixtures("unpainted")
def test_one_of_everything(make_run: MakeRun, tmp_path: Path) -> None:
    """One model, search, budget, verifier, task and prompt: no intervals, no comparison, still a report."""
    run = make_run(
        tmp_path / "run", models={"shapes-infinity": "ar"}, searches=("random",), verifiers=("shapes-clip",), budgets=(14,),
        tasks=("colors",), prompts=1,
    )  # fmt: skip
    text = build_report([run], tmp_path / "out").read_text()
    assert "Only shapes-infinity + random was run" in text
    assert "No guided search with all its pictures kept" in text


@pytest.mark.usefixtures("unpainted")
def test_without_a_grader_verifiers_are_shown_and_not_trusted(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(
        tmp_path / "run", truth=False, nan_share=0.4, suite="drawbench", searches=("random", "beam"), verifiers=("clip",),
        tasks=("colors/../x",), budgets=(7, 28), prompt_prefix="../",
    )  # fmt: skip
    text = build_report([run], tmp_path / "out").read_text()
    assert "No grader’s verdict in these runs" in text
    assert "Nothing here is evidence" not in text
    assert "mean clip score" in text.lower()
    assert not (tmp_path / "out" / "figures" / "over-optimisation.svg").exists()


def test_runs_are_joined_and_repeats_counted_once(make_tables: MakeRun, tmp_path: Path) -> None:
    few = {"tasks": ("colors",), "verifiers": ("shapes-clip",), "budgets": (28.0,)}
    first = make_tables(tmp_path / "a", models={"shapes-infinity": "ar"}, **few)
    second = make_tables(tmp_path / "b", models={"shapes-flux": "diffusion"}, **few)
    joined = read_runs([first, second, first])
    alone = [read_runs([first]), read_runs([second])]
    for name in ("candidates", "selections", "scores"):
        assert len(getattr(joined, name)) == sum(len(getattr(runs, name)) for runs in alone)
    assert set(joined.selections["run"]) == {0, 1}


def test_conflicting_runs_are_refused(make_tables: MakeRun, tmp_path: Path) -> None:
    few = {"tasks": ("colors",), "verifiers": ("shapes-clip",), "budgets": (28.0,), "searches": ("random",)}
    first = make_tables(tmp_path / "a", **few)
    with pytest.raises(ConflictingRuns, match="one report for each suite"):
        read_runs([first, make_tables(tmp_path / "b", suite="drawbench@shapes", **few)])
    with pytest.raises(ConflictingRuns, match="other weights"):
        read_runs([first, make_tables(tmp_path / "c", weights="ff00", **few)])
    with pytest.raises(ConflictingRuns, match=r"different prompts cannot be compared \(3 in .*a, 2 in .*e\)"):
        read_runs([first, first, make_tables(tmp_path / "e", prompts=2, **few)])
    changed = make_tables(tmp_path / "d", **few)
    selections = pd.read_parquet(changed / "selections.parquet")
    selections.loc[0, "score"] += 1
    selections.to_parquet(changed / "selections.parquet")
    with pytest.raises(ConflictingRuns, match="two results for shapes-infinity"):
        read_runs([first, changed])


def test_folders_that_are_no_finished_run_are_refused(make_tables: MakeRun, tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match=re.escape("no manifest.json")):
        read_runs([tmp_path])
    run = make_tables(tmp_path / "run", tasks=("colors",), budgets=(14,), searches=("random",))
    (run / "scores.parquet").unlink()
    with pytest.raises(WrongInput, match="not finished"):
        read_runs([run])


@pytest.mark.parametrize("damage", [lambda whole: whole[:-9], lambda _: b"", lambda whole: whole[:20] + bytes(400) + whole[420:]])
def test_a_damaged_table_is_named_with_the_way_out(make_tables: MakeRun, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    run = make_tables(tmp_path / "run", tasks=("colors",), budgets=(14,), searches=("random",))
    path = run / "scores.parquet"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(WrongInput, match=rf"^{re.escape(str(path))} is damaged \(.*: the `vistas run` command that made it makes it again"):
        read_runs([run])
    (run / "manifest.json").write_text("{")
    with pytest.raises(WrongInput, match=r"manifest\.json is damaged"):
        read_runs([run])


def test_pictures_outside_the_run_are_refused(make_tables: MakeRun, tmp_path: Path) -> None:
    run = make_tables(tmp_path / "run", tasks=("colors",), budgets=(14,), searches=("random",))
    runs = read_runs([run])
    with pytest.raises(WrongInput, match="outside its run folder"):
        runs.image_path(0, "../secret.png")
    assert json.loads((run / "manifest.json").read_text())["notes"]


def test_seeds_of_a_prompt_stay_together(make_tables: MakeRun, tmp_path: Path) -> None:
    run = make_tables(tmp_path / "run", tasks=("colors",), budgets=(14,), searches=("random",), seeds=(0, 1, 2))
    summary: Summary = summarise(read_runs([run]))
    assert len(summary.values) == 3
    assert (summary.points["prompts"] <= 3).all()
    scores = read_runs([run]).scores
    one = scores[(scores["metric"] == "grade") & (scores["model"] == "shapes-flux") & (scores["verifier"] == "shapes-clip")]
    expected = one.groupby("prompt_id")["value"].mean()
    column = summary.values["grade", "shapes-flux", "random", "nfe", "shapes-clip", 14.0].droplevel("task")
    np.testing.assert_allclose(column.loc[expected.index], expected)


@pytest.mark.usefixtures("without_figures")
def test_a_report_drawn_again_of_other_runs_keeps_nothing_of_the_last_one_and_all_that_is_not_its_own(
    make_tables: MakeRun, tmp_path: Path
) -> None:
    wanted = {"tasks": ("counting",), "budgets": (14,), "searches": ("random",), "picture_px": 12}
    guided = {"a": ("shapes-reward", "other"), "b": ("third",)}
    two, one = (make_tables(tmp_path / name, verifiers=each, **wanted) for name, each in guided.items())
    out = build_report([two], tmp_path / "out").parent
    assert (out / "tables" / "results-other.tex").is_file()
    own = [out / "tables" / "results-mine.csv", out / "tables" / "notes.txt", out / "figures" / "mine.png"]
    for path in (*own, out / "figures" / "tree.svg"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("kept")
    build_report([one], out)
    tables = {path.stem for path in (out / "tables").iterdir()} - {path.stem for path in own}
    assert tables == set(re.findall(r'href="tables/([^"]+)\.csv"', (out / "index.html").read_text()))
    assert {name for name in tables if name.startswith(("results", "spent"))} == {"results-third", "spent-third"}
    assert all(path.read_text() == "kept" for path in own)
    assert not (out / "figures" / "tree.svg").exists()
