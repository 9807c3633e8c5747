"""The LAION aesthetic predictor v2 (github.com/christophschuhmann/improved-aesthetic-predictor): an affine map on CLIP.

Its published head is a stack of linear layers without activations, so at evaluation it is one map w x + b of the
L2-normalised image embedding.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from harness.errors import WrongInput
from models.base import Domain
from models.hashes import joint_sha256, sha256_of
from models.weight_files import read_tensors
from verifiers.base import VerifierCard
from verifiers.clip_backbone import ClipBackbone
from verifiers.scorer import Scorer

_LAYER = re.compile(r"layers\.(\d+)\.weight")


def collapse(state: Mapping[str, torch.Tensor], source: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Multiply out `layers.N.{weight,bias}` in order of N -> weight [1, E] and bias [1], float32; `source` is their file.

    Raises:
        WrongInput: there are no such layers, their shapes do not chain, or the last has more than one output.
    """
    numbers = sorted(int(found[1]) for found in map(_LAYER.fullmatch, state) if found)
    if not numbers:
        raise WrongInput(f"{source} has no layers.N.weight: give the predictor's state dict")
    layers = [(state[f"layers.{number}.weight"], state.get(f"layers.{number}.bias")) for number in numbers]
    width = layers[0][0].shape[-1] if layers[0][0].ndim else 0
    weight, bias = torch.eye(width, dtype=torch.float64), torch.zeros(width, dtype=torch.float64)
    for number, (layer, shift) in zip(numbers, layers, strict=True):
        if layer.ndim != 2 or shift is None or shift.shape != layer.shape[:1]:
            raise WrongInput(f"layers.{number} of {source} is no linear layer with its bias: give the predictor's state dict")
        if layer.shape[1] != len(weight):
            raise WrongInput(f"layers.{number} of {source} takes {layer.shape[1]} values where {len(weight)} come in: it is not one head; "
                             "give the predictor's state dict")
        weight, bias = layer.double() @ weight, layer.double() @ bias + shift.double()
    if len(weight) != 1:
        raise WrongInput(f"the head in {source} ends with {len(weight)} outputs where one is a score: give the predictor's state dict")
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
    """Read a head from safetensors, or from the published `sac+logos+ava1-l14-linearMSE.pth`. Raises WrongInput, DamagedWeights."""
    return Head(*collapse(read_tensors(path), path), sha256_of(path), str(path))


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
        self.card = VerifierCard(
            name=name,
            domain=domain,
            score_range=score_range,
            parts=(name,),
            weights_sha256=joint_sha256([backbone.weights_sha256, head.sha256]),
            licence=licence,
        )

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
