"""Pictures from disk: what is scored in memory is what the PNG holds, and what is no plain picture says why."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from results.store import Store
from suites import pictures
from suites.pictures import read_picture

RGB = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)


def test_a_saved_picture_is_read_to_the_bit(tmp_path: Path) -> None:
    image_CHW = torch.from_numpy(RGB).permute(2, 0, 1)
    relative = Store(tmp_path).save_image(image_CHW)
    read = read_picture(tmp_path / relative)
    assert read.fault == ""
    assert read.image is not None
    assert torch.equal(read.image, image_CHW)


def test_forms_that_change_no_value_are_read(tmp_path: Path) -> None:
    two = np.where(RGB[..., :1] > 127, 255, 0).repeat(3, 2).astype(np.uint8)
    Image.fromarray(two).quantize(2).save(tmp_path / "palette.png")
    opaque = np.dstack([RGB, np.full((12, 10), 255, np.uint8)])
    Image.fromarray(opaque, "RGBA").save(tmp_path / "opaque.png")
    Image.fromarray(RGB).save(tmp_path / "photo.jpg", quality=95)
    for name, expected in (("palette.png", two), ("opaque.png", RGB)):
        read = read_picture(tmp_path / name)
        assert read.image is not None, read.fault
        assert np.array_equal(read.image.permute(1, 2, 0).numpy(), expected)
    assert read_picture(tmp_path / "photo.jpg").fault == ""


def _bad(folder: Path) -> dict[str, str]:
    picture = Image.fromarray(RGB)
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.png").write_text("no picture")
    picture.save(folder / "whole.png")
    (folder / "cut.png").write_bytes((folder / "whole.png").read_bytes()[:-200])
    picture.convert("L").save(folder / "grey.png")
    picture.convert("CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(np.dstack([RGB, np.full((12, 10), 128, np.uint8)]), "RGBA").save(folder / "clear.png")
    picture.save(folder / "moving.png", save_all=True, append_images=[picture.rotate(180)])
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(folder / "deep.png")
    (folder / "folder.png").mkdir()
    return {
        "empty.png": "file is empty", "text.png": "cannot be read as a picture", "cut.png": "cannot be read as a picture",
        "grey.png": "picture is grey (mode L)", "cmyk.jpg": "picture is CMYK", "clear.png": "transparent in 100%",
        "moving.png": "animated (2 frames)", "deep.png": "picture is grey", "folder.png": "cannot be read", "none.png": "cannot be read",
    }  # fmt: skip


def test_every_bad_picture_has_its_reason(tmp_path: Path) -> None:
    for name, reason in _bad(tmp_path).items():
        read = read_picture(tmp_path / name)
        assert read.image is None, name
        assert reason in read.fault, (name, read.fault)
        assert "\n" not in read.fault


def test_a_huge_picture_is_refused_by_its_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (9000, 9000)).save(tmp_path / "huge.png", compress_level=1)
    assert "9000 by 9000 pixels, more than 64000000" in read_picture(tmp_path / "huge.png").fault
    monkeypatch.setattr(pictures, "MOST_PIXELS", 100)
    Image.fromarray(RGB).save(tmp_path / "small.png")
    assert "12" in read_picture(tmp_path / "small.png").fault
