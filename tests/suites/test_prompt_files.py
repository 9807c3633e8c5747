"""Files of prompts in every form: what is a prompt is read, what is none is named with its line."""

from pathlib import Path

import pytest

from harness.errors import WrongInput
from suites.prompt_checks import LONGEST, fault, remark
from suites.prompt_file import FileSuite
from suites.prompt_files import read_lines
from suites.prompt_set import cut_and_repeated


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


FORMS = {
    "a.csv": '\ufeffPrompt,Category,id\n"a ""red"" cat, asleep",cats,7\n"two\nlines",dogs,8\nlast,dogs,9\n',
    "a.tsv": 'id\tText\ttag\n7\t"a ""red"" cat, asleep"\tcats\n8\t"two\nlines"\tdogs\n9\tlast\tdogs\n',
    "a.jsonl": '{"id": 7, "prompt": "a \\"red\\" cat, asleep", "task": "cats"}\n{"id": 8, "prompt": "two\\nlines", "task": "dogs"}\n'
    '{"id": 9, "prompt": "last", "task": "dogs"}\n\n',
    "a.json": '[{"id": 7, "caption": "a \\"red\\" cat, asleep", "category": "cats"}, '
    '{"id": 8, "caption": "two\\nlines", "category": "dogs"}, {"id": 9, "caption": "last", "category": "dogs"}]',
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_all_forms_say_the_same(name: str, tmp_path: Path) -> None:
    path = written(tmp_path, name, FORMS[name])
    lines = read_lines(path)
    assert [(one.text, one.task, one.id) for one in lines] == [
        ('a "red" cat, asleep', "cats", "7"), ("two\nlines", "dogs", "8"), ("last", "dogs", "9")
    ]  # fmt: skip
    assert [one.fault for one in lines] == ["", "prompt holds control character U+000A", ""]
    place = {"a.csv": "line 5", "a.tsv": "line 5", "a.jsonl": "line 3", "a.json": "entry 3"}[name]
    assert lines[-1].where == f"{path.name} {place}"


@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ";"), ("a.csv", "\t"), ("a.tsv", ";")])
def test_tables_are_read_whatever_stands_between_their_columns(name: str, delimiter: str, tmp_path: Path) -> None:
    rows = ['"id"|prompt|task', "7|a cat, asleep|cats", '8|"a dog; awake"|dogs']
    found = read_lines(written(tmp_path, name, "\r\n".join(rows).replace("|", delimiter)))
    assert [(one.id, one.text, one.task) for one in found] == [("7", "a cat, asleep", "cats"), ("8", "a dog; awake", "dogs")]
    usual = read_lines(written(tmp_path, "b.csv", "prompt;text,prompt\nx,a cat; asleep\n"))
    assert [one.text for one in usual] == ["a cat; asleep"], "the usual one is taken where it gives a column of prompts"


def test_a_task_that_is_no_utf8_stays_a_name_that_tables_can_hold(tmp_path: Path) -> None:
    (one, two) = read_lines(written(tmp_path, "a.csv", b"prompt,category,id\na red circle,caf\xe9,\xff1\nb\xe9d,plain,2\n"))
    assert (one.task, one.id, one.fault) == ("caf?", "?1", "")
    assert two.fault == "prompt is not UTF-8"


def test_plain_text_is_a_prompt_a_line(tmp_path: Path) -> None:
    path = written(tmp_path, "a.txt", "a cat\r\n\r\na dog\tnot part of it\r\nlast\r\n\r\n")
    lines = read_lines(path)
    assert [one.text for one in lines] == ["a cat", "", "a dog", "last"]
    assert (lines[1].fault, lines[1].where) == ("prompt is empty", f"{path.name} line 2")
    (ended,) = read_lines(written(tmp_path, "b.jsonl", '{"prompt": "a cat\\r\\n"}'))
    assert (ended.text, ended.fault) == ("a cat", "")
    mapping = read_lines(written(tmp_path, "a.json", '{"x1": "a cat", "x2": "a dog"}'))
    assert [(one.id, one.text) for one in mapping] == [("x1", "a cat"), ("x2", "a dog")]


def test_a_bad_line_spoils_no_other(tmp_path: Path) -> None:
    content = b'{"prompt": "a cat"}\n{broken\n{"text2": "x"}\n{"prompt": 7}\n"a dog"\n{"prompt": "\xff"}\n'
    lines = read_lines(written(tmp_path, "a.jsonl", content))
    assert [one.fault for one in lines] == [
        "", "line is no JSON", "no key prompt or prompts or text or caption", "prompt is the number 7, not text", "", "prompt is not UTF-8"
    ]  # fmt: skip
    assert lines[4].text == "a dog"


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.csv", "words,kind\nx,y\n", "has no column of prompts (it has words, kind): call it one of prompt"),
        ("a.csv", "", "has no column of prompts (it has none)"),
        ("a.csv", "prompt\n", "holds no prompts"),
        ("a.txt", "\n\n", "holds no prompts"),
        ("a.json", "{", "is no JSON"),
        ("a.json", "7", "neither a list nor a mapping"),
        ("a.pdf", "x", "is none of .csv, .tsv, .jsonl, .json, .txt"),
    ],
)
def test_files_that_hold_no_prompts_are_refused_in_one_line(name: str, content: str, expected: str, tmp_path: Path) -> None:
    with pytest.raises(WrongInput) as refusal:
        read_lines(written(tmp_path, name, content))
    assert expected in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_faults_and_remarks() -> None:
    assert fault("a cat") == fault("עיגול") == fault("a/b <b>x</b>") == ""
    assert fault("x" * LONGEST) == ""
    for text, reason in (("", "empty"), (" \t", "empty"), ("x" * 10000, "10000 characters"), ("a\x07", "U+0007"), ("a\u202eb", "U+202E"),
                         (None, "missing"), ([1], "a list, not text"), (True, "true, not text"), ("\udcff", "not UTF-8")):  # fmt: skip
        assert reason in fault(text)
    assert remark("a black/white cat & <3") == ""
    assert remark("עיגול") == "right-to-left text"
    assert remark("<img src=x>") == "HTML"
    assert remark("../x") == remark("C:\\x") == remark("/etc/passwd") == "what looks like a path"


def test_a_number_in_place_of_a_prompt_is_said_as_it_is_and_a_long_one_in_short(tmp_path: Path) -> None:
    content = '{"prompt": 12345678}\n{"prompt": 0.1}\n{"prompt": 1' + 400 * "0" + '}\n{"prompt": 1' + 5000 * "0" + '}\n"a dog"\n'
    lines = read_lines(written(tmp_path, "a.jsonl", content))
    assert [one.fault for one in lines[:2]] == [f"prompt is the number {value}, not text" for value in (12345678, 0.1)]
    assert lines[2].fault.startswith("prompt is the number 1000")
    assert len(lines[2].fault) < 80
    assert lines[3].fault
    assert [one.text for one in lines if not one.fault] == ["a dog"]


def test_what_is_left_out_and_what_is_repeated_is_said(tmp_path: Path) -> None:
    lines = read_lines(written(tmp_path, "p.txt", b"a red circle\ncolor\ta red circle\na red circle\na star\na red circle\n\n"))
    assert [one.text for one in lines] == ["a red circle", "color", "a red circle", "a star", "a red circle"]
    assert cut_and_repeated(lines) == [
        "a tab in p.txt line 2: what follows it is no part of the prompt",
        "a prompt of an earlier line in p.txt line 3 and 1 more: run again, and intervals take it for another prompt",
    ]
    assert cut_and_repeated(lines[:1]) == []


def test_ids_are_kept_or_the_line_that_spoils_them_is_named(tmp_path: Path) -> None:
    def read(*ids: str) -> tuple[list[str], tuple[str, ...]]:
        rows = [f"{'a red circle' if n % 2 else 'a blue star'} {'x' * n},{name}" for n, name in enumerate(ids)]
        suite = FileSuite().reading(written(tmp_path, "p.csv", "\n".join(["prompt,id", *rows])))
        return [prompt.id for prompt in suite.prompts("photo")], suite.notes("photo")

    assert read("a", "b", "../k", "l/é") == (["a", "b", "../k", "l/é"], ())
    assert read("", "", "") == (["00000", "00001", "00002"], ())
    said = "ids are not used and prompts are numbered from 00000: p.csv line 4 {}; give every prompt an id of its own to keep them"
    assert read("a", "b", "b", "d", "d") == ([f"{n:05d}" for n in range(5)], (said.format("has the id 'b' of p.csv line 3"),))
    assert read("a", "b", "", "d") == ([f"{n:05d}" for n in range(4)], (said.format("has none"),))


def test_utf_16_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match=r"p\.txt is UTF-16: save it as UTF-8"):
        read_lines(written(tmp_path, "p.txt", "a cat\na dog".encode("utf-16")))
