"""Pictures of a run made fit for a page: small, as data, and never from outside the run folder."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.errors import WrongInput, first_line
from reports.load import Runs

_LARGEST_PX = 192
"""Longer side of a picture in a page; smaller ones are kept pixel for pixel."""


def thumbnail(runs: Runs, run: int, relative: str) -> Image.Image:
    """The picture a table names, scaled down where it is large; raises WrongInput outside the run folder."""
    path = runs.image_path(run, relative)
    try:
        with Image.open(path) as picture:
            small = picture.convert("RGB")
    except (OSError, SyntaxError) as error:
        raise WrongInput(f"{path} is damaged ({first_line(error)}): remove it, and the same `vistas run` command makes it again") from error
    small.thumbnail((_LARGEST_PX, _LARGEST_PX), Image.Resampling.LANCZOS)
    return small


def data_uri(picture: Image.Image) -> str:
    """A picture as a data URI: PNG where it was small from the start, JPEG for a photograph's thumbnail."""
    buffer = io.BytesIO()
    photo = max(picture.size) >= _LARGEST_PX
    picture.save(buffer, format="JPEG" if photo else "PNG", **({"quality": 86} if photo else {"optimize": True}))
    kind = "jpeg" if photo else "png"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def enlarged(picture: Image.Image, side_px: int) -> NDArray[np.uint8]:
    """uint8 [side, side, 3], smoothly resampled and letter-boxed in white, for a figure."""
    scale = side_px / max(picture.size)
    size = (max(round(picture.width * scale), 1), max(round(picture.height * scale), 1))
    canvas = Image.new("RGB", (side_px, side_px), "white")
    canvas.paste(picture.resize(size, Image.Resampling.BICUBIC), ((side_px - size[0]) // 2, (side_px - size[1]) // 2))
    return np.asarray(canvas)


def exists(runs: Runs, run: int, relative: str) -> bool:
    """Whether the tables name a picture and it is there."""
    path: Path | None = runs.image_path(run, relative) if relative else None
    return path is not None and path.is_file()
