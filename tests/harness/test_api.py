"""vistas from Python: what docs/python.md says runs as it stands, and finds what the command finds."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from command_line import call
from torchvision.io import decode_image

from harness.api import Outcome, load_model, load_verifier, run_search
from harness.compute.ledger import Unit
from harness.errors import WrongInput
from harness.search.beam import Beam
from harness.seeds import Seeds
from results.schema import TABLES

PAGE = (Path(__file__).parents[2] / "docs" / "python.md").read_text(encoding="utf-8")
TEXTS = ["two blue circles", "a red star above a green square"]


@pytest.fixture(scope="module")
def model() -> Any:
    return load_model("shapes-infinity", device="cpu")


@pytest.fixture(scope="module")
def verifier() -> Any:
    return load_verifier("shapes-clip", device="cpu")


@pytest.mark.usefixtures("unreported")
def test_the_page_runs_as_it_stands_and_a_search_is_the_commands_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["run", "geneval", "--model", "shapes-infinity", "--search", "beam:width=2", "--budget", "60", "--prompts", "1"]
    result = call(*arguments, "--out", str(tmp_path))
    assert result.exit_code == 0, result.output
    names: dict[str, Any] = {"RUN": tmp_path}
    for block in re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL):
        exec(block, names)
    assert len(names["grades"]) == 4
    assert names["levels_apart"] < 1
    assert Path("curves.pdf").stat().st_size > 5000
    assert names["best_so_far"].is_monotonic_increasing
    overall = names["points"].query("task == 'overall' and metric == 'shapes-reward'")
    assert overall["mean"].tolist() == pytest.approx([names["selections"]["score"].mean()])

    row = names["selections"].iloc[0]
    (prompt,) = [one for one in names["suite"].prompts("shapes") if one.id == row["prompt_id"]]
    (found,) = run_search("beam:width=2", names["model"], names["verifier"], [prompt], 60, suite="geneval@shapes")
    assert found.score == pytest.approx(row["score"], abs=1e-4)
    assert (found.spent.nfe, found.spent.flops) == (row["nfe"], row["flops"])
    apart = (found.image.int() - decode_image(str(tmp_path / row["image"])).int()).abs()
    assert apart.max() <= 2  # levels of 255: rows of another prompt were beside it


def test_a_pipeline_draws_a_seeds_noise_itself_in_any_number_format() -> None:
    """What docs/python.md says of `generator=`."""
    flux, seed = load_model("shapes-flux", device="cpu"), Seeds(0, "geneval@shapes").at("00007", (2,), -1)
    pipeline, (rows, columns) = flux.adapter.pipeline, flux.adapter.made_size
    for dtype in (torch.float32, torch.bfloat16):
        channels, generator = pipeline.transformer.config.in_channels // 4, torch.Generator("cpu").manual_seed(seed)
        drawn, _ = pipeline.prepare_latents(1, channels, rows, columns, dtype, "cpu", generator)
        assert torch.equal(flux.noise([seed]).to(dtype), drawn), dtype


@pytest.mark.parametrize("unit", list(Unit))
def test_an_outcome_is_the_best_of_its_candidates_within_the_budget(
    unit: str, model: Any, verifier: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.compute.repeats.FILLED", 0.0)  # seconds are measured no more often than they must be
    budget = {"nfe": 60, "flops": 4e9, "images": 4, "seconds": 60.0}[unit]
    search = Beam(width=2) if unit == "nfe" else "random:candidates=4"
    for found in run_search(search, model, verifier, TEXTS, budget, unit, max_rows=8):
        table = found.candidates
        best = int(np.nanargmax(table["score"]))
        assert found.score == table["score"][best]
        assert torch.equal(found.image, found.images[best])
        assert found.picture.size == (48, 48)
        assert found.spent.amount(Unit(unit)) <= budget
        assert len(table) == len(found.images) == found.spent.verifier_calls
        assert [*table.columns] == [name for name in (column.name for column in TABLES["candidates"]) if name in table.columns]


def test_a_prompt_has_the_same_candidates_whatever_stands_beside_it(model: Any, verifier: Any) -> None:
    both = run_search("random", model, verifier, TEXTS, 20)
    (alone,) = run_search("random", model, verifier, TEXTS[1:], 20, max_rows=1)
    (other,) = run_search("random", model, verifier, TEXTS[1:], 20, seed=1)
    pd.testing.assert_series_equal(both[1].candidates["score"], alone.candidates["score"], rtol=0, atol=1e-4)
    assert not np.allclose(alone.candidates["score"], other.candidates["score"])
    (same,) = run_search("random", model, verifier, TEXTS[1], 20)
    assert same.score == pytest.approx(alone.score, abs=1e-4)
    assert run_search("random", model, verifier, [], 20) == []


@pytest.mark.parametrize(("asked", "message"), [
    (("bem", 60, "nfe"), "unknown search 'bem'; did you mean beam"),
    (("zero-order", 60, "nfe"), "zero-order searches diffusion models and shapes-infinity is an ar model"),
    (("beam", 60, "nfes"), "unknown unit 'nfes'; did you mean nfe"),
    (("beam", float("nan"), "nfe"), "budget nan is not a number from 0: give what a prompt may spend"),
    (("beam", 20, "nfe"), "the smallest that can is 60 NFE"),
])  # fmt: skip
def test_what_cannot_be_is_said_in_a_line(asked: tuple[str, float, str], message: str, model: Any, verifier: Any) -> None:
    search, budget, unit = asked
    with pytest.raises(WrongInput, match=re.escape(message)):
        run_search(search, model, verifier, TEXTS, budget, unit)


@pytest.mark.parametrize(("options", "message"), [
    ({"budget": "60"}, "budget '60' is text: give a number, budget=60"),
    ({"budget": "5G"}, r"give a number, budget=5e\+09"), ({"unit": None}, "unknown unit 'None'"),
    ({"max_rows": 0}, "max_rows=0 is not"), ({"seed": "x"}, "seed 'x' is not a whole number: give seed=0"),
    ({"seed": 1.5}, "seed 1.5 is not"), ({"max_rows": "8"}, "max_rows='8' is not"), ({"suite": None}, "suite None is not text"),
])  # fmt: skip
def test_options_that_are_none_are_said_in_a_line(options: dict[str, Any], message: str, model: Any, verifier: Any) -> None:
    with pytest.raises(WrongInput, match=message):
        run_search("random", model, verifier, TEXTS, **{"budget": 20, **options})


@pytest.mark.parametrize(("prompts", "message"), [
    (["a red star", 5], "prompt 1, 5, is not text: give texts, or prompts of a suite"), (None, "prompts None are no texts"),
    (["an astronaut riding a horse", "猫"], "the embedded models know no word of the 2 prompts ('astronaut', 'riding', 'horse', '猫')"),
    (["a turquoise hexagon", "a red star"], "the embedded models know no word of 1 of 2 prompts ('a turquoise hexagon'): "),
])  # fmt: skip
def test_what_is_no_prompt_is_said_in_a_line(prompts: Any, message: str, model: Any, verifier: Any) -> None:
    with pytest.raises(WrongInput, match=re.escape(message)):
        run_search("random", model, verifier, prompts, 20)


def test_words_that_the_model_does_not_know_are_warned_of(model: Any, verifier: Any) -> None:
    with pytest.warns(UserWarning, match="unknown words: 1 of 2 prompts have words that the embedded models do not know: 'cat'") as warned:
        run_search("random", model, verifier, ["a red cat", "a red star"], 10)
    assert warned[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run_search("random", model, verifier, TEXTS, 10)


def test_a_device_of_torchs_is_one_as_its_name_is() -> None:
    device = torch.device("cpu")
    assert load_model("shapes-flux", device=device).device == device
    assert load_verifier("shapes-clip", device=device).card.name == "shapes-clip"
    with pytest.raises(WrongInput, match="device 'None' is no kind of device"):
        load_verifier("shapes-clip", device=None)  # type: ignore[arg-type]


def test_names_and_swapped_arguments_are_told_what_to_give(model: Any, verifier: Any) -> None:
    for given, message in (
        (("shapes-infinity", "shapes-clip"), "model 'shapes-infinity' is a name: load it first, load_model('shapes-infinity')"),
        ((model, "shapes-clip"), "verifier 'shapes-clip' is a name: load it first, load_verifier('shapes-clip')"),
        ((verifier, model), "verifier shapes-clip stands in the model's place: the order is search, model, verifier, prompts"),
        ((model, None), "verifier None is none: give what load_verifier returns"),
        ((model, model), "is none: give what load_verifier returns"),
    ):
        with pytest.raises(WrongInput, match=re.escape(message)):
            run_search("random", *given, TEXTS, 20)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [None, 5, ["shapes-clip"]])
def test_what_is_no_name_and_no_folder_is_told_what_to_give(given: Any, model: Any, verifier: Any) -> None:
    for wrong, message in (
        (lambda: load_model(given), f"model {given!r} is not text: give a name, load_model('shapes-infinity')"),
        (lambda: load_verifier(given), f"verifier {given!r} is not text: give a name, load_verifier('shapes-clip')"),
        (lambda: run_search(given, model, verifier, TEXTS, 20), f'search {given!r} is none: give a name, "random", or a search'),
        (lambda: run_search(Beam, model, verifier, TEXTS, 20), "Beam'> is none: give a name"),  # type: ignore[arg-type]
        (lambda: load_model("flux-dev", weights=given), f"weights {given!r} are no names with folders: give weights={{"),
        (lambda: load_model("flux-dev", weights={"flux-dev": given}), " are no names with folders"),
    ):
        with pytest.raises(WrongInput, match=re.escape(message)):
            wrong()


def test_errors_name_arguments_and_not_options(model: Any, verifier: Any) -> None:
    for wrong, message in (
        (lambda: run_search("random", model, verifier, TEXTS, 2), "give budget=5 or more"),
        (lambda: run_search("random,beam", model, verifier, TEXTS, 2), "these are 2, give one at a time"),
        (lambda: load_model("flux-dev"), 'or give a local folder with weights={"flux-dev": "PATH"}'),
        (lambda: load_model("flux-dev", weights={"flux": "/x"}), "weights={\"flux\": \"/x\"}: 'flux' has no published weights"),
        (lambda: load_model("flux-dev", weights={"flux-dev": "/a--b/c--d"}), "/a--b/c--d "),
    ):
        with pytest.raises(WrongInput, match=re.escape(message)) as error:
            wrong()
        assert " --" not in str(error.value)


def test_a_verifier_that_does_not_fit_the_model_is_refused(model: Any, verifier: Any) -> None:
    with pytest.raises(WrongInput, match="verifier likelihood needs a model that is Prefixed and shapes-flux is not"):
        run_search("random", load_model("shapes-flux", device="cpu"), load_verifier("likelihood"), TEXTS, 20)
    photo = SimpleNamespace(card=replace(verifier.card, domain="photo"))
    with pytest.raises(WrongInput, match="verifier shapes-clip judges photo images and shapes-infinity makes shapes images"):
        run_search("random", model, photo, TEXTS, 20)  # type: ignore[arg-type]


def test_local_weights_are_looked_for_where_they_are_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match=f"weights {tmp_path / 'nowhere'} of FoundationVision/Infinity: give a folder that is there"):
        load_model("infinity-2b", weights={"infinity-2b": tmp_path / "nowhere"})


def test_no_picture_says_why(model: Any, verifier: Any) -> None:
    (found,) = run_search("random", model, verifier, [" "], 10)
    assert isinstance(found, Outcome)
    assert found.image is None
    with pytest.raises(ValueError, match="there is no picture of ' ': no candidate could be scored"):
        found.picture  # noqa: B018


def test_memory_that_runs_out_is_met_with_half_of_the_batch_that_did(model: Any, verifier: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (expected,) = run_search("random", model, verifier, TEXTS[0], 30)
    predict, tried = type(model).predict, []

    def hungry(self: Any, state: Any) -> Any:
        tried.append(len(state.rows))
        if len(state.rows) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return predict(self, state)

    monkeypatch.setattr(type(model), "predict", hungry)
    (found,) = run_search("random", model, verifier, TEXTS[0], 30, max_rows=64)
    assert [rows for rows in tried if rows > 3] == [len(expected.candidates)]
    pd.testing.assert_series_equal(found.candidates["score"], expected.candidates["score"], rtol=0, atol=1e-4)
