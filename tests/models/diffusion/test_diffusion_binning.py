"""Resolution binning: pictures are the pipelines' at sizes that no model was trained for, and cost what is really made."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from diffusers.image_processor import PixArtImageProcessor
from diffusers.pipelines.pixart_alpha.pipeline_pixart_alpha import ASPECT_RATIO_256_BIN, ASPECT_RATIO_1024_BIN
from tiny_families import FAMILIES, PROMPTS, published

from harness.compute.flops import count_flops
from harness.errors import WrongInput
from harness.model_spec import parse_model
from models.base import Row
from models.diffusion.binning import fitted, made_size
from models.diffusion.published import load
from models.published import published_models
from models.random_weights import outlined
from models.sheet import sheet

SAMPLE_SIZE = {"pixart": 32, "sana": 16}
"""Of models of 256 and of 512 pixels."""
ASKED = {"pixart": (101, 50), "sana": (130, 99)}
MADE = {"pixart": (352, 176), "sana": (576, 448)}


@pytest.fixture(scope="module")
def binned(family_folder, tmp_path_factory):
    """Loads a tiny model of a size for which there is a table."""
    root = tmp_path_factory.mktemp("binned")
    for family, side in SAMPLE_SIZE.items():
        config = shutil.copytree(family_folder(family), root / family) / "transformer" / "config.json"
        config.write_text(json.dumps(json.loads(config.read_text()) | {"sample_size": side}))

    def loaded(family, **changes):
        height, width = ASKED[family]
        own = {"dtype": "float32", "steps": 2, "height": height, "width": width, "resolution_binning": True}
        settings = {**FAMILIES[family].settings, **own, **changes}
        return load(published(f"tiny-{family}"), {"weights": root / family}, torch.device("cpu"), settings)

    return loaded


def finished(generator, rows):
    state = generator.start(generator.encode(PROMPTS), rows)
    while state.step < state.steps:
        state = generator.draw(generator.predict(state), [0] * len(rows))
    return state


@pytest.mark.parametrize("family", SAMPLE_SIZE)
def test_pictures_are_the_pipelines(family, binned):
    generator = binned(family)
    (height, width), pipeline = ASKED[family], generator.adapter.pipeline
    rows = [Row(0, 5), Row(1, 6)]
    pipeline.set_progress_bar_config(disable=True)
    images = pipeline(
        PROMPTS[:2], latents=generator.noise([5, 6]), output_type="pil", height=height, width=width, num_inference_steps=2,
        guidance_scale=4.5, max_sequence_length=6, **dict(FAMILIES[family].call),
    ).images  # fmt: skip
    pictures = np.stack([np.asarray(image) for image in images])
    own = generator.decode(finished(generator, rows)).permute(0, 2, 3, 1).numpy()
    difference = np.abs(own.astype(int) - pictures)
    assert own.shape == (2, height, width, 3)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.01
    assert pictures.std() > 5
    assert generator.adapter.made_size == MADE[family]


@pytest.mark.parametrize("family", SAMPLE_SIZE)
def test_prices_are_those_of_the_size_that_is_made(family, binned):
    generator, (height, width) = binned(family), ASKED[family]
    whole = binned(family, height=MADE[family][0], width=MADE[family][1], resolution_binning=False)
    state = generator.predict(generator.start(generator.encode(PROMPTS[:1]), [Row(0, 1)]))
    image = generator.preview(state)
    assert image.shape == (1, 3, height, width) == (1, 3, *generator.card.image_size)
    for operation in ("encode", "predict", "draw", "preview", "decode", "embed"):
        assert generator.price(operation) == whole.price(operation)
    assert count_flops(lambda: generator.preview(state)) == generator.price("preview").flops
    assert count_flops(lambda: generator.start_image(state.conditioning, state.rows, image, 0.5)) == generator.price("embed").flops
    small = generator.with_previews(4)
    assert small.preview(state).shape == (1, 3, -(-height // 4), -(-width // 4))


def test_sizes_of_the_table_are_made_as_they_are(binned):
    generator = binned("pixart", height=256, width=256)
    assert generator.adapter.made_size == generator.adapter.image_size == (256, 256)


def test_a_model_without_a_table_is_refused(load_family):
    with pytest.raises(WrongInput, match=r"PixArtTransformer2DModel of sample_size 8 has no table of sizes; set resolution_binning=false"):
        load_family("pixart", resolution_binning=True)


def test_sizes_and_crops_are_diffusers():
    config = {"_class_name": "PixArtTransformer2DModel", "sample_size": 128}
    pictures = torch.rand(1, 3, 24, 40)
    for height, width in product(range(8, 90, 3), repeat=2):
        asked = {"height": height, "width": width, "resolution_binning": True}
        expected = PixArtImageProcessor.classify_height_width_bin(height, width, ASPECT_RATIO_1024_BIN)
        assert made_size(config, asked) == expected
        theirs = PixArtImageProcessor.resize_and_crop_tensor(pictures, width, height)
        assert theirs.shape == (1, 3, height, width)
        assert torch.equal(fitted(pictures, (height, width)), theirs)
    small = {**config, "sample_size": 32}
    assert made_size(small, {"height": 8, "width": 8, "resolution_binning": True}) == tuple(ASPECT_RATIO_256_BIN["1.0"])


def test_a_side_is_never_rounded_below_the_asked_one():
    assert int(1600 * (232 / 1600)) == 231
    assert fitted(torch.rand(1, 3, 640, 1600), (88, 232)).shape == (1, 3, 88, 232)


@pytest.mark.parametrize("name", ["pixart-sigma", "sana-1.6b"])
def test_published_prices_are_those_of_the_size_that_is_made(name):
    model = published_models()[name]
    asked, whole = (model.merged({"height": height, "width": width}) for height, width in ((1000, 500), (1408, 704)))
    exact = {**asked, "height": 1024, "width": 512, "resolution_binning": False}
    found, same = sheet(model, asked), sheet(model, whole)
    assert found.image_size == (1000, 500)
    assert found == replace(same, image_size=(1000, 500))
    assert outlined(model, exact).price("predict").flops < 2 * found.step_flops[0]
    with pytest.raises(WrongInput, match=f"model {name}: 1000 by 500 pixels: both must be multiples of"):
        parse_model(f"{name}:height=1000,width=500,resolution_binning=false")
