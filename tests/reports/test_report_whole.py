"""The whole report on a made-up run, built once: what it must contain, as text and in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import browser
import pandas as pd
import pytest

from reports.build import build_report
from reports.figure_labels import LABELS

HOSTILE = 'a photo of <script>document.title = "run"</script><img src=x onerror="document.title = \'run\'"> | ../../etc/passwd & a cow'
in_browser = pytest.mark.skipif(browser.BROWSER is None, reason="no chromium or google-chrome here")


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
def run(make_run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "first"
    return make_run(folder, text=HOSTILE, budgets=(14, 21, 35, 42, 56), tasks=("counting", "colors"), nan_share=0.1)


@pytest.fixture(scope="module")
def report(module_coarse: None, run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
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
    assert "&lt;script&gt;document.title" in text


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
    by_prompt = re.compile(r"shapes-(infinity|flux), [^,]+, (14|21|35|42|56) NFE, (right|wrong|ungraded), (−?\d+\.\d\d|unscored)$")
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
    without_rows_here = {"published.csv"}
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
    grades = scores[(scores["metric"] == "grade") & (scores["verifier"] == "shapes-reward") & (scores["search"] == "greedy")
                    & (scores["budget"] == 56)]  # fmt: skip
    expected = grades.groupby("task")["value"].mean().mean()
    found = table[(table["search"] == "greedy") & (table["task"] == "overall") & (table["budget"] == 56)]
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


@in_browser
@pytest.mark.parametrize("width", [1400, 390])
def test_everything_loads_and_fits(report: Path, width: int, tmp_path: Path) -> None:
    page = browser.seen(report, width, tmp_path)
    assert page["title"] == "vistas: geneval@shapes"
    assert page["pictures"] > 0
    assert page["figures"] > 0
    assert page["broken"] == 0
    assert page["wide"] == []
    assert page["needed"] <= page["width"]
    assert all(name.startswith("Pictures of") or name == LABELS["tree"] for name in page["sideways"]), "no table and no curve does"
    assert width < 1000 or page["sideways"] == [], "also galleries of five budgets"


@in_browser
def test_paper_holds_all_of_it(report: Path, tmp_path: Path) -> None:
    """703 px: between the margins of A4."""
    page = browser.seen(report, 703, tmp_path, browser.PRINT)
    assert page["closed"] > 3
    assert page["folded"] == []
    assert page["axes"] == ["by NFE", "by FLOPs", "by seconds"] * 2
    assert page["svg"] == 10, "wide figures only, of every unit"
    assert page["cut"] == []
    assert page["scrolls"] == 0
    assert set(page["kept"]) == {"avoid"}
