"""Features of images by place, for searches that compare pictures with one another: not a score, but charged like one.

A search reaches them through its verifier (`verifiers.base.Describing`), so that it sees no file and no device.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch

from harness.compute.ledger import Cost
from models.base import Domain, Images
from models.hashes import weights_sha256
from models.transformers_folder import from_folder
from verifiers.base import Verifier, members_of
from verifiers.clip_backbone import ClipBackbone
from verifiers.pass_flops import pass_flops

if TYPE_CHECKING:
    from harness.weights.local import LocalWeights

PHOTO = "dinov2"
"""Features of photographs, by name."""
_SIDE = 224


class Features(Protocol):
    """A network that describes the parts of an image."""

    @property
    def weights_sha256(self) -> str:
        """Hash of what it was loaded from: part of what determines a search that uses it."""
        ...

    def patches(self, images: Images) -> torch.Tensor:
        """float32 [N, L, E] on the CPU: L places of each image."""
        ...

    def flops(self) -> int:
        """Of one image."""
        ...


class Described:
    """A verifier as it is, with features beside it."""

    def __init__(self, verifier: Verifier, features: Features) -> None:
        self._verifier, self._features = verifier, features

    @property
    def members(self) -> Sequence[Verifier]:
        """The verifier's own: abilities of theirs are not to be missed behind features."""
        return members_of(self._verifier)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._verifier, name)

    def patches(self, images: Images) -> torch.Tensor:
        """Features of each image's places."""
        return self._features.patches(images)

    def patches_price(self) -> Cost:
        """Charged with the verifier's work; a description is no verifier call."""
        return Cost(verifier_flops=self._features.flops())

    @property
    def features_sha256(self) -> str:
        """Hash of the features' weights."""
        return self._features.weights_sha256


class ClipPatches:
    """The last layer's patch tokens of an open_clip vision transformer."""

    def __init__(self, backbone: ClipBackbone) -> None:
        self._backbone = backbone
        self.weights_sha256 = backbone.weights_sha256

    @torch.no_grad()
    def patches(self, images: Images) -> torch.Tensor:
        """Patch tokens before the final pooling."""
        pixels = self._backbone.pixels(list(images))
        found = self._backbone.model.visual.forward_intermediates(pixels, indices=1, output_fmt="NLC")
        tokens_NLE: torch.Tensor = found["image_intermediates"][-1]
        return tokens_NLE.float().cpu()

    def flops(self) -> int:
        """The whole image pass: the embedding is made as well."""
        return sum(self._backbone.image_passes.values())


class DinoPatches:
    """Patch tokens of DINOv2 with registers, pictures at 224 by 224 (TTS-VAR, arXiv 2507.18537)."""

    def __init__(self, model: Any, weights_sha256: str) -> None:
        self.model, self.weights_sha256 = model, weights_sha256
        self._registers = 1 + model.config.num_register_tokens

    @torch.no_grad()
    def patches(self, images: Images) -> torch.Tensor:
        """Patch tokens after the final norm."""
        mean = torch.tensor((0.485, 0.456, 0.406)).view(3, 1, 1)
        std = torch.tensor((0.229, 0.224, 0.225)).view(3, 1, 1)
        small = torch.nn.functional.interpolate(images.float() / 255, (_SIDE, _SIDE), mode="bilinear", antialias=True)
        pixels = ((small - mean) / std).to(self.model.device, self.model.dtype)
        tokens_NLE: torch.Tensor = self.model(pixel_values=pixels).last_hidden_state[:, self._registers :]
        return tokens_NLE.float().cpu()

    def flops(self) -> int:
        """Of one picture."""
        return self._flops

    @cached_property
    def _flops(self) -> int:
        return pass_flops(self.model, {"pixel_values": torch.empty(1, 3, _SIDE, _SIDE)})


def dinov2(row: Any, folders: Mapping[str, Path], device: torch.device | str, settings: Mapping[str, Any]) -> DinoPatches:
    """The loader of the row in features.toml. Raises WrongInput, DamagedWeights."""
    from transformers import Dinov2WithRegistersModel

    folder = folders["weights"]
    model = from_folder(Dinov2WithRegistersModel, folder).to(device)
    return DinoPatches(model, weights_sha256([folder / "model.safetensors"]))


def features_of(domain: Domain, device: torch.device | str = "cpu", local: LocalWeights | None = None) -> Features:
    """shapes-clip's for the shapes world, DINOv2's for photographs. Raises MissingWeights."""
    if domain == "shapes":
        from verifiers.load_embedded import shapes_backbone

        return ClipPatches(shapes_backbone(str(device)))
    from harness.registry import entry
    from harness.weights.local import build

    found: Features = build(entry("features", PHOTO), find_features(domain, local), device)
    return found


def find_features(domain: Domain, local: LocalWeights | None = None) -> dict[str, Path]:
    """Folders of the weights that `features_of` loads: none for the shapes world's. Raises MissingWeights."""
    from harness.registry import entry
    from harness.weights.local import LocalWeights, find

    return {} if domain == "shapes" else find(PHOTO, entry("features", PHOTO), local or LocalWeights())


def described(verifiers: Sequence[Verifier], features: Features) -> list[Verifier]:
    """The verifiers with features beside them."""
    return [Described(verifier, features) for verifier in verifiers]
