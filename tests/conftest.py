"""What every test shares: no network, one thread, which is fastest for models this small, no wait for a disk, unpainted figures."""

import gc
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
gc.set_threshold(20_000)  # looked through less often: importing alone makes a million objects that stay


@pytest.fixture(scope="module", autouse=True)
def _what_is_there_stays() -> None:
    """What libraries, modules and earlier files have left stays to the end: collecting garbage, as a run short of memory does, need
    not walk through all of it every time: a tenth of the time went into it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    """What a test writes need not outlive a power failure; a test that asks what a sync does puts its own in this place."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="module")
def any_size() -> Iterator[None]:
    """Tiny networks stand for the published ones, which are told by their sizes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.weights.local.check_telling", lambda *_: None)
        yield


@pytest.fixture(scope="module")
def unchecked() -> Iterator[None]:
    """Folders are loaded without being looked through first, which takes as long: for tests of what models do that they wrote."""
    with pytest.MonkeyPatch.context() as patch:
        for family in ("diffusion", "infinity"):
            patch.setattr(f"models.{family}.published.check_folders", lambda *_: None)
        yield


@pytest.fixture(scope="module")
def once() -> Iterator[Callable[[Any, Mapping[str, Any]], Any]]:
    """Each data sheet is worked out once for a test file: doctor's are those that the tests ask for."""
    from models.sheet import sheet

    known: dict[str, Any] = {}

    def worked_out(model: Any, settings: Mapping[str, Any]) -> Any:
        key = f"{model.name} {sorted(settings.items())}"
        if key not in known:
            known[key] = sheet(model, settings)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.doctor.needs.sheet", worked_out)
        yield worked_out


@pytest.fixture
def prices_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Data sheets without the memory of passes and decoders, whose dry runs take most of a sheet's time."""
    from models.dry_run import DryRun

    for family in ("infinity", "diffusion", "janus"):
        monkeypatch.setattr(f"models.{family}.sheet.dry_run", lambda call: DryRun(0, 0))
    monkeypatch.setattr("models.infinity.memory.last_pass", lambda rollout: 0)


def _lay_out(figure: Any, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if name == "gallery":  # the others are laid out as SVG
        figure.draw_without_rendering()


@pytest.fixture(scope="module")
def module_coarse() -> Iterator[None]:
    """Reports with all their figures, as PNG of few pixels, which take most of a report's time: for tests that look at none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reports.style.DPI", 20)
        yield


@pytest.fixture
def unpainted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports with figures as SVG and none as PNG, all laid out: for tests of what a report says."""
    monkeypatch.setattr("reports.style.save_png", _lay_out)


@pytest.fixture
def unreported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs without their reports, which take most of a run's time: for tests of all else."""
    monkeypatch.setattr("harness.commands.finishing.build_report", lambda *_: None)


def _draw_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("reports.build._figures", lambda *_: {"tree": ""})
    patch.setattr("reports.build._verifier_figures", lambda *_: {})


@pytest.fixture(scope="module")
def module_without_figures() -> Iterator[None]:
    """Reports without figures: for tests of the words and tables of a report whose like others have drawn."""
    with pytest.MonkeyPatch.context() as patch:
        _draw_nothing(patch)
        yield


@pytest.fixture
def without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for one test."""
    _draw_nothing(monkeypatch)
