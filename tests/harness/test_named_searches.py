"""Named searches: every one is a search as it is written in tables, and a run has the search and not the name."""

from __future__ import annotations

import re

import pytest
from command_line import call

from harness.config import RunConfig
from harness.config_sources import load_settings
from harness.errors import WrongInput
from harness.named_searches import NamedSearch, expanded, named_searches
from harness.registry import SEARCHES
from harness.search.spec import parse_search, shortest


@pytest.mark.parametrize(("name", "named"), named_searches().items(), ids=list(named_searches()))
def test_every_one_is_a_search(name: str, named: NamedSearch) -> None:
    assert shortest(parse_search(named.search)) == named.search
    assert name not in SEARCHES
    assert named.source


def test_a_run_has_the_search_itself() -> None:
    named = RunConfig(searches=("random", "published-rbf", "rbf:looks=250", "adaptive:rounds=2,search=published-lookahead"))
    assert named.searches == ("random", "rbf:looks=250", "adaptive:rounds=2,search=lookahead:width=5,candidates=10")
    assert named.run_name() == RunConfig(searches=named.searches).run_name()


@pytest.mark.parametrize("text", ["adaptive:rounds=2, search=beam", " adaptive: rounds = 2 ,search= beam", "adaptive:rounds=2,search=beam"])
def test_spaces_around_what_is_wrapped_mean_nothing(text: str) -> None:
    assert parse_search(text) == parse_search("adaptive:rounds=2,search=beam")


def test_a_name_takes_no_parameters() -> None:
    with pytest.raises(WrongInput, match="a named search takes no parameters; write what published-rbf stands for, rbf:looks=250, and"):
        expanded("published-rbf:first=0.2")
    with pytest.raises(WrongInput, match="published-rbf stands for"):
        load_settings(None, ["searches=published-rbf:first=0.2"], {})


def test_they_are_listed() -> None:
    shown = call("list", "searches")
    for name, named in named_searches().items():
        assert re.search(rf"^  {name} +{re.escape(named.search)} ", shown.output, re.MULTILINE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("published-lookahed", r"unknown search 'published-lookahed'; did you mean published-lookahead.*\? known: random, .*published-rbf"),
        ("adaptive:search=published-lookahed", "did you mean published-lookahead"),
        ("adaptive:search=published-lookahead,rounds=2", "comes last: write adaptive:rounds=2,search=published-lookahead$"),
        ("adaptive:served=1,search=beam,rounds=2", "comes last: write adaptive:served=1,rounds=2,search=beam$"),
    ],
)
def test_a_name_that_is_none_is_answered_with_names(text: str, message: str) -> None:
    (search,) = RunConfig(searches=(text,)).searches
    with pytest.raises(WrongInput, match=message):
        parse_search(search)
