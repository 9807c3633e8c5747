"""Measures the autoencoders: PSNR, and the share of pictures that the grader still accepts after a round trip."""

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image

from models.infinity.bits import multiscale_bits
from models.pixels import floored
from models.shapes.data import EVALUATION_SEED, batch, to_float
from models.shapes.tokenizer import SCHEDULE
from suites.geneval.grader import grade
from suites.shapes.detector import ShapesDetector

Pictures = torch.Tensor


@torch.no_grad()
def accepted_share(decode: Callable[[Pictures], Pictures]) -> dict[str, float]:
    """Return PSNR in dB and the accepted share of what is accepted on the originals.

    `decode` maps pictures in [-1, 1] to their reconstructions.
    """
    records, images = batch(EVALUATION_SEED, 0, 300)
    decoded = torch.cat([decode(to_float(part)) for part in images.split(50)])
    error = ((decoded.clamp(-1, 1) - to_float(images)) ** 2).mean(dim=(1, 2, 3))
    before = [verdict.correct for verdict in grade(images, records, ShapesDetector())]
    after = [verdict.correct for verdict in grade(floored(decoded), records, ShapesDetector())]
    kept = [now for now, once in zip(after, before, strict=True) if once]
    return {"psnr": round(float((10 * torch.log10(4 / error)).mean()), 2), "accepted": sum(kept) / len(kept)}


def flux_round_trip(vae: torch.nn.Module) -> Callable[[Pictures], Pictures]:
    """Return encode and decode of the KL autoencoder."""
    return lambda images: vae.decode(vae.encode(images).latent_dist.mean).sample  # type: ignore[operator]


def tokenizer_round_trip(vae: torch.nn.Module, scales: int = len(SCHEDULE)) -> Callable[[Pictures], Pictures]:
    """Return encode, quantise to the first `scales` scales, and decode."""
    return lambda images: vae.decode(  # type: ignore[operator]
        multiscale_bits(vae.encode(images), SCHEDULE.grids).cumulative[scales - 1]  # type: ignore[operator]
    )


def save_sheet(images: torch.Tensor, path: str, columns: int = 12, zoom: int = 3) -> None:
    """Save pictures, uint8 [N, 3, H, W], as one PNG."""
    n, c, h, w = images.shape
    rows = -(-n // columns)
    sheet = np.full((rows * columns, h + 2, w + 2, c), 120, dtype=np.uint8)
    sheet[:n, 1:-1, 1:-1] = images.permute(0, 2, 3, 1).numpy()
    grid = sheet.reshape(rows, columns, h + 2, w + 2, c).transpose(0, 2, 1, 3, 4)
    picture = Image.fromarray(grid.reshape(rows * (h + 2), columns * (w + 2), c))
    picture.resize((picture.width * zoom, picture.height * zoom), Image.Resampling.NEAREST).save(path)
