"""A run that was stopped, damaged or asked for again: what is missing is made, what is another run is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import toy_world
from rich.console import Console
from toy_runs import BASE, assert_equal, before_each, run, stop_after

from harness.config import Settings
from harness.errors import WrongInput
from harness.run import planning, session, units
from harness.run.planning import kept_prompts
from harness.run.prepared import prepare_run
from harness.run.runner import finish_run
from harness.run.units import WorkUnit
from results.store import Store
from suites.geneval.suite import GenEvalSuite

pytestmark = pytest.mark.usefixtures("toys")


def test_several_verifiers_in_seconds_and_resume_with_the_speeds_of_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {
        "unit": "seconds", "budgets": (60,), "searches": ("random:candidates=3",), "models": ("toy-ar",),
        "verifiers": ("toy-judge", "toy-pair"), "chunk": 2,
    }  # fmt: skip
    with stop_after(1):
        run(tmp_path, **changes)
    part, *others = (tmp_path / "parts").iterdir()
    speeds, before = (tmp_path / "calibration.json").read_bytes(), part.stat().st_mtime_ns
    assert not others

    def again(*_: Any) -> None:
        raise AssertionError("speeds are measured once a run")

    monkeypatch.setattr(session, "calibrate", again)
    found = run(tmp_path, **changes)
    assert found["selections"].groupby("verifier")["considered"].unique().map(list).to_dict() == {
        "toy-judge": [3], "toy-pair": [3],
    }  # fmt: skip
    assert part.stat().st_mtime_ns == before
    assert part.stem in set(found["selections"]["unit"])
    assert (tmp_path / "calibration.json").read_bytes() == speeds
    (tmp_path / "calibration.json").write_text('{"toy-ar": [["predict", 0]]}')
    with pytest.raises(WrongInput, match="has damaged speeds"):
        run(tmp_path, **changes)


@pytest.mark.parametrize("units", [0, 1, 5])
def test_resumed_run_equals_uninterrupted_one(finished: Any, tmp_path: Path, units: int) -> None:
    with stop_after(units):
        run(tmp_path)
    assert len(list((tmp_path / "parts").glob("*.part"))) == units if units else not (tmp_path / "parts").exists()
    assert_equal(finished[1], run(tmp_path))


def test_interrupted_within_a_unit_leaves_nothing_half_way(
    finished: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(20))

    original = Store.save_image

    def save_some(store: Store, image: Any) -> str:
        if next(calls) == 12:
            raise KeyboardInterrupt
        return original(store, image)

    with monkeypatch.context() as patched:
        patched.setattr(Store, "save_image", save_some)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path)
    assert not list((tmp_path / "parts").glob("*"))
    assert_equal(finished[1], run(tmp_path))


def test_same_command_again_changes_nothing(tmp_path: Path) -> None:
    run(tmp_path, prompts=2, searches=("random",))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file() and path.name != ".lock"}
    with before_each(lambda unit: pytest.fail(f"made again: {unit.title}")):
        run(tmp_path, prompts=2, searches=("random",))
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file() and path.name != ".lock"}
    assert before == after


def test_damaged_part_and_lost_image_are_named_and_redone(
    finished: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = run(tmp_path)
    first, second, *_ = sorted((tmp_path / "parts").glob("*.part"))
    first.write_bytes(first.read_bytes()[:-7] + b"garbage")
    (tmp_path / whole["selections"].query(f"unit == '{second.stem}'")["image"].iloc[0]).unlink()
    again = run(tmp_path)
    said = capsys.readouterr().err
    assert f"damaged part {first}: checksum" in said
    assert f"damaged part {second}: its image" in said
    aside = {path.name for path in (tmp_path / "parts").glob("*.damaged")}
    assert aside >= {f"{first.name}.damaged", f"{second.name}.damaged"}  # units may share the lost image
    assert_equal(whole, again)
    assert_equal(finished[1], again)


def test_going_on_compares_no_unit_with_every_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of ten thousand units that is minutes."""
    with stop_after(3):
        run(tmp_path)
    prepared = prepare_run(Settings(**BASE), tmp_path)
    monkeypatch.setattr(WorkUnit, "__eq__", lambda one, other: pytest.fail("compared"))
    finish_run(prepared, Console(quiet=True))


def test_planning_asks_once_whose_images_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(planning, "kept_prompts", lambda *given: asked.append(given) or kept_prompts(*given))
    assert len(prepare_run(Settings(**BASE), tmp_path).units) > 1
    assert len(asked) == 1


def test_another_run_in_the_folder_is_refused(tmp_path: Path) -> None:
    run(tmp_path, prompts=2, searches=("random",), models=("toy-ar",))
    with pytest.raises(WrongInput, match=r"different run: configuration.prompts is 3 here and 2 there; .*--out"):
        run(tmp_path, prompts=3, searches=("random",), models=("toy-ar",))


def test_changed_weights_are_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {"prompts": 2, "searches": ("random",), "models": ("toy-ar",)}
    run(tmp_path, **changes)

    original = toy_world.toy_ar

    def other_weights(device: Any) -> Any:
        generator = original(device)
        generator.card = replace(generator.card, weights_sha256="2" * 64)
        return generator

    monkeypatch.setattr(toy_world, "toy_ar", other_weights)
    with pytest.raises(WrongInput, match=r"models\.toy-ar\.weights_sha256"):
        run(tmp_path, **changes)


def test_unit_keys_follow_what_is_graded_and_the_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def keys() -> list[str]:
        return [unit.key for unit in prepare_run(Settings(**BASE), tmp_path).units]

    before = keys()
    assert keys() == before
    original = GenEvalSuite.prompts

    def stricter(suite: Any, domain: Any) -> Any:
        return tuple(replace(prompt, metadata={**prompt.metadata, "more": 1}) for prompt in original(suite, domain))

    with monkeypatch.context() as patched:
        patched.setattr(GenEvalSuite, "prompts", stricter)
        assert not set(keys()) & set(before)
    original_load = toy_world.ToyVerifier.__init__

    def asking(self: Any, *given: Any) -> None:
        original_load(self, *given)
        self.card = replace(self.card, question="Is this {}?")

    with monkeypatch.context() as patched:
        patched.setattr(toy_world.ToyVerifier, "__init__", asking)
        asked = keys()
        assert not set(asked) & set(before)
    monkeypatch.setattr(units, "installed_version", lambda package: "0.0.0")
    assert not set(keys()) & set(before)


def test_a_verifier_that_asks_nothing_determines_a_unit_by_its_weights_alone(tmp_path: Path) -> None:
    card = next(iter(prepare_run(Settings(**BASE), tmp_path).session.verifiers.values())).card
    assert units._judging(card) == card.weights_sha256
