"""Searches as text: NAME[:key=value,…] to a search and back, and whether a search fits a model."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from harness.assignments import assignments, name_of, written
from harness.entry import Entry, resolve
from harness.errors import WrongInput
from harness.named_searches import INNER, check_search_name, wrapped
from harness.registry import entry
from harness.search.base import Search
from harness.values import NUMBER, TEXT, TRUTH, Kind, at_least, one_of, several, typed
from models.base import ABILITIES

_INNER = TEXT.called("a search with its parameters, last")


def parse_search(text: str) -> Search:
    """The search that a text names, such as "beam:width=2,score=preview"; what is not given is left to the planner.

    Raises:
        UnknownName: a name that is not registered; lists named searches too, which `named_searches.expanded` replaces.
        WrongInput: a parameter the search does not have or a value of the wrong type; lists the parameters.
    """
    check_search_name(text)
    name = name_of(text)
    known = entry("search", name)
    search: type[Search] = known.resolve()
    if search.name != name:
        raise WrongInput(f"search {name} of {known.package or known.target} is named {search.name!r} by its class: use one name for both")
    hints = get_type_hints(search)
    values: dict[str, Any] = {}
    own, inner = wrapped(text) if INNER in _parameters(search) else (text, None)
    if inner is not None:
        values[INNER] = parse_search(inner)
    for key, value in assignments("search", own, _parameters(search), _listing(name, search)).items():
        try:
            values[key] = _kind(hints[key]).of(value)
        except ValueError as error:
            raise WrongInput(f"search {text!r}: {key}={value} is not {error}; {_listing(name, search)}") from None
    try:
        return search(**values)
    except ValueError as error:
        raise WrongInput(f"search {text!r}: {error}; {_listing(name, search)}") from None


def shortest(search: Search) -> str:
    """The shortest text that names this search: what differs from the defaults, in the order of declaration."""
    values = {field.name: getattr(search, field.name) for field in fields(search)}  # type: ignore[arg-type]
    defaults = {field.name: field.default for field in fields(search)}  # type: ignore[arg-type]
    given = {key: value for key, value in values.items() if value != defaults[key]}
    if INNER in given:  # it has the rest of the text to itself
        given[INNER] = shortest(given.pop(INNER))
    return written(search.name, given)


def fits(search: Search, model: Entry, name: str) -> str | None:
    """Why a search cannot run on a registered model, None where it can; loads the model's class but no weights."""
    if model.family not in search.families:
        kinds = " and ".join(search.families)
        return f"{shortest(search)} searches {kinds} models and {name} is {_article(model.family)} model"
    generator = resolve(model.generator)
    for ability in search.needs:
        if ability in ABILITIES[model.family] and not issubclass(generator, ability):
            return f"{shortest(search)} needs a model that is {ability.__name__} and {name} is not"
    inner = getattr(search, INNER, None)
    return fits(inner, model.draft, f"the draft of {name}") if model.draft and inner else None


def _parameters(search: type[Search]) -> list[str]:
    return [field.name for field in fields(search)]  # type: ignore[arg-type]


def _listing(name: str, search: type[Search]) -> str:
    hints = get_type_hints(search)
    described = []
    for field in fields(search):  # type: ignore[arg-type]
        default = "" if field.default in (None, MISSING) else f", {_plain(field.default)} if not given"
        described.append(f"{field.name} ({_kind(hints[field.name]).expected}{default})")
    return f"parameters of {name}: {', '.join(described)}"


def _plain(default: Any) -> str:
    return shortest(default) if isinstance(default, Search) else typed(default)


def _bare(hint: Any) -> Any:
    """The type without its None."""
    kinds = [kind for kind in get_args(hint) if kind is not type(None)]
    return kinds[0] if get_origin(hint) is not Literal and len(kinds) == 1 else hint


def _kind(hint: Any) -> Kind:
    """What a parameter of this type takes."""
    hint = _bare(hint)
    if get_origin(hint) is Literal:
        return one_of(get_args(hint))
    if get_origin(hint) is tuple and int in get_args(hint):
        return several(at_least(0)).called("whole numbers such as 0/2/4")
    if get_origin(hint) is tuple:
        return several(at_least(0, NUMBER)).called("numbers such as 0.4/0.7")
    return {int: at_least(1), bool: TRUTH, float: NUMBER, str: TEXT, Search: _INNER}[hint]


def _article(family: str) -> str:
    return f"an {family}" if family[0] in "aeiou" else f"a {family}"
