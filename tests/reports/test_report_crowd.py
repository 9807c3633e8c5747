"""Reports of many methods: who stands out, that every curve is still named, and that who is not compared is in a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from reports.answer import answer
from reports.build import build_report
from reports.crowd import spread
from reports.curves import main_figure, task_figure
from reports.emphasis import MOST_COLOURED, crowded, emphasised
from reports.legend import handles
from reports.load import read_runs
from reports.style import REST, context, looks
from reports.summary import Summary, summarise

SEARCHES = ("random", "beam:width=2", "greedy", "halving", "smc", "adaptive", "smc:particles=4,potential=max,resampling=systematic")


@pytest.fixture(scope="module")
def run(make_run: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    models = {"infinity": "ar", "flux": "diffusion"}
    return make_run(tmp_path_factory.mktemp("crowd") / "run", models=models, searches=SEARCHES, verifiers=("judge",), budgets=(28, 112),
                    tasks=("counting", "colors"), picture_px=12)  # fmt: skip


@pytest.fixture(scope="module")
def many(run: Path) -> Summary:
    summary = summarise(read_runs([run]))
    assert len(summary.methods) == 12 > MOST_COLOURED
    return summary


def test_who_stands_out_is_random_and_who_is_highest_of_a_model_at_a_budget(many: Summary, run: Path) -> None:
    """By hand, from the tables as they are on disk."""
    scores, spent = pd.read_parquet(run / "scores.parquet").query("metric == 'grade'"), pd.read_parquet(run / "selections.parquet")
    means = scores.groupby(["model", "budget", "search", "task"])["value"].mean().groupby(["model", "budget", "search"]).mean().round(2)
    costs = spent.groupby(["model", "budget", "search"])["flops"].mean()
    expected, ties = {(model, "random") for model in ("infinity", "flux")}, 0
    for model in ("infinity", "flux"):
        highest: list[str] = []
        for budget in (112, 28):
            group = means[model, budget]
            tied = group[group == group.max()].index
            highest += sorted(tied, key=lambda search, at=(model, budget): costs[(*at, search)])
            ties += len(tied) > 1
        expected |= {(model, search) for search in [each for each in dict.fromkeys(highest) if each != "random"][:3]}
    assert ties
    strong = emphasised(many)
    assert {(method.model, method.search) for method in strong} == expected
    assert {method for method, look in looks(many).items() if look.colour != REST} == strong


def test_every_method_is_named_at_the_end_of_its_models_row(many: Summary) -> None:
    with context():
        wide, narrow = main_figure(many, "judge")(False), main_figure(many, "judge")(True)
        wide.draw_without_rendering()
    assert 8 * 350 / (72 * narrow.get_figwidth()) > 8.5, "letters of 8 points on the 350 pixels of a phone"
    for figure, units in ((wide, 3), (narrow, 1)):
        assert len(figure.axes) == 2 * (units + 1), "a row a model, a column a unit, and its names"
        for model, margin in zip(("infinity", "flux"), figure.axes[-2:], strict=True):
            said = [text.get_text().partition("  ") for text in margin.texts]
            names = {name.replace("\n", ""): score for score, _, name in said if name}
            mine = [method for method in many.methods if method.model == model]
            ends = {method.search: f"{many.curve(method, 'judge', 'grade')['mean'].iloc[-1]:.2f}" for method in mine}
            assert names == ends
    for margin in wide.axes[-2:]:
        boxes = sorted((text.get_window_extent() for text in margin.texts), key=lambda box: box.y0)
        assert all(below.y1 <= above.y0 + 1 for below, above in pairwise(boxes)), "no name covers another"
        assert max(box.x1 for box in boxes) <= wide.bbox.x1


def test_rows_of_models_share_their_axes_and_only_the_strong_have_bands(many: Summary) -> None:
    with context():
        figure = main_figure(many, "judge")(False)
    for column in range(3):
        above, below = figure.axes[column], figure.axes[column + 3]
        assert above.get_xlim() == below.get_xlim()
        assert above.get_ylim() == below.get_ylim()
    strong = {look.colour for look in looks(many).values() if look.stands_out}
    assert len(figure.axes[0].collections) == sum(method.model == "infinity" for method in emphasised(many))
    assert len(strong) == 2, "colours of models, as in the figures of few methods"
    assert {line.get_color() for line in figure.axes[0].lines} == {*strong, REST}, "with the highest of the other model"


def test_the_legend_of_other_figures_counts_who_is_grey(many: Summary) -> None:
    labels = [str(entry.get_label()) for entry in handles(many)]
    assert labels[-1] == f"the other {12 - len(emphasised(many))} methods"
    with context():
        drawn = task_figure(many, "judge", "nfe")(False).legends[0].get_texts()
    assert [text.get_text() for text in drawn][: len(labels)] == labels


def test_one_grey_method_is_named_as_one(many: Summary, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine methods of two models can leave one: random and three others of each stand out."""
    last = many.methods[-1]
    parted = {method: replace(look, stands_out=method is not last) for method, look in looks(many).items()}
    monkeypatch.setattr("reports.legend.looks", lambda _: parted)
    assert handles(many)[-1].get_label() == "the other method"


def test_many_methods_without_a_score_by_the_first_verifier_are_still_drawn(make_tables: Callable[..., Path], tmp_path: Path) -> None:
    models = {"infinity": "ar", "flux": "diffusion"}
    verifiers, made = ("judge", "other"), {"searches": SEARCHES, "budgets": (28,), "prompts": 1, "picture_px": 12}
    folder = make_tables(tmp_path / "run", models=models, verifiers=verifiers, **made)
    scores = pd.read_parquet(folder / "scores.parquet")
    scores.assign(value=scores["value"].where(scores["verifier"] != "judge")).to_parquet(folder / "scores.parquet")
    unscored = summarise(read_runs([folder]))
    assert crowded(unscored)
    with context():
        figure = main_figure(unscored, "judge")(False)
    assert "no score" in [text.get_text() for text in figure.axes[0].texts]
    assert not any(axes.texts for axes in figure.axes[-2:]), "no names, and nothing said above them"


@pytest.mark.parametrize("wanted", [[2.0, 1.0, 0.1], [1.0, 1.0, 1.0], [2.0, 2.0, 0.0], [0.0, 0.0, 0.0]])
def test_labels_are_spread_without_covering_one_another(wanted: list[float]) -> None:
    heights = [0.2, 0.4, 0.2]
    found = spread(wanted, heights, 2.0)
    assert all(high - low >= (a + b) / 2 - 1e-9 for high, low, a, b in zip(found, found[1:], heights, heights[1:], strict=False))
    assert found[-1] >= heights[-1] / 2 - 1e-9
    assert found[0] <= 2.0 + 1e-9
    assert spread([1.5, 1.0, 0.5], heights, 2.0) == [1.5, 1.0, 0.5], "where there is room"


@pytest.mark.usefixtures("without_figures")
def test_pictures_of_methods_that_do_not_stand_out_are_folded_beneath_the_others(many: Summary, run: Path, tmp_path: Path) -> None:
    page = build_report([run], tmp_path / "out").read_text()
    strong = {f"<b>{method.model}</b> {method.search}" for method in emphasised(many)}
    rows = {f"<b>{method.model}</b> {method.search}" for method in many.methods}
    blocks = page.split('<figure class="block')[1:]
    assert len(blocks) == len(many.tasks)
    for block in blocks:
        shown, folded = block.split("</figure>")[0].split(f"<summary>The other {len(rows - strong)} methods</summary>")
        assert {row for row in rows if f"{row}</th>" in shown} == strong
        assert {row for row in rows if f"{row}</th>" in folded} == rows - strong


def test_few_methods_are_all_coloured(make_tables: Callable[..., Path], tmp_path: Path) -> None:
    summary = summarise(read_runs([make_tables(tmp_path / "run", prompts=2, budgets=(28,), picture_px=12)]))
    assert not crowded(summary)
    assert emphasised(summary) == frozenset(summary.methods)


@pytest.mark.usefixtures("without_figures")
def test_who_is_not_compared_is_counted_in_a_sentence_and_named_in_a_table(
    make_tables: Callable[..., Path], tmp_path: Path
) -> None:
    """Five methods of one run have another budget than the other's, too many for a sentence."""
    searches = ("random", "smc", "halving", "adaptive", "rbf")

    def made(name: str, model: str, family: str, searches: tuple[str, ...], *budgets: float) -> Path:
        models = {model: family}
        return make_tables(tmp_path / name, models=models, searches=searches, verifiers=("judge",), budgets=budgets, tasks=("colors",))

    folders = [
        made("few", "infinity", "ar", ("random",), 28, 56), made("other", "infinity", "ar", searches[1:], 7),
        made("flux", "flux", "diffusion", ("random",), 28, 56), made("third", "flux", "diffusion", ("rbf",), 12),
    ]  # fmt: skip
    said = [sentence for sentence in answer(summarise(read_runs(folders))).sentences if sentence.startswith("Not compared")]
    assert said
    assert all("of 7 methods, named in the table “Not compared”" in sentence for sentence in said)
    out = tmp_path / "out"
    build_report(folders, out)
    page, text = (out / "index.html").read_text(), (out / "report.md").read_text()
    assert '<details id="not-compared">' in page
    assert "## Not compared" in text
    table = pd.read_csv(out / "tables" / "not-compared.csv")
    named = table[(table["axis"] == "nfe") & (table["amount"] == 56)]
    assert {(row.model, row.search, row.most) for row in named.itertuples()} == {
        *(("infinity", search, 7.0) for search in searches[1:]), ("flux", "rbf", 12.0)}  # fmt: skip
    build_report([folders[0], folders[2]], out)
    assert not [*(out / "tables").glob("not-compared.*")], "nor is the table left where the next report has none"
