"""A graded rubric for a vision-language model: what it is asked, the schema of its answer, and how the answer is read."""

import json

from pydantic import BaseModel, ConfigDict, Field, ValidationError

HIGHEST = 10.0
RUBRIC = (
    'Judge how well this image follows the prompt "{}": objects, their number, colours and places. Answer with one JSON object '
    "and nothing else. First the explanation, in one sentence, then the score, a number from 0 (nothing of it) to 10 "
    '(everything), in this form: {"explanation": "...", "score": 0}'
)


class Grading(BaseModel):
    """The schema of an answer."""

    model_config = ConfigDict(extra="forbid", strict=True)

    explanation: str = Field(min_length=1)
    score: float = Field(ge=0, le=HIGHEST)


def read_rubric(answer: str) -> tuple[float, str]:
    """The score of an answer and "", or NaN and why there is none.

    Text around the object is let through; an object that scores before it explains is not.
    """
    start = answer.find("{")
    if start < 0:
        return _unread("it has no JSON object", answer)
    try:
        found, _ = json.JSONDecoder().raw_decode(answer[start:])
        graded = Grading.model_validate(found)
    except json.JSONDecodeError:
        return _unread("its JSON is broken or cut short", answer)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "object"
        return _unread(f"{place}: {first['msg'].lower()}", answer)
    if next(iter(found)) != "explanation":
        return _unread("it scores before it explains", answer)
    return graded.score, ""


def _unread(fault: str, answer: str) -> tuple[float, str]:
    shown = " ".join(answer.split())
    shown = shown if len(shown) <= 60 else f"{shown[:59]}…"
    return float("nan"), f"answer cannot be read, {fault}: {shown!r}"
