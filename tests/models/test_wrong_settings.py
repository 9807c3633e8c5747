"""Settings that a published model cannot have are told in the words that were typed, before anything is looked for."""

from __future__ import annotations

import pytest
from command_line import call

from harness.errors import WrongInput
from harness.model_spec import parse_model
from models.published import published_models
from models.settings import as_typed

WRONG = [
    ("infinity-2b:cfg=4/3", "infinity-2b: cfg has 2 values for 13 scales: give one, or one per scale"),
    ("infinity-2b:pn=0.25M,tau=1/1", "tau has 2 values for 10 scales"),
    ("infinity-2b:cfg=-1", "cfg -1 is negative: use 1 for none"),
    ("infinity-2b:pn=0.06M,tau=1/1/1/1/1/0.5/-1", r"tau 1/1/1/1/1/0\.5/-1 must be positive"),
    ("infinity-2b:cfg_insertion_layer=-40", r"cfg_insertion_layer -40 is not 0, 1 \(mixes nothing\) or one of -1\.\.-31 \(depth 32\)"),
    ("infinity-2b:aspect=1.6", r"aspect=1\.6 \(height / width\) has no schedule: use one of 1\.0, 1\.25"),
    ("infinity-2b:aspect=1.6", r"0\.333; nearest is aspect=1\.5$"),
    ("infinity-2b:aspect=16:9", r"nearest is aspect=0\.571$"),
    ("infinity-2b:aspect=2x3", r"nearest is aspect=1\.5$"),
    ("infinity-2b:aspect=wide", r"16 wide by 9 high is nearest to aspect=0\.571$"),
    ("infinity-2b:aspect=0:9", r"16 wide by 9 high is nearest"),
    ("infinity-8b:pn=0.25M", r"pn=0\.25M is no resolution of infinity-8b: it has 1M \(0\.25M is infinity-8b-512\)"),
    ("infinity-2b:text_dtype=int8", "text_dtype='int8' is no type that models run in"),
    ("janus-pro-1b:tau=0", "janus-pro-1b: tau 0 must be positive"),
    ("janus-pro-1b:cfg=1/2", "cfg=1/2 is a list: this model takes one number, such as cfg=2.5"),
    ("flux-dev:height=1000", "model flux-dev: 1000 by 1024 pixels: both must be multiples of 16"),
    ("flux-dev:true_cfg_scale=0.5", r"true_cfg_scale=0\.5 is below 1"),
    ("sd3.5-large:height=4096", "4096 by 1024 pixels: the model has positions for 3072 at most"),
    ("sd3.5-medium:skip_guidance_layers=99", "skip_guidance_layers names block 99: the model has 0 to 23"),
    ("sdxl:scheduler=flow-euler", "scheduler 'flow-euler' does not fit a noise-predicting model; use ddim or euler"),
    ("sana-1.6b:scheduler=ddim", "scheduler 'ddim' does not fit a flow-matching model; use flow-euler"),
    ("pixart-sigma:dtype=int8", "dtype='int8' is no type"),
    ("flux-dev:height=1000000000", "model flux-dev: height=1000000000 must be at most 16384"),
    ("sana-1.6b:width=1000000000", "model sana-1.6b: width=1000000000 must be at most 16384"),
    ("flux-dev:max_sequence_length=513", "max_sequence_length=513 must be at most 512"),
    ("sd3.5-large:max_sequence_length=513", "max_sequence_length=513 must be at most 512"),
    ("flux-dev:guidance_scale=-1", "guidance_scale=-1 is negative; use 0 or more"),
    ("pixart-sigma:scheduler=ddim,steps=1001", "steps=1001 must be at most 1000"),
    ("flux-dev:negative_prompt=blurry", "negative_prompt is not read while true_cfg_scale is 1: give true_cfg_scale above 1 too"),
    ("flux-schnell:negative_prompt=blurry", "while true_cfg_scale is 1"),
    ("sdxl:negative_prompt=blurry,guidance_scale=1", "model sdxl: negative_prompt is not read while guidance_scale is 1: "),
    ("sana-1.6b:negative_prompt=blurry,guidance_scale=0.5", "while guidance_scale is 0.5: "),
    ("infinity-2b:negative_prompt=blurry,cfg=1", "model infinity-2b: negative_prompt is not read while cfg is 1: give cfg above 1 too"),
    ("infinity-2b:negative_prompt=blurry,pn=0.06M,cfg=1/1/1/1/1/1/1/4", "while cfg is 1"),  # of eight values seven are taken
    ("infinity-2b:negative_prompt=blurry,cfg_insertion_layer=1", "while cfg_insertion_layer is 1: give cfg_insertion_layer=0 too"),
    ("sdxl:steps=abc", "'sdxl:steps=abc': steps=abc is not a whole number: write steps=40, for example$"),
    ("sana-1.6b:resolution_binning=maybe", "resolution_binning=maybe is not true or false: write resolution_binning=true, for example$"),
]


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_a_wrong_setting_is_told_when_the_model_is_named(text: str, said: str) -> None:
    with pytest.raises(WrongInput, match=said):
        parse_model(text)


@pytest.mark.parametrize("settings", [
    "flux-dev:true_cfg_scale=2", "sdxl:guidance_scale=1.1", "sd3.5-medium:preset=slg", "pixart-sigma:steps=20",
    "infinity-2b:pn=0.06M,cfg=1/1/1/1/1/1/4", "infinity-2b:cfg=0", "infinity-8b:cfg_insertion_layer=1/-5",
])  # fmt: skip
def test_a_negative_prompt_is_taken_where_any_pass_reads_it(settings: str) -> None:
    assert parse_model(f"{settings},negative_prompt=blurry").overrides["negative_prompt"] == "blurry"


@pytest.mark.parametrize("command", ["run", "plan"])
def test_and_before_weights_that_are_missing(command: str) -> None:
    result = call(command, "geneval", "--model", "infinity-2b:tau=0", "--verifier", "image-reward")
    assert result.exit_code == 2
    assert "infinity-2b: tau 0 must be positive" in result.stderr
    assert "not on this machine" not in result.stderr


def test_every_published_model_takes_its_own_settings_and_presets() -> None:
    for name, model in published_models().items():
        parse_model(name)
        for preset in model.presets:
            parse_model(f"{name}:preset={preset}")


def test_only_whole_words_are_replaced() -> None:
    words = {"guidance": "cfg"}
    assert as_typed("guidance (3.0, 2.5) of guidance_scale 7.0: use 10.05", words) == "cfg 3/2.5 of guidance_scale 7: use 10.05"
