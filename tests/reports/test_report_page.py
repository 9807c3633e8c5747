"""What a page claims fits what it shows: few prompts, no grader, one budget, images without a score."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from reports import curves, legend, overoptimised, panels, style
from reports.answer import answer
from reports.build import build_report
from reports.comparison_tables import SAME, equal_tables, paired_table
from reports.gallery import MOST_OWN, gallery, shown
from reports.gallery_figure import gallery_figure, pictured
from reports.load import read_runs
from reports.markdown import _of_all
from reports.notes import notes
from reports.page import protocol
from reports.reliability import cross_table, reliability_figure, reliability_table
from reports.same_budget import shared
from reports.summary import Method, Summary, summarise
from reports.tables import results_table, spent_table
from reports.trust import trust_table

MakeRun = Callable[..., Path]
CASCADE = "cascade:cheap=shapes-clip,expensive=shapes-reward,keep=2"


@pytest.fixture(scope="module")
def few(make_run: MakeRun, tmp_path_factory: pytest.TempPathFactory) -> Summary:
    folder = tmp_path_factory.mktemp("few") / "run"
    return summarise(read_runs([make_run(folder, prompts=1, tasks=("counting", "colors"), budgets=(14, 56), verifiers=("shapes-reward",))]))


@pytest.fixture(scope="module")
def many(make_tables: MakeRun, tmp_path_factory: pytest.TempPathFactory) -> Summary:
    folder = tmp_path_factory.mktemp("many") / "run"
    two = {"tasks": ("counting", "colors"), "verifiers": ("shapes-reward",), "picture_px": 12}
    return summarise(read_runs([make_tables(folder, prompts=6, budgets=(14, 56, 112), **two)]))


def captions(summary: Summary) -> list[str]:
    verifier = summary.runs.verifiers[0]
    tables = [*equal_tables(summary, verifier, shared(summary, verifier)), paired_table(summary), cross_table(summary),
              results_table(summary, verifier, "results"), overoptimised.overoptimised_table(summary)]  # fmt: skip
    return [table.caption for table in tables]


def test_captions_promise_intervals_only_where_there_are_any(few: Summary, many: Summary) -> None:
    assert all("95 %" in caption for caption in captions(many))
    assert not any("95 %" in caption for caption in captions(few))


def test_rows_without_an_interval_all_say_the_same(few: Summary) -> None:
    verifier = few.runs.verifiers[0]
    by_budget = equal_tables(few, verifier, shared(few, verifier))[0]
    assert {row["verdict"] for row in by_budget.rows} <= {"highest", SAME, "too few prompts to tell"}
    assert {row["verdict"] for row in overoptimised.overoptimised_table(few).rows} == {"too few prompts to tell"}


def test_shares_without_bands_are_drawn_from_0_to_1(few: Summary, many: Summary) -> None:
    verifier = few.runs.verifiers[0]
    bare = replace(few, points=few.points.assign(mean=0.7))
    drawn = [curves.main_figure(bare, verifier), curves.task_figure(few, verifier, "nfe"), curves.task_figure(many, verifier, "nfe")]
    limits = [axes.get_ylim() for drawing in drawn for axes in drawing(False).axes]
    assert all(low < -0.04 and high > 1.04 for low, high in limits), "markers at 0 and 1 need their room"
    close = replace(many, points=many.points.assign(mean=0.7, low=0.6, high=0.8))
    low, high = curves.main_figure(close, verifier)(False).axes[0].get_ylim()
    assert high - low < 0.5, "bands are a measure: what they span may be enlarged"


def test_scores_at_the_edge_of_a_shared_axis_keep_their_markers_whole(make_tables: MakeRun, tmp_path: Path) -> None:
    run = make_tables(tmp_path / "run", truth=False, prompts=2, tasks=("a", "b"), budgets=(28,), searches=("random",), verifiers=("clip",))
    scores = pd.read_parquet(run / "scores.parquet")
    scores.assign(value=scores["task"].map({"a": 1.5, "b": -1.0})).to_parquet(run / "scores.parquet")
    figure = curves.task_figure(summarise(read_runs([run])), "clip", "nfe")(False)
    low, high = figure.axes[0].get_ylim()
    assert low < -1.08
    assert high > 1.58


def test_what_lies_on_one_line_is_said(many: Summary) -> None:
    values = many.points.assign(mean=1.0, low=1.0, high=1.0)
    flat = replace(many, points=values)
    texts = [text.get_text() for axes in curves.task_figure(flat, "shapes-reward", "nfe")(False).axes for text in axes.texts]
    assert texts == ["every method at every budget: 1.00"] * 2
    assert not any(axes.texts for axes in curves.main_figure(many, "shapes-reward")(False).axes)


def test_markers_upon_one_another_are_all_seen(many: Summary) -> None:
    """Each has a rim around those that are drawn over it; what lies apart has the plain size."""

    def sizes(points: pd.DataFrame) -> list[list[float]]:
        axes = curves.main_figure(replace(many, points=points), "shapes-reward")(False).axes[0]
        drawn: dict[tuple[float, float], dict[str, float]] = {}
        for line in axes.lines:
            if line.get_marker() not in ("None", "none") and line.get_zorder() < 5:
                for point in zip(line.get_xdata(), line.get_ydata(), strict=True):
                    at = drawn.setdefault((round(float(point[0]), 3), round(float(point[1]), 3)), {})
                    key = f"{line.get_color()} {line.get_marker()}"
                    at[key] = max(at.get(key, 0.0), line.get_markersize())
        return [sorted(at.values()) for at in drawn.values()]

    assert len(many.methods) > 1
    together = sizes(many.points.assign(nfe=many.points["budget"], mean=1.0))
    assert any(len(at) > 1 for at in together)
    assert all(len(set(at)) == len(at) for at in together)
    ranks = {method: place for place, method in enumerate(many.methods)}
    keys = many.points[["model", "search", "budget_unit"]].itertuples(index=False)
    apart = many.points.assign(mean=[float(ranks[Method(*key)]) for key in keys])
    assert {size for at in sizes(apart) for size in at} == {panels._MARKER}


def test_legends_show_a_line_only_where_one_is_drawn(make_tables: MakeRun, tmp_path: Path, many: Summary) -> None:
    one = make_tables(tmp_path / "run", budgets=(56,), tasks=("colors",), verifiers=("shapes-clip",))
    assert {handle.get_linestyle() for handle in legend.handles(summarise(read_runs([one])))} == {"None"}
    assert "None" not in {handle.get_linestyle() for handle in legend.handles(many)}


def test_narrow_ranges_get_round_ticks() -> None:
    from matplotlib.figure import Figure

    axes = Figure().add_subplot()
    style.log_axis(axes, 7.5e9, 9.9e9)
    ticks = [style.amounts.tick(tick) for tick in axes.xaxis.get_major_locator().tick_values(0, 1)]
    assert {"5G", "10G"} <= set(ticks)
    assert all(len(tick) <= 3 for tick in ticks)


def test_long_names_stay_within_their_panels(make_tables: MakeRun, tmp_path: Path) -> None:
    run = make_tables(tmp_path / "run", budgets=(14, 56), tasks=("colors",), verifiers=("shapes-reward", CASCADE))
    summary = summarise(read_runs([run]))
    with style.context():
        for figure in (curves.verifier_figure(summary, "nfe")(False), overoptimised.overoptimised_figure(summary)):
            figure.draw_without_rendering()
            width = figure.bbox.width
            titles = [axes.title if axes.get_title() else axes._left_title for axes in figure.axes]  # type: ignore[attr-defined]
            edges = [title.get_window_extent().x1 for title in titles]
            assert max(edges) <= width
            assert max(each.get_window_extent().x1 for each in figure.legends) <= width


@pytest.mark.parametrize("search", ["random", "beam:width=2,reuse=True,score=preview"])
def test_legends_stay_within_their_figures(make_tables: MakeRun, tmp_path: Path, search: str) -> None:
    models = {"shapes-infinity:preview_shrink=3": "ar", "shapes-infinity:preview_shrink=2": "ar", "shapes-infinity": "ar"}
    run = make_tables(tmp_path / "run", models=models, searches=(search,), budgets=(56, 84), tasks=("colors",), verifiers=("shapes-clip",))
    summary = summarise(read_runs([run]))
    with style.context():
        for figure in (overoptimised.overoptimised_figure(summary), overoptimised.overoptimised_figure(summary, narrow=True),
                       curves.main_figure(summary, "shapes-clip")(False), curves.main_figure(summary, "shapes-clip")(True)):  # fmt: skip
            figure.draw_without_rendering()
            assert max(each.get_window_extent().x1 for each in figure.legends) <= figure.bbox.width


def test_letters_of_figures_are_no_smaller_on_a_phone_than_ten_pixels_and_all_is_within_the_figure(many: Summary) -> None:
    """A phone of 390 pixels leaves 350 to a figure; the smallest letters are of 8 points."""
    reliability = reliability_figure(reliability_table(many, trust_table(many)), narrow=True)
    with style.context():
        figures = [curves.main_figure(many, "shapes-reward")(True), curves.task_figure(many, "shapes-reward", "flops")(True)]
        for figure in (*figures, overoptimised.overoptimised_figure(many, narrow=True), reliability):
            assert 8 * 350 / (72 * figure.get_figwidth()) > 10
            figure.draw_without_rendering()
            for label in (axes.xaxis.label for axes in figure.axes):
                box = label.get_window_extent()
                assert box.x0 >= 0
                assert box.x1 <= figure.bbox.width
                assert box.y0 >= 0


def test_a_figure_laid_out_anew_is_the_one_drawn_for_that_screen(many: Summary) -> None:
    with style.context():
        one, other = (curves.task_figure(many, "shapes-reward", "nfe") for _ in range(2))
        wide, narrow = style.as_svg(one(False)), style.as_svg(one(True))
        assert narrow == style.as_svg(other(True))
        assert wide == style.as_svg(other(False)) != narrow


def test_a_method_of_one_budget_among_others_is_ringed_too(make_tables: MakeRun, tmp_path: Path) -> None:
    run = make_tables(tmp_path / "run", budgets=(10, 20), tasks=("colors",), verifiers=("shapes-clip",), searches=("random",))
    (axes,) = overoptimised.overoptimised_figure(summarise(read_runs([run]))).axes
    assert sum(line.get_markersize() == 9 for line in axes.lines) == 2


@pytest.mark.usefixtures("without_figures")
def test_one_budget_is_not_optimised_harder_and_meets_no_other_by_chance(make_tables: MakeRun, tmp_path: Path) -> None:
    """Two beams spend the very same; that is no reason to set these two side by side and no one else."""
    searches = ("random", "beam:width=2", "beam:width=3")
    run = make_tables(tmp_path / "run", budgets=(56,), searches=searches, verifiers=("shapes-clip",), tasks=("colors",), picture_px=12)
    summary = summarise(read_runs([run]))
    found = answer(summary)
    assert [each.judged.same_budget for each in found.shared] == [True]
    said = "At equal FLOPs and seconds nothing is compared: it takes two budgets or more, to read a method between them."
    assert said in found.sentences
    page = build_report([run], tmp_path / "out").read_text()
    assert "Optimised harder" not in page
    assert overoptimised.shown(summary) == ()
    again = make_tables(tmp_path / "two", budgets=(56, 84), searches=searches, verifiers=("shapes-clip",), tasks=("colors",), picture_px=12)
    found = answer(summarise(read_runs([again])))
    assert len(found.shared) == 3
    assert said not in found.sentences
    plain = {"searches": ("random",), "verifiers": ("shapes-clip",), "tasks": ("colors",), "picture_px": 12}
    uneven = make_tables(tmp_path / "uneven", budgets=(7, 14), **plain)
    found = answer(summarise(read_runs([uneven])))
    assert [len(each.comparisons) for each in found.shared] == [1], "a budget of 7 buys no image of shapes-flux"
    assert said not in found.sentences, "shapes-infinity has two budgets"


def test_tasks_share_their_axes_and_where_adaptive_goes_beyond_the_budget_is_explained(make_tables: MakeRun, tmp_path: Path) -> None:
    run = make_tables(tmp_path / "run", budgets=(28, 56), searches=("random", "adaptive"), verifiers=("shapes-clip",), tasks=("a", "b"))
    table = pd.read_parquet(run / "selections.parquet")
    moved = table["search"].eq("adaptive")
    table["nfe"] = table["nfe"].where(~moved, table["nfe"] * np.where(table["task"] == "a", 0.25, 1.75)).astype(int)
    table.to_parquet(run / "selections.parquet")
    summary = summarise(read_runs([run]))
    one, other = curves.task_figure(summary, "shapes-clip", "nfe")(False).axes
    assert one.get_xlim() == other.get_xlim()
    assert one.get_xlim()[0] < 14 < 56 * 1.75 < one.get_xlim()[1]
    said = "adaptive keeps a budget on average over all prompts: in one task it may spend more than that, in another less."
    assert said in results_table(summary, "shapes-clip", "results").caption
    plain = make_tables(tmp_path / "plain", budgets=(28,), searches=("random",), verifiers=("shapes-clip",), tasks=("a", "b"), prompts=1)
    assert "adaptive" not in results_table(summarise(read_runs([plain])), "shapes-clip", "results").caption


def test_a_picture_of_the_gallery_can_be_read_and_says_what_it_leaves_to_the_page(make_run: MakeRun, tmp_path: Path) -> None:
    searches = tuple(f"s{place}" for place in range(6))
    wanted = {"tasks": tuple("abcdefgh"), "budgets": (28, 56, 84), "prompts": 1, "verifiers": ("shapes-clip",), "picture_px": 12}
    summary = summarise(read_runs([make_run(tmp_path / "run", models={"shapes-infinity": "ar"}, searches=searches, **wanted)]))
    blocks = gallery(summary)
    figure = gallery_figure(pictured(summary, blocks))
    assert figure.get_figwidth() <= 9
    assert 5 < figure.get_figheight() <= 11
    assert len(figure.axes) == len(pictured(summary, blocks)) == 4
    assert _of_all(summary, blocks) == " Here are the first 4 of these 8 prompts; `index.html` has all."
    assert _of_all(summary, blocks[:2]) == ""


@pytest.mark.usefixtures("without_figures")
def test_empty_tables_leave_no_caption(make_tables: MakeRun, tmp_path: Path) -> None:
    run = make_tables(tmp_path / "run", truth=False, budgets=(28,), searches=("random",), tasks=("colors",), verifiers=("clip",))
    page = build_report([run], tmp_path / "out")
    for text in (page.read_text(), (page.parent / "report.md").read_text()):
        assert "Optimised harder" not in text
        assert "Trust in the verifiers" not in text
        assert "nothing to show" not in text
        assert "fools it" not in text


def test_unscored_images_are_explained(make_tables: MakeRun, tmp_path: Path) -> None:
    run = make_tables(tmp_path / "run", budgets=(14,), tasks=("colors",), searches=("random",), verifiers=("shapes-clip",), nan_share=1.0)
    scores = pd.read_parquet(run / "scores.parquet")
    scores.loc[scores["metric"] == "grade", "value"] = [float("nan"), *[1.0] * (sum(scores["metric"] == "grade") - 1)]
    scores.to_parquet(run / "scores.parquet")
    caption = results_table(summarise(read_runs([run])), "shapes-clip", "results").caption
    assert "Unscored: images without a score, left out of the means (no image)." in caption


def test_a_gallery_says_where_all_choices_are_alike(make_tables: MakeRun, tmp_path: Path) -> None:
    run = make_tables(tmp_path / "run", budgets=(14,), tasks=("colors", "counting"), searches=("random",), verifiers=("shapes-clip",))
    scores = pd.read_parquet(run / "scores.parquet")
    of_flux = (scores["model"] == "shapes-flux").astype(float)
    alike = scores["task"] == "colors"
    scores.assign(value=of_flux.mask(alike, 1.0)).to_parquet(run / "scores.parquet")
    assert [block.remark for block in gallery(summarise(read_runs([run])))] == ["every choice is right", ""]


def test_seconds_of_few_prompts_are_no_finding(few: Summary, many: Summary) -> None:
    assert any("a ranking by seconds is no finding" in note for note in notes(few))
    assert not any("a ranking by seconds is no finding" in note for note in notes(many))


def test_letters_without_a_font_are_boxes_and_no_warning(tmp_path: Path) -> None:
    with warnings.catch_warnings(action="error"), style.context():
        figure = Figure(figsize=(2, 1))
        figure.text(0, 0, "a red circle \N{BALLOON}")
        assert "\N{BALLOON}" in style.save(figure, tmp_path, "letters", "A circle")
    assert (tmp_path / "letters.png").stat().st_size > 0


def test_names_and_prompts_of_a_gallery_stay_beside_its_pictures(make_run: MakeRun, tmp_path: Path) -> None:
    """The room of names is as wide as they are; a prompt is broken before the next block."""
    for place, search in enumerate(("random", "beam:width=2,reuse=True,score=preview")):
        one = {"models": {"shapes-infinity": "ar"}, "searches": (search,), "budgets": (56,), "tasks": ("a", "b"), "prompts": 1}
        run = make_run(tmp_path / str(place), text="a photo of a red circle above a green square and below " * 3, **one)
        summary = summarise(read_runs([run]))
        figure = gallery_figure(gallery(summary))
        figure.draw_without_rendering()
        for axes in figure.axes:
            names = [text.get_window_extent().x1 for text in axes.texts if search in text.get_text()]
            gap = (min(image.get_window_extent().x0 for image in axes.images) - max(names)) / figure.dpi
            assert 0 < gap < 0.6
            assert max(text.get_window_extent().x1 for text in axes.texts) <= axes.get_window_extent().x1


def test_rows_of_plots_are_as_full_as_they_can_be() -> None:
    panels = [curves.Panel(str(place), "nfe", "v", "m") for place in range(8)]
    assert {n: [len(row) for row in curves._rows_of(panels[:n], 3)] for n in (1, 3, 4, 5, 6, 7, 8)} == {
        1: [1], 3: [3], 4: [2, 2], 5: [3, 2], 6: [3, 3], 7: [3, 3, 1], 8: [3, 3, 2],
    }  # fmt: skip
    assert [len(row) for row in curves._rows_of(panels, 1)] == [1] * 8


def test_a_gallery_of_ones_own_prompts_has_all_of_a_small_file(make_tables: MakeRun, tmp_path: Path) -> None:
    one = {"searches": ("random",), "budgets": (14,), "tasks": ("prompts",), "verifiers": ("shapes-clip",), "seeds": (3, 4)}
    told = {}
    for prompts in (5, 14):
        run = make_tables(tmp_path / str(prompts), suite="file-mine@shapes", prompts=prompts, picture_px=12, **one)
        suite = read_runs([run])
        assert len(gallery(summarise(suite))) == 1
        suite.manifests[0]["configuration"]["suite"] = "file"
        summary = summarise(suite)
        told[len(gallery(summary))] = shown(summary)
    assert told == {
        5: "All prompts. Of 2 seeds the first (3).",
        MOST_OWN: f"The first {MOST_OWN} of 14 prompts. Of 2 seeds the first (3).",
    }


def test_what_was_spent_has_one_unit_a_column(many: Summary) -> None:
    table = spent_table(many, many.runs.verifiers[0], "spent")
    numbers = [row[column] for row in table.rows for column in ("NFE", "GFLOP", "ms") if column in row]
    assert "GFLOP" in table.columns
    assert all(re.fullmatch(r"[\d.]+", number) for number in numbers), "units stand at the head"
    row, point = table.rows[0], table.frame.iloc[0]
    assert float(row["GFLOP"]) == pytest.approx(point["flops"] / 1e9, rel=0.01)
    parts = ("model FLOPs", "decoder FLOPs", "text FLOPs", "verifier FLOPs")
    assert sum(int(row[part].removesuffix(" %")) for part in parts) == pytest.approx(100, abs=2)


def test_a_protocol_leaves_out_settings_of_the_other_domain(many: Summary) -> None:
    suite = {"name": "geneval", "domain": "shapes", "settings": {"draws": 1, "photo": {"threshold": 0.3}, "shapes": {"colors": "exact"}}}
    shown = protocol({**many.runs.manifests[0], "suite": suite})["Suite"]
    assert {"settings · draws", "settings · shapes · colors"} < set(shown)
    assert not any("threshold" in key for key in shown)


@pytest.mark.usefixtures("without_figures")
def test_rows_of_one_amount_stand_under_its_name_and_names_are_not_broken(few: Summary, tmp_path: Path) -> None:
    page = build_report(few.runs.folders, tmp_path / "out").read_text()
    table = page[page.index("Under the same budget") :]
    table = table[: table.index("</table>")]
    for budget in ("budget of 14 NFE", "budget of 56 NFE"):
        assert table.count(budget) == 1
    assert '<td class="w name" data-of="model">shapes-infinity</td>' in table
    assert re.search(r"\.table th, \.table td \{[^}]*white-space: nowrap;", page)
