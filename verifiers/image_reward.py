"""ImageReward: a learnt human preference for a picture given its prompt (Xu et al. 2023, arXiv 2304.05977)."""

import json
import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from open_clip.transform import PreprocessCfg
from transformers import AutoTokenizer

from harness.errors import WrongInput, first_line
from models.base import Domain
from models.hashes import sha256_of, weights_sha256
from models.outlining import outlining
from models.transformers_folder import check_tokens, reader_from_folder
from models.weight_files import read_tensors
from verifiers.base import VerifierCard
from verifiers.image_reward_network import RewardConfig, RewardNetwork, load_state
from verifiers.pass_flops import pass_flops
from verifiers.preprocess import Preprocess
from verifiers.scorer import Scorer

CONFIG_FILE = "image_reward_config.json"
WEIGHTS_FILE = "image_reward.safetensors"
BATCH = 32

log = logging.getLogger(__name__)


class ImageReward(Scorer):
    """Normalised reward, about -2 to 2; the text encoder attends to the picture, so every pair is one whole pass."""

    def __init__(
        self,
        network: RewardNetwork,
        tokenizer: Any,
        weights_sha256: str,
        name: str,
        licence: str,
        domain: Domain = "photo",
        preprocess: PreprocessCfg | None = None,
    ) -> None:
        self._network = network.eval().requires_grad_(False)
        self._tokenizer = tokenizer
        self._preprocess = Preprocess(preprocess or PreprocessCfg(size=network.config.image_size))
        self.card = VerifierCard(
            name=name,
            domain=domain,
            score_range=(-2.5, 2.5),
            parts=(name,),
            weights_sha256=weights_sha256,
            licence=licence,
            text_limit_tokens=network.config.text_length,
        )

    @classmethod
    def from_folder(
        cls, folder: Path, name: str, licence: str, domain: Domain = "photo", device: torch.device | str = "cpu"
    ) -> "ImageReward":
        """Load a folder with image_reward_config.json, image_reward.safetensors and tokenizer files.

        Raises:
            WrongInput: weights are missing or do not fit the configuration, or the tokenizer cannot be read.
            DamagedWeights: a file is cut short.
        """
        settings = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
        network = build(
            read_tensors(folder / WEIGHTS_FILE), RewardConfig.from_json(settings["network"]), folder / WEIGHTS_FILE
        )
        tokenizer = reader_from_folder(AutoTokenizer, folder)
        sha256 = sha256_of(folder / WEIGHTS_FILE)
        preprocess = PreprocessCfg(size=network.config.image_size, **settings["preprocess"])
        return cls(network.to(device), tokenizer, sha256, name, licence, domain, preprocess)

    @classmethod
    def from_published(
        cls,
        state: Mapping[str, torch.Tensor],
        checkpoint: Path,
        tokenizer_folder: Path,
        config: RewardConfig,
        name: str,
        licence: str,
        device: torch.device | str = "cpu",
    ) -> "ImageReward":
        """From what `image_reward_network.from_published` makes of `checkpoint`, with the files of its tokenizer (bert-base-uncased).

        Raises:
            WrongInput: weights are missing or do not fit the configuration, or the tokenizer cannot be read.
            DamagedWeights: a file is cut short.
        """
        network = build(state, config, checkpoint)
        tokenizer = reader_from_folder(AutoTokenizer, tokenizer_folder)
        check_tokens(tokenizer_folder, tokenizer, config.text_vocabulary)
        return cls(network.to(device), tokenizer, weights_sha256([checkpoint]), name, licence)

    @cached_property
    def _pass_flops(self) -> int:
        config = self._network.config
        tokens_BT = torch.zeros(1, config.text_length, dtype=torch.long)
        image_BCHW = torch.empty(1, 3, config.image_size, config.image_size)
        return pass_flops(self._network, {"image_BCHW": image_BCHW, "tokens_BT": tokens_BT})

    @property
    def image_passes(self) -> Mapping[str, int]:
        """The whole network: nothing of it can be kept for a prompt."""
        return {f"image-reward-{id(self)}": self._pass_flops}

    @torch.no_grad()
    def values(self, images: Sequence[torch.Tensor], prompts: Sequence[str]) -> np.ndarray:
        """Return the rewards, float64 [N]."""
        rewards = [
            self._rewards(images[start : start + BATCH], prompts[start : start + BATCH])
            for start in range(0, len(images), BATCH)
        ]
        return np.asarray(torch.cat(rewards).double().cpu().numpy())

    def _rewards(self, images: Sequence[torch.Tensor], prompts: Sequence[str]) -> torch.Tensor:
        device = next(self._network.parameters()).device
        text = self._tokenizer(
            list(prompts),
            padding="max_length",
            truncation=True,
            max_length=self._network.config.text_length,
            return_tensors="pt",
        )
        image_BCHW = self._preprocess(images).to(device)
        rewards_B: torch.Tensor = self._network(image_BCHW, text.input_ids.to(device), text.attention_mask.to(device))
        return rewards_B

    def truncated(self, prompts: Sequence[str]) -> tuple[bool, ...]:
        """Whether each prompt has more tokens than the text encoder reads."""
        limit = self._network.config.text_length
        return tuple(len(self._tokenizer(prompt, verbose=False).input_ids) > limit for prompt in prompts)


def build(state: Mapping[str, torch.Tensor], config: RewardConfig, source: Path) -> RewardNetwork:
    """Make a network of these weights; weights it has no place for are logged and left out.

    Raises:
        WrongInput: weights are missing or do not fit the configuration, or nothing can be built of that.
    """
    try:
        with outlining():
            network = RewardNetwork(config)
    except Exception as error:
        raise WrongInput(f"no ImageReward network can be built of the configuration of {source} ({first_line(error)}): give the "
                         "published folder") from error
    extra = load_state(network, state, source)
    if extra:
        log.warning(
            "%s has %d weights that ImageReward has no place for, first %s: left out", source, len(extra), extra[0]
        )
    return network
