"""Adding a search takes one file and a package around it: here they are those of docs/add-a-search.md, installed and run."""

from __future__ import annotations

import inspect
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from command_line import call

from harness import plugins, registry
from harness.compute.ledger import COLUMNS, Budget, Unit
from harness.compute.meter import MeteredGenerator
from harness.config import Settings
from harness.errors import WrongInput
from harness.run.finished import fingerprint
from harness.search.spec import parse_search
from models import base
from results import environment
from verifiers.base import VerifierCard
from verifiers.ensemble import Ensemble
from verifiers.scorer import Scorer

pytestmark = pytest.mark.usefixtures("unreported")

PAGE = (Path(__file__).parents[3] / "docs" / "add-a-search.md").read_text(encoding="utf-8")
COUNTED = [name for name in COLUMNS if not name.endswith("seconds")]
FILES = ("first_good", "late_fork")
RUN = ["run", "geneval", "--model", "shapes-infinity", "--prompts", "2", "--search"]


class Counting(Scorer):
    """A verifier that is never asked: its values are given."""

    image_passes = {}  # noqa: RUF012

    def __init__(self, name: str) -> None:
        self._card = VerifierCard(name, "shapes", (0.0, 1.0), (name,), "", "MIT")

    @property
    def card(self) -> VerifierCard:
        return self._card

    def values(self, images, prompts):
        raise AssertionError("not asked")


def block(language: str, number: int = 0) -> str:
    """In Python: of the first search (0) or of the one that branches (1)."""
    found = re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len(found) == {"python": 2}.get(language, 1)
    return str(found[number])


def forget() -> None:
    """What is installed is looked through once."""
    plugins._points.cache_clear()
    registry._brought.cache_clear()


def install(site: Path, version: str = "0.1", points: str = "") -> None:
    """What pip leaves of the page's package, under another version or with other entry points where given."""
    project = tomllib.loads(block("toml"))["project"]
    for group, named in project["entry-points"].items():
        points = points or "\n".join([f"[{group}]", *(f"{name} = {value}" for name, value in named.items())])
    for number, name in enumerate(FILES):
        (site / f"{name}.py").write_text(block("python", number))
    folder = site / "my_searches.dist-info"
    folder.mkdir(exist_ok=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {version}\n")
    (folder / "entry_points.txt").write_text(points)
    forget()


@pytest.fixture(autouse=True)
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "site"
    folder.mkdir()
    install(folder)
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in FILES:
        sys.modules.pop(name, None)
    forget()


def test_the_command_runs_it_and_says_whose_it_is(site: Path, tmp_path: Path) -> None:
    """Kept units are those of its version, and of a version that gives other results there are none."""
    listed = call("list", "searches").output
    assert "images one after another until one is good enough (of my-searches 0.1)" in listed
    keys = {}
    for version in ("0.1", "0.2"):
        install(site, version)
        folder = tmp_path / version
        arguments = [*RUN, "first-good:enough=-9", "--search", "random", "--budget", "15", "--out", str(folder)]
        result = call(*arguments)
        assert result.exit_code == 0, result.output
        selections = pd.read_parquet(folder / "selections.parquet").set_index("search")
        assert selections.loc["first-good:enough=-9.0", "nfe"].tolist() == [5, 5]  # the first is good enough
        environment, = json.loads((folder / "manifest.json").read_text())["environments"]
        assert environment["packages"]["my-searches"] == version
        keys[version] = {path.name for path in (folder / "parts").iterdir()}
    assert len(keys["0.1"] & keys["0.2"]) == len(keys["0.1"] - keys["0.2"]) == 1  # random search is not of that package


def test_its_plan_says_that_it_may_do_less() -> None:
    arguments = ["plan", *RUN[1:], "first-good:enough=-9", "--budget", "60"]
    result = call(*arguments)
    assert result.exit_code == 0, result.output
    assert "chosen      candidates 12, enough -9.0" in result.output
    assert "a prompt    at most 60 NFE" in result.output
    assert "images      such as 1\n" in result.output
    assert "scores decide how much of it is done; rows are those of made-up scores" in result.output


@pytest.mark.parametrize("model", ["infinity", "flux"])
@pytest.mark.parametrize("unit", [Unit.NFE, Unit.FLOPS, Unit.IMAGES])
def test_it_keeps_its_budget_and_stops_where_it_may(model: str, unit: Unit, request, ran) -> None:
    generator = request.getfixturevalue(model)
    everything = ran(parse_search("random:candidates=4"), generator)
    scores = [[one.values_M[0] for one in everything.of(prompt)] for prompt in range(3)]
    budget = Budget(max(everything.task.spent(prompt, everything.task.judges[0]).amount(unit) for prompt in range(3)), unit)
    enough = float(np.mean(sorted(max(row) for row in scores)[:2]))  # above the best of one prompt, below those of two
    found = ran(parse_search(f"first-good:enough={enough!r}"), generator, budget, max_rows=2)
    for prompt, row in enumerate(scores):
        needed = next((n + 1 for n, score in enumerate(row) if score >= enough), len(row))
        mine = [one.values_M[0] for one in found.of(prompt)]
        assert mine == pytest.approx(row[:needed], abs=1e-4)  # a pixel rounds otherwise in another batch
        assert budget.affords(found.task.spent(prompt, found.task.judges[0]))
    assert sum(len(found.of(prompt)) for prompt in range(3)) < sum(map(len, scores))


@pytest.mark.parametrize("model", ["infinity", "flux"])
@pytest.mark.parametrize("unit", [Unit.NFE, Unit.FLOPS, Unit.IMAGES])
@pytest.mark.parametrize("parts", [1, 3])
def test_the_one_that_branches_spends_what_it_plans_on_children_of_the_best(
    model: str, unit: Unit, parts: int, request, ran, make_judge
) -> None:
    """With one verifier and with an ensemble of three."""
    generator, judge = request.getfixturevalue(model), make_judge(parts=parts)
    plain = ran(parse_search("random:candidates=3"), generator, judges=[judge])
    two = ran(parse_search("late-fork:candidates=3"), generator, judges=[judge])
    spent = [two.task.spent(prompt, two.task.judges[0]) for prompt in range(3)]
    budget = Budget(max(one.amount(unit) for one in spent), unit)
    found = ran(parse_search("late-fork"), generator, budget, judges=[judge], max_rows=4)
    for prompt in range(3):
        made = found.of(prompt)
        assert found.task.plans[prompt].parameters["candidates"] == 3
        assert [getattr(found.task.plans[prompt].cost, name) for name in COUNTED] == [getattr(made[-1].spent, name) for name in COUNTED]
        assert budget.affords(made[-1].spent)
        first, children = made[:3], made[3:]
        assert [one.values_M for one in first] == [pytest.approx(one.values_M, abs=1e-4) for one in plain.of(prompt)]
        best = int(np.argmax(judge.combine(np.array([one.values_M for one in first]))))
        assert first[best].kept
        assert [(one.path, one.parent, one.step) for one in children] == [((best, n), (best,), 3) for n in range(3)]
        assert len({one.values_M for one in (*children, first[best])}) == 4, "each has seeds of its own"
        assert [one.values_M for one in made] == [pytest.approx(one.values_M, abs=1e-4) for one in two.of(prompt)]


def test_the_one_that_branches_runs_and_saves_what_children_share(tmp_path: Path) -> None:
    judged = ["--verifier", "shapes-ensemble", "--budget", "20", "--out", str(tmp_path / "run")]
    result = call(*RUN, "late-fork", *judged)
    assert result.exit_code == 0, result.output
    candidates = pd.read_parquet(tmp_path / "run" / "candidates.parquet")
    children = candidates[candidates["parent"] != ""]
    assert len(children) == len(candidates) / 2 > 0
    assert (children["step"] == 3).all()


def test_ranks_of_several_rounds_are_taken_together(make_judge) -> None:
    """An image that is the best of its round alone is no better than one of an earlier round that beats it."""
    names: dict[str, Any] = {}
    exec(block("py"), names)
    judge = Ensemble([Counting("a"), Counting("b")], "two")
    metered = type("Judge", (), {"rewards": staticmethod(judge.combine)})
    good, better, worse, lost = (np.array([[value, value]]) for value in (1.0, 2.0, 0.5, np.nan))
    assert judge.combine(good) == judge.combine(better) == judge.combine(worse)
    assert not names["satisfied"](metered, [good, worse], patience=2)
    assert names["satisfied"](metered, [good, worse, lost], patience=2)
    assert not names["satisfied"](metered, [good, worse, better], patience=2)
    assert not names["satisfied"](metered, [lost, better, worse], patience=2)


def test_the_table_of_abilities_is_that_of_the_code() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (AR|diffusion) \| (.*) \|$", PAGE, flags=re.MULTILINE)
    assert [name for name, _, _ in rows] == [one.__name__ for family in ("ar", "diffusion") for one in base.ABILITIES[family]]
    for name, family, said in rows:
        assert getattr(base, name) in base.ABILITIES[family.lower()]
        for asked, given in re.findall(r"`(\w+)\(([^)…]*)\)`", said):
            _, *named = inspect.signature(getattr(MeteredGenerator, asked)).parameters
            assert named == [one.removeprefix("task.") for one in given.split(", ")], asked


def test_a_search_has_one_name(site: Path) -> None:
    install(site, points="[vistas.searches]\nanother = first_good:ENTRY\n")
    with pytest.raises(WrongInput, match=r"search another of my-searches 0.1 is named 'first-good' by its class: use one name for both"):
        parse_search("another:enough=1")


def test_its_version_and_its_source_tell_whether_a_run_is_whole(site: Path) -> None:
    """Also the source of a module that the entry names and the entry point does not; another package's units do not depend on it."""
    (site / "elsewhere.py").write_text(block("python"))
    (site / "light.py").write_text("from harness.entry import Entry\nENTRY = Entry('elsewhere:FirstGood', '')\n")

    def told(source: str, version: str = "0.1") -> tuple[str, str, str]:
        install(site, version, points="[vistas.searches]\nfirst-good = light:ENTRY\n")
        (site / "elsewhere.py").write_text(source)
        environment._tree_sha256.cache_clear()
        packages = (f"my-searches {version}",)
        return fingerprint(Settings(searches=("first-good",))), environment.unit_source(packages), environment.unit_source(())

    first, edited, newer = told(block("python")), told(block("python") + "\n"), told(block("python"), "0.2")
    assert first[0]
    assert len({first[0], edited[0], newer[0]}) == 3
    assert first[1] != edited[1]
    assert first[2] == edited[2] == newer[2]
    sys.modules.pop("light", None)
    environment._tree_sha256.cache_clear()


@pytest.mark.parametrize(("points", "message"), [
    ("first-good = nowhere:ENTRY", "first-good = nowhere:ENTRY of package my-searches 0.1 cannot be imported (No module named 'nowhere')"),
    ("first-good = first_good:FirstGood", "is type and no harness.entry.Entry"),
    ("best-diffusion = first_good:ENTRY", "best-diffusion = first_good:ENTRY of package my-searches 0.1 registers a search under a name"),
    ("beam = first_good:ENTRY", "beam = first_good:ENTRY of package my-searches 0.1 registers a search under a name that is taken"),
])  # fmt: skip
def test_what_a_package_registers_wrongly_is_named(points: str, message: str, site: Path) -> None:
    install(site, points=f"[vistas.searches]\n{points}\n")
    with pytest.raises(WrongInput, match=re.escape(message)):
        registry.entries("search")
    result = call(*RUN, "random")
    assert result.exit_code == 2
    assert "uninstall that package" in result.output
