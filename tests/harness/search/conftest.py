"""Small models of both families and a small real verifier: searches over them are quick and every FLOP is counted.

`scales` and `flow` are models of one matrix (one_matrix_models.py), for all that no network has a part in; `infinity` and `flux` are
tiny networks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
from one_matrix_models import Scales, flow_generator
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerFast, T5Config, T5EncoderModel

from harness.compute.ledger import Budget, Cost, Unit
from harness.search.base import Candidate, Search, Task
from harness.search.prepare import prepare
from harness.seeds import Seeds
from models.base import Generator, Images
from models.diffusion.flux import FluxSettings, flux_generator
from models.diffusion.generator import DiffusionGenerator
from models.infinity.config import TransformerConfig, VAEConfig
from models.infinity.generator import InfinityGenerator
from models.infinity.pretrained import InfinityParts
from models.infinity.sampling import Sampling
from models.infinity.schedule import ScaleSchedule
from models.infinity.text_encoder import T5TextEncoder
from models.infinity.transformer import InfinityTransformer
from models.infinity.vae import InfinityVAE
from models.pair import Pair
from suites.base import Prompt
from verifiers.base import Scores, Verifier, VerifierCard

WORDS = ["<pad>", "<eos>", "<unk>", "red", "blue", "green", "circle", "square", "star", "two", "above", "and"]
PLENTY = Budget(1e18, Unit.NFE)
TEXTS = ["red circle", "two blue star", "green square above red star", "blue square", "red star and green circle"]


def word_tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>", model_max_length=7
    )


def tiny_t5() -> T5EncoderModel:
    return T5EncoderModel(T5Config(
        vocab_size=len(WORDS), d_model=24, d_kv=8, d_ff=40, num_layers=1, num_heads=2,
        feed_forward_proj="gated-gelu", pad_token_id=0, eos_token_id=1,
    ))  # fmt: skip


def tiny_infinity(sides: Sequence[int]) -> InfinityGenerator:
    """Guided, so that a prediction is two forwards; prompts have texts of different lengths."""
    torch.manual_seed(0)
    transformer = InfinityTransformer(TransformerConfig(
        depth=2, embed_dim=64, num_heads=2, codebook_dim=4, text_channels=24, text_maxlen=8
    ))  # fmt: skip
    for parameter in transformer.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    vae = InfinityVAE(VAEConfig(
        codebook_dim=4, base_ch=8, ch_mult=(1, 2), num_res_blocks=1, patch_size=2, norm_groups=4
    ))  # fmt: skip
    parts = InfinityParts(transformer, vae, ScaleSchedule.square(sides), Sampling(guidance=2.0))
    return InfinityGenerator(
        parts, T5TextEncoder(tiny_t5(), word_tokenizer(), 8), name="tiny-infinity", domain="shapes",
        licence="apache-2.0", weights_sha256="0" * 64,
    )  # fmt: skip


@pytest.fixture(scope="session")
def scales() -> Scales:
    """Four scales, 16 by 16 pixels."""
    return Scales([1, 2, 3, 4])


@pytest.fixture(scope="session")
def scales_13() -> Scales:
    """As many scales as the published schedule, for the paper's own counts."""
    return Scales([1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 4, 4])


@pytest.fixture(scope="session")
def flow() -> DiffusionGenerator:
    """Four steps, 16 by 16 pixels."""
    return flow_generator(steps=4, side=4)


@pytest.fixture(scope="session")
def both(scales: Scales, flow: DiffusionGenerator) -> Pair:
    return Pair("scales+flow", scales, flow)


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A clock on which every call that is timed takes a millisecond: its ticks."""
    ticks = count()
    monkeypatch.setattr("harness.compute.clock.perf_counter", lambda: next(ticks) / 1000)
    return ticks


@pytest.fixture(scope="session")
def infinity() -> InfinityGenerator:
    """Four scales, 16 by 16 pixels."""
    return tiny_infinity([1, 2, 4, 8])


@pytest.fixture(scope="session")
def flux() -> DiffusionGenerator:
    """Four steps, 16 by 16 pixels."""
    torch.manual_seed(0)
    transformer = FluxTransformer2DModel(
        patch_size=1, in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=24, pooled_projection_dim=20, guidance_embeds=False, axes_dims_rope=(4, 6, 6),
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=(8, 16), layers_per_block=1, latent_channels=4, norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        use_quant_conv=False, use_post_quant_conv=False, scaling_factor=0.7, shift_factor=0.1,
    )  # fmt: skip
    clip = CLIPTextModel(CLIPTextConfig(
        vocab_size=len(WORDS), hidden_size=20, intermediate_size=28, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=7, eos_token_id=1, pad_token_id=0, bos_token_id=None,
    ))  # fmt: skip
    pipeline = FluxPipeline(
        FlowMatchEulerDiscreteScheduler(), vae, clip, word_tokenizer(), tiny_t5(), word_tokenizer(), transformer
    )
    settings = FluxSettings(steps=4, height=16, width=16, max_sequence_length=6)
    return flux_generator(
        pipeline, settings, name="tiny-flux", domain="shapes", licence="apache-2.0", weights_sha256="0" * 64
    )


class TinyJudge:
    """A small real verifier: a convolution of the image against a linear map of the prompt, cached per prompt.

    Its weights are whole numbers, as pixels are: sums of them are the same in every batch.
    """

    def __init__(self, name: str = "judge", parts: int = 1, seed: int = 1) -> None:
        torch.default_generator.manual_seed(seed)  # not those of devices, at which torch keeps the stack of every call
        self.card = VerifierCard(name, "shapes", (-1.0, 1.0), tuple("abc"[:parts]), "0" * 64, "apache-2.0")
        self.convolution = torch.nn.Conv2d(3, 4 * parts, 3, stride=2, bias=False)
        torch.nn.init.normal_(self.convolution.weight, std=3).data.round_()
        self.text = torch.nn.Linear(16, 4 * parts, dtype=torch.float64)
        self._known: dict[str, torch.Tensor] = {}
        self.seen: list[tuple[str, bytes]] = []

    @torch.inference_mode()
    def score(self, images: Images, prompts: Sequence[str]) -> Scores:
        for prompt in prompts:
            if prompt not in self._known:
                counts = torch.bincount(torch.tensor([ord(letter) % 16 for letter in prompt]), minlength=16)
                self._known[prompt] = self.text(counts[None].double() / counts.sum())[0]
        self.seen += [(prompt, image.numpy().tobytes()) for image, prompt in zip(images, prompts, strict=True)]
        features_NC = self.convolution(images.float()).double().mean((2, 3)) / (255 * 32)
        match_NC = features_NC * torch.stack([self._known[prompt] for prompt in prompts])
        values_NM = match_NC.unflatten(1, (len(self.card.parts), 4)).sum(2).numpy()
        return Scores(values_NM, ("",) * len(prompts))

    @torch.inference_mode()
    def patches(self, images: Images) -> torch.Tensor:
        return self.convolution(images.float()).flatten(2).mT / (255 * 32)

    def patches_price(self) -> Cost:
        return Cost(verifier_flops=2 * 3 * 9 * 4 * len(self.card.parts) * 7 * 7)

    def forget(self) -> None:
        self._known.clear()

    def combine(self, values_NM: np.ndarray) -> np.ndarray:
        if values_NM.shape[1] == 1:
            return values_NM[:, 0]
        return -(-values_NM).argsort(0).argsort(0).mean(1).astype(np.float64)

    def price(self, images: int, new_prompts: int = 0) -> Cost:
        parts, side = len(self.card.parts), 7
        per_image = 2 * 3 * 9 * 4 * parts * side * side
        return Cost(
            verifier_flops=images * per_image + new_prompts * 2 * 16 * 4 * parts, verifier_calls=images
        )


@pytest.fixture(scope="session")
def make_judge() -> type[TinyJudge]:
    return TinyJudge


def prompts(count: int = 3) -> list[Prompt]:
    return [Prompt(f"{n:05}", TEXTS[n % len(TEXTS)], "any") for n in range(count)]


@dataclass
class Ran:
    task: Task

    def of(self, prompt: int = 0, judge: str = "judge") -> list[Candidate]:
        return self.task.candidates[judge][prompt]


@pytest.fixture(scope="session")
def ran() -> Callable[..., Ran]:
    """Runs one search and returns its task."""

    def run(
        search: Search,
        generator: Generator,
        budget: Budget = PLENTY,
        count: int = 3,
        max_rows: int = 64,
        judges: Sequence[Verifier] | None = None,
        asked: Sequence[Prompt] | None = None,
        **options: Any,
    ) -> Ran:
        judges = judges or [TinyJudge()]
        task = prepare(
            search, generator, judges, asked or prompts(count), budget, Seeds(0, "test"), max_rows, **options
        )
        search.run(task)
        return Ran(task)

    return run
