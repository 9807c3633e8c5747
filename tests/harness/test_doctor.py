"""What `vistas doctor` says that models, verifiers and graders need of a machine, and what it refuses."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from command_line import call

from harness.doctor.judges import sorted_out
from harness.doctor.machine import machine, planned
from harness.doctor.needs import needs, sheet_of
from harness.errors import WrongInput
from harness.fitting import beside
from harness.model_spec import parse_model
from harness.registry import entry
from harness.weights.local import LocalWeights
from harness.weights.repository import gigabytes
from models.published import published_models
from verifiers.image_reward_network import RewardConfig, RewardNetwork
from verifiers.spec import parse_verifier
from verifiers.weight_bytes import weight_bytes

pytestmark = pytest.mark.usefixtures("once")


def test_doctor_says_what_is_here_and_what_fits() -> None:
    here = machine(torch.device("cpu"))
    assert 0 < here.free <= here.total
    (need,) = needs(["janus-pro-1b:dtype=float32"], {"cpu": int(100e9)}, LocalWeights())
    assert need.model == "janus-pro-1b:dtype=float32"
    assert int(need.fits) > 1
    assert not need.here
    lines = dict(need.lines)
    assert lines["in memory"].split("; ")[0] == lines["in memory"].split("; ")[1].removesuffix(" in float32")
    assert lines["download"] == gigabytes(published_models()["janus-pro-1b"].bytes)
    with pytest.raises(WrongInput, match="shapes-flux comes with the package and is no published model"):
        list(needs(["shapes-flux"], {"cpu": 1}, LocalWeights()))


def test_doctor_says_what_a_run_is_given_and_which_presets_there_are() -> None:
    (few,), (many,) = (list(needs(["infinity-2b"], {"cpu": int(free)}, LocalWeights())) for free in (24e9, 900e9))
    assert dict(few.lines)["run with"] == f"--set max_rows={few.fits}"
    assert int(many.fits) >= 64
    assert "run with" not in dict(many.lines), "as many rows as a run takes by itself"
    assert dict(few.lines)["presets"] == "infinity-2b:preset=geneval or script or notebook or tts-var or soto"


def test_doctor_reads_memory_once_and_counts_what_it_advises(monkeypatch: pytest.MonkeyPatch) -> None:
    left = [int(20e9), int(10e9), int(5e9)]
    monkeypatch.setattr("harness.doctor.show.free_and_total", lambda device: (left.pop(0), int(30e9)))
    monkeypatch.setattr("harness.doctor.machine._cpu_bfloat16", lambda: False)
    monkeypatch.setattr("harness.doctor.show.needs", lambda *given: [])
    said = call("doctor", "--device", "cpu").stdout
    assert "memory     20.0 GB free of 30.0 GB\n" in said
    assert "\nwith 20.0 GB free, of which" in said
    assert "bfloat16   not native: slow; run NAME:dtype=float32, and ask so here for its rows\n" in said


def test_doctor_says_that_what_comes_with_the_package_runs_anywhere() -> None:
    shown = call("doctor", "shapes-flux:guidance_factor=2", "--device", "cpu")
    assert shown.exit_code == 0, shown.output
    assert "\nshapes-flux:guidance_factor=2.0: comes with the package, 12.1 MB of weights: runs on any machine\n" in shown.stdout
    assert "flux-dev" not in shown.stdout
    assert max(map(len, shown.stdout.partition("download:")[2].splitlines())) < 100


def test_doctor_looks_into_a_folder_that_is_given(tmp_path: Path) -> None:
    local = LocalWeights.parse([f"pixart-sigma={tmp_path}"])
    with pytest.raises(WrongInput, match=r"is no copy of PixArt-alpha/PixArt-Sigma-XL-2-1024-MS: it lacks model_index.json"):
        needs(["pixart-sigma"], {"cpu": 1}, local)
    result = call("doctor", "pixart-sigma", "--weights", "pixart-sigma=/nowhere", "--device", "cpu")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "vistas: weights /nowhere of PixArt-alpha/PixArt-Sigma-XL-2-1024-MS: give a folder that is there\n"


@pytest.mark.parametrize("command", [["doctor", "sdxl", "image-reward", "--device", "cpu"], ["fetch", "--check", "sdxl"]])
def test_weights_of_what_is_not_asked_for_are_refused(command: list[str], tmp_path: Path) -> None:
    result = call(*command, "--weights", f"flux-dev={tmp_path}")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "vistas: --weights flux-dev is not used: flux-dev is not asked for; name it too, or leave the option out\n"


@pytest.mark.parametrize(("key", "repo"), [
    ("infinity-2b.vae", "FoundationVision/Infinity"), ("image-reward.weights", "zai-org/ImageReward"),
])  # fmt: skip
def test_doctor_names_a_wrong_folder_also_where_the_rest_is_absent(
    key: str, repo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    asked = ["doctor", "infinity-2b", "image-reward", "--device", "cpu"]
    result = call(*asked, "--weights", f"{key}={tmp_path}")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"vistas: {tmp_path} is no copy of {repo}: it lacks ")
    assert call(*asked).exit_code == 0, "what is absent and was not given is no error"


def test_doctor_says_where_a_model_would_be_divided() -> None:
    """FLUX with its T5 does not fit one card of 24 GB; over two each has about half, and every block and encoder once."""
    memory = {"cuda:0": int(24e9), "cuda:1": int(24e9)}
    (need,) = needs(["pixart-sigma"], memory, LocalWeights())
    alone = re.fullmatch(r"(\d+) on cuda:0", need.fits)  # one card is enough, and two hold more
    together = re.fullmatch(r"(\d+) rows with device=cuda:0,cuda:1", dict(need.lines)["divided"])
    assert alone
    assert together
    assert 0 < int(alone[1]) < int(together[1])
    assert dict(need.lines)["copies"] == f"{alone[1]} + {alone[1]} rows at once (divided, cards take turns): --shard K/2"
    lines = [line for name, line in need.lines if name != "copies"][-2:]
    assert re.fullmatch(r"cuda:0 \d\.\d GB \(\d+ of 28 blocks, decoder\)", lines[0])
    assert re.fullmatch(r"cuda:1 \d+\.\d GB \(\d+ of 28 blocks, text_encoder\)", lines[1])
    assert sum(int(re.search(r"(\d+) of 28", line)[1]) for line in lines) == 28  # type: ignore[index]
    small = {device: int(12e9) for device in memory}
    (need,) = needs(["pixart-sigma"], small, LocalWeights())
    assert re.fullmatch(r"\d+ with device=cuda:0,cuda:1", need.fits)
    assert "copies" not in dict(need.lines), "one card has no room for all of it"
    uneven = {"cuda:0": int(24e9), "cuda:1": int(14e9)}
    for judges, roomy in ((0, True), (int(3e9), False)):
        (need,) = needs(["pixart-sigma"], uneven, LocalWeights(), judges)
        assert "divided" in dict(need.lines)
        assert ("copies" in dict(need.lines)) == roomy, "every process has judges of its own, the second card no room for them"


def test_doctor_proposes_nothing_that_a_run_refuses() -> None:
    """Of each model more than a card's memory is weights, and less than that with the one proposal or the other."""
    pixart, infinity = {f"cuda:{card}": int(12e9) for card in range(2)}, {"cuda:0": int(3.4e9)}
    plain = [*needs(["pixart-sigma"], pixart, LocalWeights()), *needs(["infinity-125m"], infinity, LocalWeights())]
    assert [need.fits.partition(" ")[2] for need in plain] == ["with device=cuda:0,cuda:1", "with offload=model"]
    compiled = [
        *needs(["pixart-sigma:compile=true"], pixart, LocalWeights()), *needs(["infinity-125m:compile=true"], infinity, LocalWeights())
    ]  # fmt: skip
    for need in compiled:
        assert need.fits == "none: its weights do not fit"
        assert "divided" not in dict(need.lines)
        assert dict(need.lines)["refused"] == "compile=true does not go with offload=model: leave one of them out"
    apart = "compile=true does not go with several devices: leave it out, or give one device"
    assert [apart in [line for _, line in need.lines] for need in compiled] == [True, False], "of two cards both are said"


def test_memory_of_several_devices_is_given_as_a_list() -> None:
    assert planned([torch.device("cpu")], "24") == {"cpu": int(24e9)}
    assert planned([torch.device("cpu")], "24,16.5") == {"cuda:0": int(24e9), "cuda:1": int(16.5e9)}
    for wrong in ("24,", "-1", "much", "0", "inf"):
        with pytest.raises(WrongInput, match=f"--memory '{wrong}' is no list of GB: write --memory 80, or --memory 24,24"):
            planned([torch.device("cpu")], wrong)


def test_doctor_fits_a_terminal_of_eighty_columns() -> None:
    names = ("infinity-125m", "janus-pro-1b:dtype=float32")
    shown = call("doctor", *names, "--memory", "80,80", "--device", "cpu").stdout
    assert all(f"\n{name}: rows that fit: " in shown for name in names)
    about_models = shown.split("are planned with:")[1].split("\ndownload: ")[0]
    assert max(map(len, about_models.splitlines())) <= 80


def test_doctor_takes_verifiers_off_the_memory_of_the_first_device() -> None:
    def rows(*arguments: str) -> int:
        result = call("doctor", "janus-pro-1b", *arguments)
        assert result.exit_code == 0, result.output
        found = re.search(r"^janus-pro-1b: rows that fit: (\d+)", result.stdout, re.MULTILINE)
        assert found is not None
        return int(found[1])

    with torch.device("meta"):
        bytes_of_it = sum(one.numel() * 4 for one in RewardNetwork(RewardConfig()).parameters())
    assert weight_bytes(parse_verifier("image-reward")) == pytest.approx(bytes_of_it, rel=0.01)
    both = weight_bytes(parse_verifier("ensemble:image-reward=1,pick-score=2"))
    assert both == sum(weight_bytes(parse_verifier(name)) for name in ("image-reward", "pick-score"))
    assert rows("--memory", "24") > rows("image-reward", "--memory", "24") > rows("image-reward", "pick-score", "--memory", "24")
    assert beside({"cuda:0": 100, "cuda:1": 100}, 9) == {"cuda:0": 90, "cuda:1": 100}
    shown = call("doctor", "janus-pro-1b", "image-reward", "--memory", "24").stdout
    assert "\nimage-reward: 1.8 GB of weights beside each model, taken off\n" in shown
    assert "unknown model, verifier or grader 'image-rewrd'" in call("doctor", "image-rewrd").stderr


def test_doctor_takes_graders_off_too_and_counts_what_they_share_once() -> None:
    """CLIP ViT-L/14 looks for colours and makes the CLIPScore; it is in memory once."""
    detector, clip = (entry("grader", "geneval-grader").row.repositories[role].bytes for role in ("detector", "clip"))
    assert sorted_out(["janus-pro-1b", "geneval-grader"]) == (["janus-pro-1b"], {"geneval-grader": detector + clip})
    both = ["geneval-grader", "clip-score", "geneval-grader-hf"]
    _, sizes = sorted_out(both)
    other = entry("grader", "geneval-grader-hf").row.repositories["detector"].bytes
    assert sizes == {"clip-score": weight_bytes(parse_verifier("clip-score")), "geneval-grader": detector, "geneval-grader-hf": other}
    shown = call("doctor", "janus-pro-1b", "geneval-grader", "dinov2", "--memory", "24").stdout
    assert "\ngeneval-grader: 2.0 GB of weights beside each model, taken off\ndinov2: 1.2 GB of weights beside each model" in shown
    shown = call("doctor", "janus-pro-1b", "t2i-3-in-1-owlv2", "t2i-blip-vqa", "likelihood", "--memory", "24").stdout
    assert "\nlikelihood: no weights beside those named already\n" in shown
    assert "\nt2i-blip-vqa: no weights beside those named already\n" in shown, "the other grader has them"
    result = call("doctor", "geneval-grader", "--weights", "geneval-grader.clip=/nowhere")
    assert (result.exit_code, result.stderr) == (2, "vistas: weights /nowhere of timm/vit_large_patch14_clip_224.openai: give a folder "
                                                    "that is there\n")  # fmt: skip


def test_doctor_has_each_of_a_pair_beside_the_others_weights() -> None:
    local, card = LocalWeights.parse([]), {"cuda:0": 80 * 10**9}
    draft, refine = needs(["janus-pro-1b+sdxl"], card, local)
    assert (draft.model, refine.model) == ("janus-pro-1b beside sdxl", "sdxl beside janus-pro-1b")
    sizes = {name: sheet_of(parse_model(name)).weight_bytes for name in ("janus-pro-1b", "sdxl")}
    for need, own, other in ((draft, "janus-pro-1b", "sdxl"), (refine, "sdxl", "janus-pro-1b")):
        (alone,), (less,) = needs([own], card, local), needs([own], beside(card, sizes[other]), local)
        assert int(need.fits) == int(less.fits) < int(alone.fits)
    shown = call("doctor", "shapes-infinity+shapes-flux").stdout
    assert shown.count("comes with the package, ") == 2


def test_doctor_plans_for_a_card_that_is_not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def here(asked: str) -> torch.device:
        if asked not in ("auto", "cpu"):
            raise WrongInput(f"device {asked!r} cannot be used")
        return torch.device("cpu")

    monkeypatch.setattr("harness.devices.pick_device", here)
    asked = ["doctor", "janus-pro-1b", "--device", "cuda"]
    result = call(*asked, "--memory", "80")
    assert result.exit_code == 0, result.output
    assert "\nwith 80.0 GB free, of which" in result.stdout
    assert "bfloat16" not in result.stdout, "that is another machine's"
    assert "device 'cuda' cannot be used" in call(*asked).stderr
    assert call(*asked[:-1], "cuba", "--memory", "80").exit_code == 2
