"""The LAION aesthetic predictor v2 (github.com/christophschuhmann/improved-aesthetic-predictor): an affine map on CLIP.

Its published head is a stack of linear layers without activations, so at evaluation it is one map w x + b of the
L2-normalised image embedding.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch.nn import functional

from harness.errors import WrongInput
from models.base import Domain
from models.files import joint_sha256, load_pickle, sha256_of
from verifiers.base import VerifierCard
from verifiers.clip_backbone import ClipBackbone
from verifiers.scorer import Scorer


def collapse(state: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Multiply out `layers.N.{weight,bias}` in order of N -> weight [1, E] and bias [1], float32.

    Raises:
        ValueError: there are no such layers, their shapes do not chain, or the last has more than one output.
    """
    numbers = sorted(int(key.split(".")[1]) for key in state if key.startswith("layers.") and key.endswith(".weight"))
    if not numbers:
        raise ValueError("aesthetic head has no layers.N.weight: give the predictor's state dict")
    weight = torch.eye(state[f"layers.{numbers[0]}.weight"].shape[1], dtype=torch.float64)
    bias = torch.zeros(len(weight), dtype=torch.float64)
    for number in numbers:
        layer = state[f"layers.{number}.weight"].double()
        if layer.shape[1] != len(weight):
            raise ValueError(
                f"layers.{number} takes {layer.shape[1]} values where {len(weight)} come in: the file is not one head"
            )
        weight, bias = layer @ weight, layer @ bias + state[f"layers.{number}.bias"].double()
    if len(weight) != 1:
        raise ValueError(f"aesthetic head ends with {len(weight)} outputs: it must end with one")
    return weight.float(), bias.float()


@dataclass(frozen=True, eq=False)
class Head:
    """An affine map on image embeddings."""

    weight_1E: torch.Tensor
    bias_1: torch.Tensor
    sha256: str
    """Of its file."""
    source: str = ""
    """Where it is from, for people."""


def load_head(path: Path) -> Head:
    """Read a head from safetensors, or from the published `sac+logos+ava1-l14-linearMSE.pth`."""
    safe = path.suffix == ".safetensors"
    return Head(*collapse(load_file(path) if safe else load_pickle(path)), sha256_of(path), str(path))


class Aesthetic(Scorer):
    """How good a picture looks, whatever its prompt; nominally 1 to 10 for LAION's head."""

    reads_text = False

    def __init__(
        self,
        backbone: ClipBackbone,
        head: Head,
        name: str,
        licence: str,
        domain: Domain = "photo",
        score_range: tuple[float, float] = (1.0, 10.0),
    ) -> None:
        """A head over this backbone.

        Raises:
            WrongInput: the head is for embeddings of another width.
        """
        self._backbone = backbone
        self._weight_1E, self._bias_1 = head.weight_1E, head.bias_1
        if backbone.width != self._weight_1E.shape[1]:
            raise WrongInput(
                f"{head.source} is for embeddings of {self._weight_1E.shape[1]}, the CLIP model gives {backbone.width}: use its own"
            )
        self._card = VerifierCard(
            name=name,
            domain=domain,
            score_range=score_range,
            parts=(name,),
            weights_sha256=joint_sha256([backbone.weights_sha256, head.sha256]),
            licence=licence,
        )

    @property
    def card(self) -> VerifierCard:
        """What a report has to know."""
        return self._card

    @property
    def image_passes(self) -> Mapping[str, int]:
        """The backbone's image pass, and the map."""
        return {**self._backbone.image_passes, f"aesthetic-{id(self)}": 2 * self._weight_1E.numel()}

    def sharing(self) -> AbstractContextManager[None]:
        """Share picture embeddings with others on this backbone."""
        return self._backbone.sharing()

    def values(self, images: Sequence[torch.Tensor], prompts: Sequence[str]) -> np.ndarray:
        """Return the scores, float64 [N]."""
        features_NE = self._backbone.image_features(images)
        scores_N = functional.linear(features_NE, self._weight_1E, self._bias_1).squeeze(1)
        return np.asarray(scores_N.double().numpy())
