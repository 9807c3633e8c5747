"""One CLIP model behind several verifiers; within `sharing` a picture passes through it once."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.transform import PreprocessCfg
from torch import nn
from torch.nn import functional

from harness.errors import DamagedWeights, WrongInput
from harness.memory import out_of_memory
from models.configuration import read_config
from models.hashes import weights_sha256
from models.weight_files import check_keys, check_whole, load_pickle
from verifiers.pass_flops import pass_flops
from verifiers.preprocess import LongestSide, Preprocess, Preprocessing

CONFIG_FILE = "open_clip_config.json"
WEIGHTS_FILE = "open_clip_model.safetensors"
BATCH = 64


class ClipBackbone:
    """Normalised embeddings of pictures and prompts; nothing is kept between calls, except within `sharing`."""

    def __init__(
        self, model: nn.Module, preprocess: Preprocessing, tokenizer: Any, weights_sha256: str
    ) -> None:
        self.model: Any = model.eval().requires_grad_(False)
        self.weights_sha256 = weights_sha256
        self._preprocess = preprocess
        self._tokenizer = tokenizer
        self._shared: dict[bytes, torch.Tensor] | None = None

    @classmethod
    def from_folder(
        cls, folder: Path, device: torch.device | str = "cpu", quick_gelu: bool = False
    ) -> "ClipBackbone":
        """Load a folder in open_clip's `local-dir:` format: open_clip_config.json, open_clip_model.safetensors, tokenizer files.

        `quick_gelu` uses QuickGELU whatever the configuration says: OpenAI's weights were trained with it.

        Raises:
            DamagedWeights: one of the two files is missing (open_clip itself would go on with random weights) or cut short.
            WrongInput: the folder holds another network than its configuration says, or no tokenizer.
        """
        for name in (CONFIG_FILE, WEIGHTS_FILE):
            if not (folder / name).is_file():
                raise DamagedWeights(f"{folder} has no {name}: give a folder saved in open_clip's local-dir format")
        read_config(folder, CONFIG_FILE)
        check_whole(folder / WEIGHTS_FILE)
        source = f"local-dir:{folder}"
        with refused(f"{folder} cannot be loaded by open_clip", "give the published folder"):
            model = open_clip.create_model(source, device=device, force_quick_gelu=quick_gelu)
            preprocess = Preprocess(PreprocessCfg(**open_clip.get_model_preprocess_cfg(model)))
            tokenizer = open_clip.get_tokenizer(source)
        return cls(model, preprocess, tokenizer, weights_sha256([folder / WEIGHTS_FILE]))

    @classmethod
    def from_checkpoint(
        cls, checkpoint: Path, architecture: str, preprocess: LongestSide, device: torch.device | str = "cpu"
    ) -> "ClipBackbone":
        """Load a checkpoint of one of open_clip's architectures: its state dict, bare or under "state_dict".

        Raises:
            WrongInput: the file holds another network, or needs code to load.
            DamagedWeights: the file is cut short.
        """
        check_whole(checkpoint)
        try:
            with refused(f"{checkpoint} is no {architecture}", "give the file of this verifier"):
                model = open_clip.create_model(architecture, pretrained=str(checkpoint), device=device)
        except WrongInput:
            _check_weights(checkpoint, architecture)
            raise
        tokenizer = open_clip.get_tokenizer(architecture)
        return cls(model, preprocess, tokenizer, weights_sha256([checkpoint]))

    @property
    def width(self) -> int:
        """Values of an embedding."""
        return int(self.model.visual.output_dim)

    @property
    def logit_scale(self) -> float:
        """What the model multiplies cosines by."""
        return float(self.model.logit_scale.exp())

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        found: torch.device = self.model.logit_scale.device
        return found

    @property
    def text_length(self) -> int:
        """Tokens of a prompt that are read, start and end included."""
        return int(self._tokenizer.context_length)

    @contextmanager
    def sharing(self) -> Iterator[None]:
        """Within, pictures of equal contents pass through the model once; afterwards nothing of them is kept.

        An ensemble's members share, and verifiers that are asked in one call where nothing is timed (`verifiers.base.sharing`):
        one that finds another's embeddings looks free in seconds.
        """
        outer = self._shared
        self._shared = {} if outer is None else outer
        try:
            yield
        finally:
            self._shared = outer

    def image_features(self, images: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return L2-normalised embeddings, float32 [N, E] on the CPU, of pictures uint8 [3, H, W]."""
        if self._shared is None:
            return self._embed(images)
        key = _digest(images)
        if key not in self._shared:
            self._shared[key] = self._embed(images)
        return self._shared[key]

    def pixels(self, images: Sequence[torch.Tensor]) -> torch.Tensor:
        """What the vision tower is given of pictures uint8 [3, H, W]."""
        return self._preprocess(images).to(self.device)

    @torch.no_grad()
    def _embed(self, images: Sequence[torch.Tensor]) -> torch.Tensor:
        parts = []
        for start in range(0, len(images), BATCH):
            batch_BCHW = self.pixels(images[start : start + BATCH])
            parts.append(functional.normalize(self._image_tower(batch_BCHW), dim=-1).float().cpu())
        return torch.cat(parts)

    def _image_tower(self, image_BCHW: torch.Tensor) -> torch.Tensor:
        embedding_BE: torch.Tensor = self.model.visual(image_BCHW)
        return embedding_BE

    def _text_tower(self, prompts: list[str]) -> torch.Tensor:
        embedding_BE: torch.Tensor = self.model.encode_text(self._tokenizer(prompts).to(self.device))
        return embedding_BE

    @torch.no_grad()
    def text_features(self, prompts: Sequence[str]) -> torch.Tensor:
        """Return L2-normalised embeddings, float32 [N, E] on the CPU."""
        parts = []
        for start in range(0, len(prompts), BATCH):
            embedding_BE = self._text_tower(list(prompts[start : start + BATCH]))
            parts.append(functional.normalize(embedding_BE, dim=-1).float().cpu())
        return torch.cat(parts)

    def truncated(self, prompts: Sequence[str]) -> tuple[bool, ...]:
        """Whether each prompt has more tokens than are read."""
        return tuple(self._tokens(prompt) > self.text_length for prompt in prompts)

    def _tokens(self, prompt: str) -> int:
        if isinstance(self._tokenizer, open_clip.SimpleTokenizer):
            return len(self._tokenizer.encode(prompt)) + 2
        return len(self._tokenizer.tokenizer(prompt, verbose=False).input_ids)

    @property
    def _towers(self) -> tuple[nn.Module, nn.Module]:
        """What computes an image's embedding, and a text's."""
        return self.model, self.model

    @cached_property
    def image_passes(self) -> dict[str, int]:
        """FLOPs of one picture, under a name of this backbone."""
        picture = torch.empty(1, 3, *self._preprocess.size)
        return {f"clip-image-{id(self)}": pass_flops(self._towers[0], {"image": picture})}

    @cached_property
    def text_passes(self) -> dict[str, int]:
        """FLOPs of one prompt, under a name of this backbone."""
        tokens = torch.zeros(1, self.text_length, dtype=torch.long)
        return {f"clip-text-{id(self)}": pass_flops(self._towers[1], {"text": tokens})}


def openai_clip(folder: Path, device: torch.device | str) -> ClipBackbone:
    """OpenAI's CLIP: the same files on the same device are one backbone, whatever the number of verifiers and graders on it.

    Raises as `ClipBackbone.from_folder` does.
    """
    return _openai_clip(folder, str(device))


@cache
def _openai_clip(folder: Path, device: str) -> ClipBackbone:
    return ClipBackbone.from_folder(folder, device, quick_gelu=True)


@contextmanager
def refused(what: str, instead: str) -> Iterator[None]:
    """Turn what open_clip says of files that it cannot read into WrongInput."""
    try:
        yield
    except Exception as error:
        if out_of_memory(error):
            raise
        raise WrongInput(f"{what} ({' '.join(str(error).split())[:160]}): {instead}") from error


def _check_weights(checkpoint: Path, architecture: str) -> None:
    """Raise WrongInput for a checkpoint that lacks weights of an architecture, or has them in other shapes: the first are named."""
    held = load_pickle(checkpoint)
    held = held.get("state_dict", held) if isinstance(held, dict) else {}
    found = {str(name).removeprefix("module."): each.shape for name, each in held.items() if isinstance(each, torch.Tensor)}
    if not found:
        return
    with suppress(TypeError), torch.device("meta"):  # architectures that are not of CLIP's own kind have other settings
        wanted = open_clip.CLIP(**open_clip.get_model_config(architecture)).state_dict()
        check_keys(checkpoint, {name: each.shape for name, each in wanted.items()}, found)


def _digest(images: Sequence[torch.Tensor]) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for image in images:
        digest.update(repr(tuple(image.shape)).encode())
        digest.update(image.contiguous().numpy().tobytes())
    return digest.digest()
