"""The likelihood verifier hears what the generator says of its own pictures, in a real search on the embedded model."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from rich.console import Console

from harness.compute.flops import count_flops
from harness.compute.ledger import Ledger
from harness.compute.meter import MeteredGenerator
from harness.config import Settings
from harness.errors import WrongInput
from harness.registry import entry
from harness.run.prepared import prepare_run
from harness.run.runner import finish_run
from models.base import Row
from verifiers.base import Verifier
from verifiers.likelihood import UNHEARD, Likelihood

BASE = {"models": ("shapes-infinity",), "searches": ("random",), "prompts": 1, "budgets": (15,), "metrics": ("shapes-clip",)}


def test_it_returns_what_the_generator_says_in_any_order() -> None:
    generator = entry("model", "shapes-infinity").resolve()("cpu")
    verifier = Likelihood()
    assert isinstance(verifier, Verifier)
    metered = MeteredGenerator(generator, Ledger(2), [verifier])
    texts = ["a photo of a red circle", "a photo of two stars"]
    with torch.inference_mode():
        state = metered.start(metered.encode(texts), [Row(0, 1), Row(1, 2), Row(0, 3)])
        for step in range(generator.card.steps):
            state = metered.draw(metered.predict(state), [step, step + 10, step + 20])
        images = metered.decode(state)
        expected = generator.log_prob(state).numpy()
    prompts = [texts[row.prompt] for row in state.rows]
    assert (expected < 0).all()
    assert verifier.score(images, prompts).values_NM[:, 0] == pytest.approx(expected)
    assert verifier.score(images[[2, 0]], [prompts[2], prompts[0]]).values_NM[:, 0] == pytest.approx(expected[[2, 0]])
    assert count_flops(lambda: verifier.score(images, prompts)) == verifier.price(3, 2).verifier_flops == 0
    other = verifier.score(images, prompts[::-1])
    assert [bool(reason) for reason in other.reasons] == [prompts[n] != prompts[2 - n] for n in range(3)]
    verifier.forget()
    scores = verifier.score(images, prompts)
    assert np.isnan(scores.values_NM).all()
    assert set(scores.reasons) == {UNHEARD}


@pytest.mark.parametrize("name", ["likelihood", "ensemble:likelihood=1,shapes-clip=2"])
def test_a_search_is_guided_by_it(name: str, tmp_path: Path) -> None:
    folder = finish_run(prepare_run(Settings(**BASE, verifiers=(name,)), tmp_path / "run"), Console(quiet=True))
    candidates = pd.read_parquet(folder / "candidates.parquet")
    chosen = pd.read_parquet(folder / "selections.parquet")
    assert len(candidates) == 3
    assert candidates["score"].notna().all()
    assert (candidates["reason"] == "").all()
    assert chosen["score"].tolist() == [candidates["score"].max()]
    scores = pd.read_parquet(folder / "scores.parquet").set_index("metric")["value"]
    assert scores["likelihood"] < 0


def test_it_measures_no_picture_and_guides_no_diffusion_model(tmp_path: Path) -> None:
    with pytest.raises(WrongInput, match="likelihood needs a model that is Prefixed and shapes-flux is not"):
        prepare_run(Settings(**BASE | {"models": ("shapes-infinity", "shapes-flux")}, verifiers=("likelihood",)), tmp_path)
    with pytest.raises(WrongInput, match="cannot be read off an image"):
        prepare_run(Settings(**BASE | {"metrics": ("likelihood",)}, verifiers=("shapes-clip",)), tmp_path)
