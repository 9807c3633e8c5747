"""Plans of published models and verifiers whose weights are not here: prices from configurations, and nothing that needs more."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import call
from safetensors.torch import save_file

from harness.config import Settings
from harness.devices import pick_devices
from harness.errors import WrongInput
from harness.run.prepared import prepare_run
from harness.weights.absent import MissingWeights
from verifiers.random_weights import BUILDERS
from verifiers.spec import parse_verifier

README = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
BASE: dict[str, Any] = dict(
    models=("infinity-2b", "pixart-sigma"), verifiers=("image-reward",), metrics=(), searches=("random",), unit="flops", budgets=(6e14,),
    prompts=6,
)  # fmt: skip


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))


def test_a_plan_needs_no_weights_and_a_run_does(tmp_path: Path) -> None:
    prepared = prepare_run(Settings(**BASE), tmp_path / "run", outlines=True)
    said = "as weights are not here: infinity-2b, pixart-sigma, image-reward; `vistas fetch infinity-2b pixart-sigma image-reward`"
    assert said in " ".join(prepared.notes)
    planned = {unit.model: unit.planned_flops for unit in prepared.units}
    own = {"infinity-2b": 2 * 57.6e12 + 9.85e12, "pixart-sigma": 20 * 2 * 6.63e12 + 10.5e12}
    for name, flops in own.items():
        image = flops + prepared.session.verifiers["image-reward"].price(1).flops
        assert planned[name] == pytest.approx(6 * (6e14 // image) * image, rel=0.01)
    for settings in (BASE, {**BASE, "unit": "seconds", "budgets": (60.0,)}):
        with pytest.raises(MissingWeights, match="`vistas fetch infinity-2b pixart-sigma image-reward") as refused:
            prepare_run(Settings(**settings), tmp_path / "run", outlines=settings is not BASE)
        assert ("a plan by --unit flops and without --calibrate needs none" in str(refused.value)) == (settings is not BASE)


def test_the_readmes_table_is_what_its_command_says() -> None:
    command = re.search(r"vistas (plan geneval --model infinity-2b .*?)\n```", README, re.DOTALL)
    assert command is not None
    result = call(*shlex.split(command[1].replace("\\\n", " ")), "--json")
    assert result.exit_code == 0, result.output
    plans = {(one["model"], one["search"].partition(":")[0]): one["per_prompt"] for one in json.loads(result.stdout)["searches"]}
    rows = re.findall(r"^\| `(\S+)`.* on (\S+) \| (\d+) \| (\d+)[^|]* \| \D*([\d.]+) PFLOP \|$", README, re.MULTILINE)
    names = {"Infinity-2B": "infinity-2b", "FLUX.1-dev": "flux-dev"}
    assert len(rows) == len(plans)
    for search, model, *numbers in rows:
        plan = plans[names[model], search]
        assert [float(number) for number in numbers[:2]] == [plan["images"]["most"], plan["forwards"]["most"]]
        assert float(numbers[2]) == pytest.approx(plan["flops"]["most"] / 1e15, rel=0.005)


def test_features_and_ensembles_are_outlined_too(tmp_path: Path) -> None:
    asked = {**BASE, "models": ("infinity-2b",), "searches": ("tts-var",), "budgets": (4e15,)}
    asked["verifiers"] = ("ensemble:clip-score=1,aesthetic=1",)
    assert "dinov2" in " ".join(prepare_run(Settings(**asked), tmp_path / "run", outlines=True).notes)


def test_what_cannot_be_priced_without_its_files_is_to_be_fetched(tmp_path: Path) -> None:
    with pytest.raises(MissingWeights, match="vlm-judge"):
        prepare_run(Settings(**{**BASE, "verifiers": ("vlm-judge",)}), tmp_path / "run", outlines=True)
    measuring = prepare_run(Settings(**{**BASE, "metrics": ("vlm-judge", "clip-score")}), tmp_path / "run", outlines=True)
    assert [*measuring.session.evaluator.verifiers] == ["image-reward", "clip-score"], "what only measures has no price in a plan"
    said = " ".join(measuring.notes)
    assert "not in this plan, as their files alone say what they are: vlm-judge; a run needs them" in said
    assert "as weights are not here: infinity-2b, pixart-sigma, image-reward, clip-score; " in said


@pytest.mark.parametrize("name", BUILDERS)
def test_cards_have_the_names_that_were_asked_for(name: str) -> None:
    verifier = parse_verifier(name).without_weights()
    assert verifier is not None
    assert verifier.card.name == name
    assert verifier.price(1).flops > 1e9


def test_an_outline_has_the_settings_that_were_given() -> None:
    large, small = (parse_verifier(f"hps-v2.1:architecture={name}").without_weights() for name in ("ViT-H-14", "ViT-B-32"))
    assert small.price(1).flops < large.price(1).flops / 30
    cut = [parse_verifier(name).without_weights().truncated(["a " * 75]) for name in ("clip-score", "clip-score:caption=hessel")]
    assert cut == [(False,), (True,)], "three words of Hessel et al. come before the prompt"
    with pytest.raises(WrongInput, match=r"ViT-B-16-SigLIP is no network of CLIP's own kind .*: fetch its weights"):
        parse_verifier("hps-v2.1:architecture=ViT-B-16-SigLIP").without_weights()


@pytest.mark.parametrize("key", ["clip-score", "geneval-grader-hf.clip"])
@pytest.mark.parametrize("outlines", [True, False])
def test_another_networks_folder_is_refused_where_the_rest_is_absent(
    key: str, outlines: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan could do without it; who gives it means it."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    save_file({"a": torch.zeros(1)}, tmp_path / "open_clip_model.safetensors")
    (tmp_path / "open_clip_config.json").write_text('{"model_cfg": {"embed_dim": 512}}')
    settings = Settings(**{**BASE, "verifiers": ("clip-score",), "weights": (f"{key}={tmp_path}",)})
    with pytest.raises(WrongInput, match=rf"^{tmp_path} is another model's than {key.partition('.')[0]}: in open_clip_config.json "):
        prepare_run(settings, tmp_path / "run", outlines=outlines)


def test_a_plan_needs_none_of_the_devices_and_a_run_does(tmp_path: Path) -> None:
    away = {**BASE, "device": "cuda:98,cuda:99"}
    assert prepare_run(Settings(**away), tmp_path / "run", outlines=True).units
    refusals = {"device": ("cuda:98,cuda:98", "no list of different devices"), "offload": ("text", "offload=text is for one device")}
    for name, (value, said) in refusals.items():
        with pytest.raises(WrongInput, match=said):
            prepare_run(Settings(**{**away, name: value}), tmp_path / "run", outlines=True)
    with pytest.raises(WrongInput, match=r"device 'cuda:98' cannot be used \(.*\): give auto(, cpu.*)? or (cpu|cuda:\d+)$") as refused:
        pick_devices("cuda:98")
    assert ("cuda:0" in str(refused.value)) == torch.cuda.is_available(), "what is advised works here"


def test_prompts_that_are_too_long_for_what_reads_them_are_counted(tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("\n".join(["a red car", "red " * 60, "red " * 360]) + "\n", encoding="utf-8")
    asked = ["plan", "--suite-file", str(tmp_path / "long.txt"), "--search", "random", "--verifier", "image-reward", "--budget", "60"]
    shown = call(*asked, "--model", "sdxl", "--model", "infinity-2b", "--model", "sana-1.6b").stdout
    said = "at least 1 by sdxl, at least 1 by sana-1.6b, at least 2 by image-reward"
    assert f"\nof 3 prompts too long to be read to the end: {said}\n" in shown
    (tmp_path / "long.txt").write_text("a red car\n", encoding="utf-8")
    assert "too long" not in call(*asked, "--model", "sdxl").stdout
