"""Configuration: which source wins, what is refused, and where a run goes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.config import Settings
from harness.config_sources import load_settings
from harness.errors import WrongInput
from harness.run_folder import default_folder

NONE: dict[str, object] = {}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("run.yaml", "prompts: 5\nseeds: [1, 2]\nchunk: 3\n"),
        ("run.toml", "prompts = 5\nseeds = [1, 2]\nchunk = 3\n"),
        ("run.json", '{"prompts": 5, "seeds": [1, 2], "chunk": 3}'),
    ],
)
def test_flags_win_over_set_over_file_over_defaults(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    settings = load_settings(tmp_path / name, ["chunk=4", "keep=2"], {"prompts": 7, "unit": None})
    assert (settings.prompts, settings.chunk, settings.keep, settings.seeds) == (7, 4, 2, (1, 2))
    assert settings.unit == Settings().unit


def test_one_value_stands_for_a_list_of_one() -> None:
    settings = load_settings(None, ["models=shapes-flux", "budgets=40", "prompts=all"], NONE)
    assert (settings.models, settings.budgets, settings.prompts) == (("shapes-flux",), (40.0,), "all")


def test_budgets_are_sorted() -> None:
    assert load_settings(None, ["budgets=[9, 3]"], NONE).budgets == (3.0, 9.0)


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("promts=3", "unknown configuration key 'promts'; did you mean prompts"),
        ("prompts=0", "prompts=0: 0 is not a number from 1 up, or all"),
        ("prompts=many", "prompts='many' is not a whole number from 1, or all; correct prompts in"),
        ("prompts=1.5", "prompts=1.5 is not a whole number from 1, or all"),
        ("unit=hours", "unit='hours' is not one of nfe, flops, images, seconds; correct unit in"),
        ("offload=disk", "offload='disk' is not one of none, text, model; "),
        ("budgets=[4, -1]", "budget -1 is not a positive number"),
        ("budgets=.nan", "budget nan is not a positive number"),
        ("budgets=[]", "budgets=\\[\\] is empty: give one; "),
        ("budgets=5,,10", "budgets=\\('5,,10',\\): an item is empty: write 6,12,24, for example"),
        ("budgets=5;10", "not a list of numbers: write 6,12,24, for example"),
        ("budgets=[[1]]", "budgets=\\[1\\] is not a number"),
        ("seeds=[1, 2, 1]", "seed 1 is given more than once: give a repetition a seed of its own; correct seeds in"),
        ("chunk=0", "chunk=0 is below 1; "),
        ("chunk=x", "chunk='x' is not a whole number; "),
        ("seeds=1.5", "seeds=1.5 is not a whole number; "),
        ("suite=5", "suite=5 is not text; "),
        ("chunk", "--set 'chunk' is not key=value"),
        ("models=[a", "--set 'models=\\[a' has no readable value"),
    ],
)
def test_wrong_values_are_one_sentence(assignment: str, message: str) -> None:
    with pytest.raises(WrongInput, match=message) as raised:
        load_settings(None, [assignment], NONE)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [("prompts: [", "is broken"), ("- 1\n- 2\n", "no list of keys and values"), ("promts: 3", "did you mean prompts")],
)
def test_wrong_files_are_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "run.yaml").write_text(text)
    with pytest.raises(WrongInput, match=message) as raised:
        load_settings(tmp_path / "run.yaml", [], NONE)
    assert "\n" not in str(raised.value)


def test_budgets_are_lists_or_texts_wherever_they_stand(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text('budgets: "10,20"\n')
    assert load_settings(tmp_path / "run.yaml", [], NONE).budgets == (10.0, 20.0)
    assert load_settings(None, ["budgets=10,20"], NONE).budgets == (10.0, 20.0)
    assert load_settings(None, [], {"budgets": "8e9, 1e10"}).budgets == (8e9, 1e10)
    with pytest.raises(WrongInput, match=r"^budgets=\[2.0, 2.5\]: budget 2.5 is not a whole number of images; correct budgets in "):
        load_settings(None, [], {"budgets": "2,2.5", "unit": "images"})
    with pytest.raises(WrongInput, match="budgets='': an item is empty"):
        load_settings(None, [], {"budgets": ""})


@pytest.mark.parametrize("key", ["models", "searches", "verifiers", "metrics", "weights", "reuse"])
def test_what_is_given_twice_is_refused_by_name(key: str) -> None:
    for assigned, flags in (([f"{key}=[one, two, one]"], NONE), ([], {key: ["one", "one"]})):
        with pytest.raises(WrongInput, match=f"one is given more than once: give each once; correct {key} in"):
            load_settings(None, assigned, flags)


def test_budgets_take_the_letters_of_large_numbers() -> None:
    assert load_settings(None, ["budgets=5G"], NONE).budgets == (5e9,)
    assert load_settings(None, [], {"budgets": "1.5k, 20T,5 P,1E"}).budgets == (1.5e3, 20e12, 5e15, 1e18)
    for wrong in ("5g", "G", "5GG", "1e3e", "5 FLOP"):
        with pytest.raises(WrongInput, match="not a list of numbers"):
            load_settings(None, [], {"budgets": wrong})


@pytest.mark.parametrize("text", ['budgets: "6,6"', "budgets: [6, 6]", "budgets: ['6', 6.0]"])
def test_budgets_given_twice_are_refused_wherever_they_stand(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(text)
    for file, assigned, flags in ((tmp_path / "run.yaml", [], NONE), (None, ["budgets=6,6"], NONE), (None, [], {"budgets": "5,6,6.0"})):
        with pytest.raises(WrongInput, match="budget 6 is given more than once: give each once; correct budgets in"):
            load_settings(file, assigned, flags)


def test_a_broken_file_says_where(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("prompts: 3\nseeds: [1\nunit: x\n")
    with pytest.raises(WrongInput, match=r"run\.yaml is broken: line 3, column 5: .*; correct it there") as raised:
        load_settings(tmp_path / "run.yaml", [], NONE)
    assert "unicode" not in str(raised.value)


def test_a_file_is_read_as_utf8_whatever_the_locale(tmp_path: Path) -> None:
    for name, text in (("run.yaml", "prompts_from: é.txt\n"), ("run.toml", 'prompts_from = "é.txt"\n')):
        (tmp_path / name).write_text(text, encoding="utf-8")
        script = ("import sys, pathlib, harness.config_sources as c; "
                  "print(ascii(c.load_settings(pathlib.Path(sys.argv[1]), [], {}).prompts_from))")  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / name)], cwd=Path(__file__).parents[2], capture_output=True, text=True,
            env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        )  # fmt: skip
        assert done.stdout.strip() == ascii("é.txt"), done.stderr


def test_missing_file() -> None:
    with pytest.raises(WrongInput, match=r"configuration nowhere\.yaml cannot be read: No such file"):
        load_settings(Path("nowhere.yaml"), [], NONE)


def test_only_what_determines_results_names_the_run() -> None:
    name = Settings().run().run_name()
    assert name.startswith("geneval-")
    assert Settings(max_rows=3, device="cpu").run().run_name() == name
    default = Settings().prompts
    assert isinstance(default, int)
    assert Settings(prompts=default).run().run_name() == name
    assert Settings(prompts=default + 1).run().run_name() != name


def test_all_searches_run_on_the_pair_too_where_no_model_is_named() -> None:
    assert Settings(searches=("all",)).models == ("shapes-infinity", "shapes-flux", "shapes-infinity+shapes-flux")
    assert load_settings(None, ["searches=all"], {}).models[-1] == "shapes-infinity+shapes-flux"
    assert Settings(searches=("all",), models=("shapes-flux",)).models == ("shapes-flux",)
    assert Settings(searches=("random",)).models == Settings().models == ("shapes-infinity", "shapes-flux")


def test_a_file_of_prompts_is_run_whole_where_no_number_is_given() -> None:
    own = {"suite": "file", "prompts_from": "p60.txt"}
    assert load_settings(None, [], own).prompts == "all"
    assert load_settings(None, ["prompts=7"], own).prompts == 7
    assert load_settings(None, [], {"suite": "geneval", "prompts_from": None}).prompts == Settings().prompts == 48
    assert load_settings(None, [], own).run().run_name() == load_settings(None, ["prompts=all"], own).run().run_name()


def test_default_folder_in_and_outside_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(__file__).resolve().parents[2]
    monkeypatch.chdir(tmp_path)
    assert default_folder("x") == tmp_path.resolve() / "vistas-runs" / "x"
    if (root / ".git").exists():
        monkeypatch.chdir(root / "docs")
        assert default_folder("x") == root / "results" / "runs" / "x"
