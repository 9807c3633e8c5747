"""Pictures from disk: read without changing a value, or not at all, with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

MOST_PIXELS = 64_000_000
"""Width times height; eight times a 4K picture."""
MOST_ASPECT = 100
"""The long side over the short one: networks that enlarge the short side to theirs would need the memory of a huge picture."""
_KINDS = {"L": "grey", "LA": "grey", "1": "grey", "I": "grey", "F": "grey", "I;16": "grey", "CMYK": "CMYK"}


@dataclass(frozen=True)
class Picture:
    """One file: its picture, or why it has none."""

    path: Path
    image: torch.Tensor | None
    """uint8 [3, H, W]."""
    fault: str = ""


def read_picture(path: Path) -> Picture:
    """The picture of a file; whatever would have to be converted by someone's choice is refused.

    A palette and an alpha channel without transparency change nothing and are read.
    """
    try:
        if path.stat().st_size == 0:
            return Picture(path, None, "file is empty")
        with Image.open(path) as opened:
            fault = _fault(opened)
            if fault:
                return Picture(path, None, fault)
            opened.load()
            return _rgb(path, opened)
    except Image.DecompressionBombError:
        return Picture(path, None, f"picture has more than {MOST_PIXELS} pixels")
    except Exception as error:  # a damaged file makes Pillow's decoders raise whatever they trip over
        return Picture(path, None, f"file cannot be read as a picture ({type(error).__name__})")


def is_undamaged(path: Path) -> bool:
    """Whether a PNG is there and as it was written, by the checksums in it; pixels are not decoded."""
    try:
        with Image.open(path, formats=["PNG"]) as opened:
            opened.verify()
    except Exception:  # a damaged file makes Pillow raise whatever it trips over
        return False
    return True


def _fault(opened: Image.Image) -> str:
    """What the header says against it, before anything is decoded."""
    width, height = opened.size
    if width * height > MOST_PIXELS:
        return f"picture has {width} by {height} pixels, more than {MOST_PIXELS} in all"
    if max(width, height) > MOST_ASPECT * min(width, height):
        return f"picture has {width} by {height} pixels, one side more than {MOST_ASPECT} times the other"
    frames = getattr(opened, "n_frames", 1)
    if frames > 1:
        return f"picture is animated ({frames} frames)"
    if opened.mode in _KINDS:
        return f"picture is {_KINDS[opened.mode]} (mode {opened.mode}), not RGB"
    return "" if opened.mode in ("RGB", "RGBA", "P") else f"picture has mode {opened.mode}, not RGB"


def _rgb(path: Path, opened: Image.Image) -> Picture:
    if opened.mode == "RGBA" or "transparency" in opened.info:
        alpha = np.asarray(opened.convert("RGBA"))[..., 3]
        if (alpha < 255).any():
            return Picture(path, None, f"picture is transparent in {(alpha < 255).mean():.0%} of its pixels")
    # A camera's orientation is part of the picture to whoever shows it, and to GenEval's own evaluator.
    values_HWC = np.array(ImageOps.exif_transpose(opened).convert("RGB"))
    return Picture(path, torch.from_numpy(values_HWC).permute(2, 0, 1).contiguous())
