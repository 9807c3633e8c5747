"""Flaws of single shapes that resemble a generator's failures: faded, half drawn, melted, warped, smeared, between two kinds."""

from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates, shift

from suites.shapes.renderer import mask
from suites.shapes.vocabulary import COLOURS, KINDS

Rng = np.random.Generator
PALETTE = np.asarray(list(COLOURS.values()), dtype=np.float32)


def _ghost(rng: Rng, mask_HW: np.ndarray, severity: float) -> np.ndarray:
    return mask_HW * np.float32(1 - 0.85 * severity)


def _half(rng: Rng, mask_HW: np.ndarray, severity: float) -> np.ndarray:
    """Cut away the part beyond a line; at severity 1 most of the shape is gone."""
    side = mask_HW.shape[0]
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:side, :side] / (side - 1) * 2 - 1
    distance = x * np.cos(angle) + y * np.sin(angle)
    edge = 1.0 - 1.3 * severity
    return mask_HW * np.clip((edge - distance) * side / 4 + 0.5, 0, 1).astype(np.float32)


def _melt(rng: Rng, mask_HW: np.ndarray, severity: float) -> np.ndarray:
    return gaussian_filter(mask_HW, sigma=0.3 + 3.7 * severity)


def _warp(rng: Rng, mask_HW: np.ndarray, severity: float) -> np.ndarray:
    """Move every pixel by a smooth random field."""
    field = np.stack([gaussian_filter(rng.standard_normal(mask_HW.shape), 3) for _ in range(2)])
    field *= 7 * severity / (field.std() + 1e-6) / 2
    coordinates = np.indices(mask_HW.shape) + field
    return map_coordinates(mask_HW, coordinates, order=1).astype(np.float32)


def _smear(rng: Rng, mask_HW: np.ndarray, severity: float) -> np.ndarray:
    """Average copies shifted along one direction."""
    angle = rng.uniform(0, np.pi)
    reach = 9 * severity
    steps = np.linspace(-reach / 2, reach / 2, 5)
    copies = [shift(mask_HW, (s * np.sin(angle), s * np.cos(angle)), order=1) for s in steps]
    return np.asarray(np.mean(copies, axis=0), dtype=np.float32)


def _morph(rng: Rng, mask_HW: np.ndarray, severity: float) -> np.ndarray:
    """Blend towards another kind; at severity 1 both are equally visible."""
    other = mask(KINDS[rng.integers(len(KINDS))], mask_HW.shape[0])
    blend = (1 - 0.5 * severity) * mask_HW + 0.5 * severity * other
    return np.clip((blend - 0.5) * 2 + 0.5, 0, 1) if rng.random() < 0.5 else blend


MASK_FLAWS: dict[str, Callable[[Rng, np.ndarray, float], np.ndarray]] = {
    "ghost": _ghost,
    "half": _half,
    "melt": _melt,
    "warp": _warp,
    "smear": _smear,
    "morph": _morph,
}
"""Flaw of a coverage mask [side, side] by severity in [0, 1]: near 0 hardly visible, from about 0.5 no longer the shape."""


def stain(rng: Rng, colour_C: np.ndarray, side: int, severity: float) -> np.ndarray:
    """Return a colour per pixel [3, side, side] that runs from the given one towards another across the shape."""
    other = PALETTE[rng.integers(len(PALETTE))]
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:side, :side] / (side - 1) - 0.5
    ramp = np.clip(x * np.cos(angle) + y * np.sin(angle) + severity, 0, 1).astype(np.float32) * min(1.0, 1.5 * severity)
    return colour_C[:, None, None] + ramp * (other - colour_C)[:, None, None]


def spoil(rng: Rng, image_CHW: np.ndarray, severity: float) -> np.ndarray:
    """Spoil a whole picture: blur, coarse pixels, noise, or a loss of contrast; float32 in 0 to 255."""
    which = rng.integers(4)
    if which == 0:
        return gaussian_filter(image_CHW, sigma=(0, 3.0 * severity, 3.0 * severity))
    if which == 1:
        cell = (2, 3, 4, 6)[min(3, int(severity * 4))]
        coarse = image_CHW.reshape(3, 48 // cell, cell, 48 // cell, cell).mean(axis=(2, 4))
        coarse = coarse.repeat(cell, axis=1).repeat(cell, axis=2)
        return gaussian_filter(coarse, sigma=(0, cell / 3, cell / 3))
    if which == 2:
        noise = gaussian_filter(rng.standard_normal(image_CHW.shape), (0, 1, 1)) * 3.5
        return (image_CHW + 60 * severity * noise).astype(np.float32)
    return image_CHW + (image_CHW[:, :1, :1] - image_CHW) * np.float32(0.9 * severity)
