"""NAME:key=value,…: quotes hold a comma, and what is written is read again."""

from __future__ import annotations

import pytest

from harness.assignments import assignments, quoted, written
from harness.errors import WrongInput


def test_a_value_in_quotes_holds_commas_and_comes_back() -> None:
    values = {"negative_prompt": "blurred, dark", "cfg": (3.0, 1.0), "pn": "1M"}
    text = written("m", quoted(values))
    assert text == 'm:negative_prompt="blurred, dark",cfg=3.0/1.0,pn=1M'
    assert assignments("model", text, values, "") == {"negative_prompt": "blurred, dark", "cfg": "3.0/1.0", "pn": "1M"}
    assert assignments("model", 'm:pn="1M"', values, "") == {"pn": "1M"}


@pytest.mark.parametrize(("text", "complaint"), [
    ('m:a="x,b=1', "a double quote is not closed"), ("m:a=1,a=2", "a is given twice"), ("m:a", "a has no value"),
    ("m:a=x,y", "unknown parameter 'y'; settings are a, b; a value with a comma stands in double quotes$"),
    ("m:y", "unknown parameter 'y'; settings are a, b$"), ("m:a=1,y=2", "unknown parameter 'y'; settings are a, b$"),
])  # fmt: skip
def test_what_cannot_be_read_is_said(text: str, complaint: str) -> None:
    with pytest.raises(WrongInput, match=complaint):
        assignments("model", text, ("a", "b"), "settings are a, b")
