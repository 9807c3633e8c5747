"""GenEval's metadata records: how one is made of requirements, and what it must hold before it can be judged."""

from collections.abc import Mapping
from typing import Any

from suites.geneval.wording import RELATIONS, TAGS, prompt_of

Record = dict[str, Any]
"""One prompt: tag, include, exclude (counting only), prompt; the JSON object of `evaluation_metadata.jsonl`."""


def record_of(tag: str, include: list[dict[str, Any]]) -> Record:
    """Word the requirements as a prompt; a counting record also excludes one more of what it counts."""
    record: Record = {"tag": tag, "include": include}
    if tag == "counting":
        record["exclude"] = [{"class": need["class"], "count": need["count"] + 1} for need in include]
    return record | {"prompt": prompt_of(tag, include)}


def check_record(record: Mapping[str, Any]) -> None:
    """Raise ValueError unless the record asks for at least one object and every part of it can be judged.

    A record that asks for nothing would be satisfied by an empty picture, so it is refused.
    """
    tag = record.get("tag")
    if tag is None:
        raise ValueError(f"GenEval record {record.get('prompt')!r} lacks tag: add one of {', '.join(TAGS)}")
    if tag not in TAGS:
        raise ValueError(f"GenEval record has tag {tag!r}: use one of {', '.join(TAGS)}")
    if not record.get("include"):
        raise ValueError(f"GenEval record {record.get('prompt')!r} includes nothing: ask for at least one object")
    check_parts(record)
    for index, need in enumerate(record["include"]):
        _check_need(need, index)
    for ban in record.get("exclude", ()):
        _check_count(ban)


def check_parts(record: Mapping[str, Any]) -> None:
    """Raise ValueError unless what is included and excluded are lists of objects."""
    for part in ("include", "exclude"):
        value = record.get(part, ())
        if not isinstance(value, list | tuple) or not all(isinstance(one, Mapping) for one in value):
            raise ValueError(f"GenEval record has {part} {value!r}: give a list of objects with class and count")


def _check_need(need: Mapping[str, Any], index: int) -> None:
    _check_count(need)
    if "position" not in need:
        return
    if not isinstance(need["position"], list | tuple) or len(need["position"]) != 2:
        raise ValueError(f"GenEval requirement has position {need['position']!r}: write [relation, index]")
    relation, target = need["position"]
    if relation not in RELATIONS:
        raise ValueError(f"GenEval requirement has relation {relation!r}: use one of {', '.join(RELATIONS)}")
    if not (isinstance(target, int) and 0 <= target < index):
        raise ValueError(f"GenEval requirement {index} points at target {target!r}: point at an earlier requirement")


def _check_count(need: Mapping[str, Any]) -> None:
    if not need.get("class"):
        raise ValueError(f"GenEval requirement {dict(need)!r} names no class: give an object name")
    count = need.get("count")
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ValueError(
            f"GenEval requirement for {need['class']!r} has count {count!r}: counts are whole numbers from 1"
        )
