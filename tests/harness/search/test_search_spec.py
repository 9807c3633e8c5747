import pytest

from harness.errors import WrongInput
from harness.registry import SEARCHES, UnknownName, entry
from harness.search.base import Search
from harness.search.spec import fits, parse_search, shortest


@pytest.mark.parametrize(
    "text",
    ["random", "random:candidates=4", "greedy", "beam", "beam:width=3,candidates=5,score=preview", "zero-order:tau=0.9",
     "lookahead:scales=0/2", "smc:preset=das,particles=8,resampling=systematic"],
)
def test_canonical_text_is_stable(text: str) -> None:
    search = parse_search(text)
    assert isinstance(search, Search)
    assert shortest(search) == text
    assert parse_search(shortest(search)) == search


def test_defaults_and_order_do_not_change_the_text() -> None:
    assert shortest(parse_search("beam: score=rollout, candidates=5,width=2")) == "beam:width=2,candidates=5"
    assert shortest(parse_search("zero-order:tau=0.95,neighbours=4")) == "zero-order"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("beam:widht=2", r"unknown parameter 'widht', did you mean width\?; parameters of beam: width \(a whole number"),
        ("beam:width=2.5", "width=2.5 is not a whole number from 1; parameters of beam"),
        ("beam:width=0", "width=0 is not a whole number from 1"),
        ("beam:score=both", "score=both is not rollout or preview"),
        ("beam:width", "width has no value: write width=…"),
        ("beam:width=2,width=3", "width is given twice"),
        ("random:", "unknown parameter ''"),
        ("lookahead:scales=0-2", r"scales=0-2 is not whole numbers such as 0/2/4"),
        ("lookahead:scales=2/0", r"scales=2/0 are not in order"),
        ("smc:ess=2", "ess=2 is not a part, a number from 0 to 1"),
        ("smc:first=0.8,last=0.2", "first=0.8 is after last=0.2, which leaves no look"),
        ("smc:scale=-5", "scale=-5 is not a strength, a number from 0"),
        ("tts-var:scale=-3", "scale=-3 is not a strength"),
        ("smc:scale=nan", "scale=nan is not a number"),
        ("smc:level=0", "level=0 is not a part of the noise"),
        ("zero-order:tau=2", "tau=2 is not a cosine"),
        ("zero-order:tau=nan", "tau=nan is not a number"),
        ("zero-order:tau=far", r"tau=far is not a number; .*tau \(a number, 0.95 if not given\)"),
    ],
)
def test_bad_text_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(WrongInput, match=message) as refused:
        parse_search(text)
    assert "\n" not in str(refused.value)


def test_unknown_search_suggests_the_near_one() -> None:
    with pytest.raises(UnknownName, match="did you mean greedy"):
        parse_search("gredy")


def test_every_registered_search_can_be_parsed() -> None:
    for name in SEARCHES:
        assert parse_search(name).name == name
        assert isinstance(parse_search(name), Search)


@pytest.mark.parametrize(
    ("search", "model", "reason"),
    [
        ("random", "shapes-infinity", None),
        ("random", "shapes-flux", None),
        ("beam", "shapes-infinity", None),
        ("greedy", "shapes-infinity", None),
        ("zero-order", "shapes-flux", None),
        ("beam", "shapes-flux", None),
        ("smc:preset=das", "shapes-infinity", None),
        ("greedy", "shapes-flux", "greedy searches ar models and shapes-flux is a diffusion model"),
        ("zero-order", "shapes-infinity", "zero-order searches diffusion models and shapes-infinity is an ar model"),
    ],
)
def test_pairs_that_do_not_fit_are_named(search: str, model: str, reason: str | None) -> None:
    assert fits(parse_search(search), entry("model", model), model) == reason


def test_a_search_that_wraps_another_gives_it_the_rest_of_the_text() -> None:
    search = parse_search("adaptive:rounds=2,search=beam:width=3,candidates=4")
    assert (search.rounds, search.search) == (2, parse_search("beam:width=3,candidates=4"))
    assert shortest(search) == "adaptive:rounds=2,search=beam:width=3,candidates=4"
    assert shortest(parse_search("adaptive:rounds=4,search=random")) == "adaptive"
    assert search.families == parse_search("beam").families
    with pytest.raises(WrongInput, match="search 'beam:wdth=2': unknown parameter 'wdth', did you mean width"):
        parse_search("adaptive:search=beam:wdth=2")
    with pytest.raises(WrongInput, match="rounds=1 leaves nothing to move between prompts"):
        parse_search("adaptive:rounds=1")
