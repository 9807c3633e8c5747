"""The command line: light until a command needs weight, errors in one line, exit codes."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import toy_world
from command_line import call
from typer.testing import Result

from harness import registry
from harness.cli import COMMANDS
from harness.commands import finishing
from harness.commands.exits import Terminated
from harness.config import Settings
from harness.errors import DamagedWeights
from results.files import locked
from results.store import Store

pytestmark = pytest.mark.usefixtures("toys")

RUN = ["run", "geneval", "--model", "toy-ar", "--search", "random", "--verifier", "toy-judge", "--prompts", "2",
       "--set", "metrics=[]"]  # fmt: skip


def one_line(result: Result) -> str:
    """What is said besides that things are loaded."""
    lines = [line for line in result.stderr.strip().splitlines() if not line.startswith("loading ")]
    assert len(lines) == 1, result.stderr
    return lines[0]


def test_help_and_list_do_not_import_torch() -> None:
    code = (
        "import sys, typer.testing, harness.cli\n"
        "for arguments in sys.argv[1:]:\n"
        "    result = typer.testing.CliRunner().invoke(harness.cli.app, arguments.split())\n"
        "    assert result.exit_code == 0 and result.stdout, (arguments, result.output)\n"
        "    heavy = {'torch', 'diffusers', 'transformers', 'pyarrow', 'pandas', 'matplotlib'} & set(sys.modules)\n"
        "    assert not heavy, (arguments, heavy)"
    )
    asked = ("--help", "run --help", "plan --help", "list", "list models")
    done = subprocess.run([sys.executable, "-c", code, *asked], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_help_cuts_no_command_short_at_eighty_columns() -> None:
    said = call("--help", columns="80").stdout
    for name, (_, line) in COMMANDS.items():
        assert any(text.split() == [name, *line.split()] for text in said.splitlines()), f"{name}: {said}"


def test_what_is_known_at_once_is_refused_before_libraries_are_loaded(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/photo.png").touch()
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy/manifest.json.bak").touch()
    (tmp_path / "none.jsonl").write_text('{"prompt": "a\\u0007b"}\n')
    (tmp_path / "kind.pdf").touch()
    (tmp_path / "run/parts").mkdir(parents=True)
    (tmp_path / "run/manifest.json").touch()
    (tmp_path / "two.txt").write_text("a red circle\na blue star\n")
    head = "model,device,versions,settings,operation,step,rows,seconds"
    (tmp_path / "tiny.csv").write_text(f'{head}\nflux-dev:steps=2,a,b,"{{""tiny"": true}}",encode,0,1,1.0\n')
    refused = [
        (["run", "genevl"], "unknown suite 'genevl'; did you mean geneval?"),
        (["run", "geneval@shapes"], "unknown suite 'geneval@shapes': give geneval, whose vocabulary, behind the @, is that of the models"),
        (["plan", "geneval", "--model", "shapes-infinity+shapes-flx"], "unknown model 'shapes-flx'"),
        (["run", "geneval", "--search", "randm"], "unknown search 'randm'; did you mean random?"),
        (["run", "geneval", "--search", "adaptive:search=randm:candidates=2"], "unknown search 'randm'"),
        (["plan", "geneval", "--verifier", "cascade:cheap=shapes-clp,expensive=shapes-clip,keep=1"], "unknown verifier 'shapes-clp'"),
        (["plan", "geneval", "--set", "metrics=shapes-clp"], "unknown verifier 'shapes-clp'"),
        (["run", "geneval", "--out", str(tmp_path / "other")], f"{tmp_path / 'other'} is not empty and holds no run"),
        (["run", "geneval", "--out", str(tmp_path / "copy")], f"{tmp_path / 'copy'} is not empty and holds no run"),
        (["run", "geneval", "--search", "adaptive:search=random,rounds=3"], "write adaptive:rounds=3,search=random"),
        (["run", "geneval", "--search", "search=random"], "unknown search 'search=random'"),
        (["ablate", "reuse", "--out", str(tmp_path / "other")], f"{tmp_path / 'other'} is not empty and holds no run"),
        (["run", "--suite-file", str(tmp_path / "kind.pdf")], "is none of .csv"),
        (["run", "--suite-file", str(tmp_path / "none.jsonl")], "can be run: none.jsonl line 1: prompt holds control character"),
        (["run", "geneval", "--shard", "2/2", "--out", str(tmp_path / "new")], "--shard '2/2' is not K/N with K from 0 to N - 1"),
        (["plan", "geneval", "--shard", "one"], "--shard 'one' is not K/N with K from 0 to N - 1"),
        (["plan", "geneval", "--speeds", str(tmp_path / "two.txt")], "two.txt is no file of vistas bench-model --csv"),
        (["plan", "--model", "flux-dev", "--speeds", str(tmp_path / "tiny.csv")], "--speeds has flux-dev:steps=2 shrunk by --tiny"),
        (["plan", "--model", "sdxl", "--speeds", str(tmp_path / "tiny.csv")], "--speeds says nothing of sdxl: measure it where it shall "),
        (["plan", "--speeds", str(tmp_path / "tiny.csv"), "--calibrate"], "--calibrate measures here and --speeds takes what was measured"),
        (["bench-model", "shapes-flux", "--tiny"], "--tiny shrinks published models, and shapes-flux is none: leave it out"),
        (["bench-model", "shapes-infinity+shapes-flux"], "shapes-infinity+shapes-flux is a pair: name one of its models at a time"),
        (["bench-model", "flux-dev"], "bench-model measures random weights only, it does not read those of flux-dev"),
        (["bench-model", "shapes-flux", "--batch", "x"], "--batch 'x' is not a list of whole numbers from 1"),
        (["bench-model", "shapes-flux", "--prompts", "0"], "--prompts 0 is not from 1 to 554"),
        (["bench-model", "shapes-flux", "--device", "gpu"], "device 'gpu' is no kind of device: did you mean cuda?"),
        (["bench-model", "shapes-flux", "--device", "cuda:0,cuda:1", "--offload", "text"], "--offload does not go with several devices"),
        (["bench-model", "shapes-flux", "--csv", str(tmp_path / "two.txt/x.csv")], "two.txt is a file, not a folder"),
        (["doctor", "--device", "gpu"], "device 'gpu' is no kind of device: did you mean cuda?"),
        (["score", str(tmp_path), "--device", "gpu"], "device 'gpu' is no kind of device: did you mean cuda?"),
        (["doctor", "infinity-2b", "--memory", "-3"], "--memory '-3' is no list of GB"),
        (["doctor", "image-rewrd"], "unknown model, verifier or grader 'image-rewrd'; did you mean image-reward or shapes-reward? known "),
        (["bench-model", "flux-dv", "--random-weights"], "unknown model 'flux-dv'"),
        *((["run", suite, "--prompts", "9999"], f"--prompts 9999: 9999 prompts asked for: give a number from 1 to {number}, or all")
          for suite, number in (("geneval", 343), ("drawbench", 180), ("t2i-compbench", 200))),
        (["plan", "--suite-file", str(tmp_path / "two.txt"), "--prompts", "3"], "3 prompts asked for: give a number from 1 to 2, or all"),
        (["run", "parti", "--model", "shapes-infinity"], "parti has no prompts in the shapes vocabulary"),
        (["run", "file"], "suite file has no file: write --suite-file PATH in place of its name"),
        (["plan", "--model", "flux-dev", "--model", "shapes-flux"], "models of different domains share no prompts (flux-dev is photo, "),
        *((["plan", "--model", "flux-dev", "--weights", f"{name}=/nowhere"], "weights /nowhere of ")
          for name in ("flux-dev", "image-reward", "clip-score", "geneval-grader.detector")),
        (["run", "geneval", "--shard", "0/2"], "--shard 0/2 needs --out: all 2 shards write into one folder; give each the same --out DIR"),
        (["run", "--set", "device=gpu"], "device 'gpu' is no kind of device: did you mean cuda? give auto (an accelerator"),
        (["run", "--budget", "30,1e12"], "a budget of 1e+12 nfe for each prompt is more than any search plans: is it in --unit flops?"),
        (["score", "/nonexist"], "/nonexist is no folder: give one with images"),
        (["score", str(tmp_path / "run")], f"{tmp_path / 'run'} is a run, whose images have scores: `vistas report {tmp_path / 'run'}`"),
        (["score", str(tmp_path), "--suite", "genevl"], "unknown suite 'genevl'"),
        (["run", "--search", "beam:width=two"], "width=two is not a whole number from 1"),
        (["plan", "--search", "adaptive:search=beam:score=previews"], "score=previews is not "),
        *((["run", "--search", f"{name}:widht=2"], f"search '{name}:widht=2'") for name in registry.entries("search")),
    ]
    code = (
        "import json, sys, typer.testing, harness.cli\n"
        "for arguments, said in json.load(sys.stdin):\n"
        "    result = typer.testing.CliRunner().invoke(harness.cli.app, arguments)\n"
        "    assert result.exit_code == 2 and said in result.stderr, (arguments, result.output)\n"
        "    assert len(result.stderr.splitlines()) == 1, result.stderr\n"
        "    heavy = {'torch', 'diffusers', 'transformers', 'pandas', 'pyarrow', 'matplotlib'} & set(sys.modules)\n"
        "    assert not heavy, (arguments, heavy)"
    )
    done = subprocess.run([sys.executable, "-c", code], input=json.dumps(refused), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_list_names_everything() -> None:
    listed = call("list").stdout
    for table in (registry.MODELS, registry.SEARCHES, registry.VERIFIERS, registry.SUITES):
        assert all(f"  {name}" in listed for name in table)
    assert "shapes-clip" not in call("list", "searches").stdout


def test_list_prints_numbers_of_papers_by_suite_and_model() -> None:
    result = call("list", "published", "--suite", "geneval", "--model", "infinity-8b")
    assert result.exit_code == 0, result.output
    assert "N = 4" in result.stdout
    assert "0.819" in result.stdout
    assert "reported: quoted by a third party" in result.stdout
    assert "https://arxiv.org/abs/2507.18537" in result.stdout
    assert "drawbench" not in result.stdout
    assert "0.83 " not in result.stdout, "that is another model's"


def test_run_has_exactly_the_stable_options() -> None:
    shown = call("run", "--help").stdout
    for option in ("model", "search", "verifier", "budget", "unit", "prompts", "seed", "out", "config", "set", "profile"):
        assert f"--{option}" in shown


def test_every_setting_is_listed_with_its_meaning() -> None:
    lines = call("list", "settings").stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(Settings.model_fields)
    assert "chunk         Prompts of one unit: what is advanced together, and what an interruption loses. [8]" in lines
    assert not [line for line in lines if "  [" in line]


@pytest.mark.parametrize("command", ["run", "plan", "ablate", "score", "export", "list"])
def test_options_say_what_they_take_in_words(command: str) -> None:
    assert not [line for line in call(command, "--help").stdout.splitlines() if "  --" in line and "list[" in line]


def test_run_ends_with_the_report_and_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[Any] = []

    def build(folders: list[Path], out: Path) -> None:
        built.append((folders, out))

    monkeypatch.setattr(finishing, "build_report", build)
    result = call(*RUN, "--budget", "3,6", "--out", str(tmp_path), "--profile", "--set", "chunk=1")
    assert result.exit_code == 0, result.output
    assert built == [([tmp_path], tmp_path / "report")]
    assert "2 of 2 units" in result.stderr
    assert "forward passes" in result.stderr
    assert (tmp_path / "profile.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "genevl"], "unknown suite 'genevl'; did you mean geneval"),
        (["run", "geneval", "--model", "shapes-flx"], "unknown model 'shapes-flx'; did you mean shapes-flux"),
        (["run", "geneval", "--search", "random,beam"],
         "unknown search 'random,beam': these are 2, repeat --search for each: --search random --search beam"),
        (["run", "--model", "shapes-flux,toy-ar"], "repeat --model for each: --model shapes-flux --model toy-ar"),
        (["run", "geneval", "--search", "rndom"], "unknown search 'rndom'; did you mean random"),
        (["run", "geneval", "--verifier", "shapes-clp"], "unknown verifier 'shapes-clp'; did you mean shapes-clip"),
        (["list", "modls"], "unknown kind 'modls'; did you mean models? known: models, searches"),
        (["list", "published", "--suite", "genevl"], "no suite 'genevl' among these numbers; did you mean geneval? there are: "),
        (["list", "published", "--model", "flux"], "no model 'flux' among these numbers; did you mean flux-dev?"),
        (["list", "models", "--suite", "geneval"], "--suite goes with published"),
        (["list", "published", "--prices"], "--prices with models"),
        (["list", "searches", "--prices"], "--prices and --model are about models, not searches: give `vistas list models --prices`"),
        (["run", "geneval", "--budget", "6;12"], "budgets='6;12': not a list of numbers: write 6,12,24"),
        (["run", "geneval", "--unit", "hours"], "unit='hours'"),
        (["run", "geneval", "--unit", "flop"], "unit='flop' is not one of nfe, flops, images, seconds (did you mean flops?)"),
        (["run", "geneval", "--seed", "0,x"], "seeds='x' is not a whole number"),
        (["report", "one", "./one", "--out", "both"], "one is given more than once: give each run once"),
        (["run", "geneval", "--set", "promts=3"], "did you mean prompts"),
        ([*RUN, "--budget", "1"], "toy-ar with random cannot run under 1 NFE: one image costs 3 NFE; give --budget 3 or more"),
        ([*RUN[:4], *RUN[6:], "--search", "zero-order", "--search", "paths"], "search zero-order, paths fits none of the models: "),
        (
            [*RUN[:4], *RUN[6:], "--model", "toy-diffusion", "--search", "paths"],
            "search paths fits none of the models: paths searches diffusion models and toy-ar is an ar model; "
            "paths needs a model that is Renoisable and toy-diffusion is not; give a search that fits with --search, ",
        ),
        (["report", "nowhere"], "nowhere"),
        (["run", "geneval", "--suite-file", "nowhere.txt"], "--suite-file nowhere.txt is not there: give a file of prompts"),
        (["report", "one", "other"], "a report of 2 runs belongs to none of their folders: say where with --out"),
    ],
)
def test_wrong_input_is_one_line_and_code_2(arguments: list[str], message: str) -> None:
    result = call(*arguments)
    assert result.exit_code == 2, result.output
    line = one_line(result)
    assert line.startswith("vistas: ")
    assert message in line


def test_a_failure_is_one_line_and_code_1_with_a_traceback_only_on_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode(*_: Any) -> None:
        raise RuntimeError("the verifier\nexploded")

    monkeypatch.setattr(toy_world.ToyVerifier, "score", explode)
    result = call(*RUN, "--out", str(tmp_path))
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == (
        "vistas: failed: 1 unit: toy-ar random by toy-judge at 5, 10, 30, 60, 120 NFE, seed 0, 2 prompts, 00129 to 00275 (RuntimeError: "
        f"the verifier exploded); what is finished is kept, and {tmp_path / 'failed'} has the traceback of each: see to that and give "
        "the same command again, which tries what is missing (--debug shows where)"
    )
    assert "Traceback" not in result.stderr
    assert ", in explode\n" in call(*RUN, "--out", str(tmp_path), "--debug").stderr


def test_a_file_that_fails_is_named_with_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(*_: Any) -> None:
        raise OSError(errno.EIO, "Input/output error", "/weights/one")

    monkeypatch.setattr(toy_world.ToyVerifier, "score", unreadable)
    result = call(*RUN, "--out", str(tmp_path))
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == (
        "vistas: failed: 1 unit: toy-ar random by toy-judge at 5, 10, 30, 60, 120 NFE, seed 0, 2 prompts, 00129 to 00275 (OSError: [Errno "
        f"5] Input/output error: '/weights/one'); what is finished is kept, and {tmp_path / 'failed'} has the traceback of each: see to "
        "that and give the same command again, which tries what is missing (--debug shows where)"
    )


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ValueError("2 rows for 3 seeds"), 1, "vistas: failed: ValueError: 2 rows for 3 seeds (--debug shows where)"),
        (DamagedWeights("toy.safetensors is damaged"), 2, "vistas: toy.safetensors is damaged"),
    ],
)
def test_a_bug_is_a_failure_and_a_damaged_file_is_not(
    monkeypatch: pytest.MonkeyPatch, error: Exception, code: int, said: str
) -> None:
    def load(device: Any) -> None:
        raise error

    monkeypatch.setattr(toy_world, "toy_ar", load)
    result = call(*RUN)
    assert result.exit_code == code
    assert one_line(result) == said


def test_a_full_disk_is_one_line_and_code_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    result = call(*RUN, "--budget", "3,6", "--out", str(tmp_path))
    assert result.exit_code == 1
    line = result.stderr.splitlines()[-1]
    assert "no space left on disk" in line
    assert str(tmp_path) in line
    assert "free space and give the same command again" in line


@pytest.mark.parametrize("arguments", [RUN, ["ablate", "reuse"]])
def test_a_folder_that_cannot_be_written_to_is_refused_before_anything_is_loaded(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: Any, **__: Any) -> None:
        raise AssertionError("something was prepared")

    monkeypatch.setattr("harness.run.prepared.prepare_run", load)
    (tmp_path / "file").write_text("")
    for folder, said in (
        (tmp_path / "file", f"{tmp_path / 'file'} is a file, not a folder: give a folder with --out"),
        (tmp_path / "file/run", f"lies in {tmp_path / 'file'}, which is a file, not a folder: give a folder with --out"),
        (Path("/proc/foo"), "/proc/foo cannot be written to (No such file or directory): give another folder with --out"),
    ):
        result = call(*arguments, "--out", str(folder))
        assert result.exit_code == 2, result.output
        assert said in one_line(result)
    assert "something was prepared" in call("plan", *RUN[1:], "--out", "/proc/foo").stderr


def test_a_disk_that_fills_up_anywhere_is_one_line_and_code_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(finishing, "finish", full)
    result = call(*RUN, "--out", str(tmp_path))
    assert result.exit_code == 1
    assert one_line(result) == f"vistas: failed: no space left on disk in {tmp_path}: free space and give the same command again"


def test_a_full_disk_is_said_before_anything_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.NamedTemporaryFile", full)
    result = call(*RUN, "--out", str(tmp_path / "run"))
    assert result.exit_code == 1
    assert f"no space left on disk in {tmp_path / 'run'}" in one_line(result)
    assert not list(tmp_path.iterdir())
    assert "Traceback" not in result.stderr


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    with locked(tmp_path):
        result = call(*RUN, "--out", str(tmp_path))
    assert result.exit_code == 2
    assert "another process is writing" in result.stderr.splitlines()[-1]


def test_a_reader_that_has_had_enough_is_no_failure() -> None:
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "harness", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == "models:\n"
    process.stdout.close()
    assert process.stderr.read() == ""


@pytest.mark.parametrize(
    ("arguments", "more"),
    [(RUN, ": no unit was begun, nothing is lost"), (["ablate", "reuse"], ": no unit was begun, nothing is lost"),
     (["plan", *RUN[1:]], ""), (["ablate", "reuse", "--plan"], "")],
)  # fmt: skip
def test_what_is_ended_before_its_first_unit_says_that_nothing_is_lost(
    arguments: list[str], more: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(*_: Any, **__: Any) -> None:
        raise Terminated

    monkeypatch.setattr("harness.run.prepared.prepare_run", end)
    result = call(*arguments, "--out", str(tmp_path))
    assert result.exit_code == 143
    assert one_line(result) == f"vistas: terminated{more}"


@pytest.mark.usefixtures("unreported")
def test_what_takes_time_is_said_and_what_is_kept_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = [*RUN[:4], "--search", "random:candidates=2", *RUN[6:], "--budget", "6", "--unit", "seconds", "--set", "chunk=1",
             "--out", str(tmp_path)]  # fmt: skip
    saved: list[str] = []
    save = Store.save

    def stop(store: Store, key: str, rows: Any, source: str) -> None:
        if len(saved) == most:
            raise KeyboardInterrupt
        saved.append(key)
        save(store, key, rows, source)

    with monkeypatch.context() as patched:
        patched.setattr(Store, "save", stop)
        most = 0
        first = call(*asked)
        most = 1
        second = call(*asked)
    assert (first.exit_code, second.exit_code) == (130, 130)
    assert first.stderr.splitlines()[-1] == (
        "vistas: interrupted: no unit was finished, nothing is kept; give the same command again to go on"
    )
    assert first.stderr.startswith("loading libraries for toy-ar\nloading toy-ar and toy-judge\ncalibrating: every operation")
    assert "2 units, each one search of one model on up to 1 prompt, into" in first.stderr
    assert "\nunit 1 of 2: toy-ar random:candidates=2 by toy-judge at 6 s, seed 0, prompt " in first.stderr
    kept = f"1 finished unit is kept in {tmp_path}; give the same command again to go on"
    assert second.stderr.splitlines()[-1] == f"vistas: interrupted: {kept}"
    third = call(*asked)
    assert third.exit_code == 0
    assert "calibrating" not in third.stderr
    assert "going on: 1 of 2 units is there\n" in third.stderr
    assert "1 unit done now, 1 was there\n" in third.stderr


def test_flags_win_over_set_and_set_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("prompts: 4\nseeds: [3]\nbudgets: 12\n")
    asked = ["plan", *RUN[1:-4], *RUN[-2:], "--config", str(tmp_path / "run.yaml"), "--set", "prompts=3", "--set", "budgets=6", "--json"]
    found = json.loads(call(*asked, "--prompts", "2").stdout)["searches"][0]
    assert (found["prompts"], found["budget"]) == (2, 6)
    assert json.loads(call(*asked).stdout)["searches"][0]["prompts"] == 3
    assert "--set and flags win" in " ".join(call("run", "--help").stdout.split())


def test_a_file_as_the_suite_is_asked_for_as_one(tmp_path: Path) -> None:
    file = tmp_path / "p.txt"
    file.write_text("a red circle\n")
    assert one_line(call("plan", str(file))) == f"vistas: suite {str(file)!r} is a file: write --suite-file {file} to run its prompts"


@pytest.mark.parametrize(("typed", "seeds"), [
    (["--seed", "0,1"], [0, 1]), (["--seed", "0, 1", "--seed", "5"], [0, 1, 5]), (["--set", "seeds=0,1"], [0, 1]),
])  # fmt: skip
def test_seeds_may_be_one_text_as_budgets_may(typed: list[str], seeds: list[int]) -> None:
    found = json.loads(call("plan", *RUN[1:], "--budget", "6", *typed, "--json").stdout)["searches"][0]
    assert found["seeds"] == len(seeds)


def test_a_unit_is_taken_in_any_case() -> None:
    found = json.loads(call("plan", *RUN[1:], "--budget", "6", "--unit", "NFE", "--json").stdout)["searches"][0]
    assert found["unit"] == "nfe"
