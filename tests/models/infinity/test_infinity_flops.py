"""Static FLOPs against torch's counter on the same calls, and against figures computed from the original code."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from harness.compute.flops import count_flops
from models.infinity.config import PUBLISHED_TRANSFORMERS, PUBLISHED_VAES, TransformerConfig, VAEConfig
from models.infinity.flops import (
    blocks_flops,
    decoder_flops,
    embed_flops,
    head_flops,
    prompt_flops,
    scale_flops,
    teacher_forced_flops,
)
from models.infinity.rollout import Rollout
from models.infinity.sampling import Sampling, draw_by_row
from models.infinity.schedule import ScaleSchedule, published_schedule
from models.infinity.text import TextFeatures
from models.infinity.training import initialise
from models.infinity.transformer import InfinityTransformer
from models.infinity.vae import InfinityVAE

TINY = TransformerConfig(depth=3, embed_dim=64, num_heads=2, codebook_dim=3, text_channels=24, text_maxlen=9,
                         patchify=True)
SCHEDULE = ScaleSchedule(((1, 1), (2, 2), (4, 3)))
TINY_VAE = VAEConfig(codebook_dim=5, base_ch=8, ch_mult=(1, 3, 2), num_res_blocks=2, patch_size=2, norm_groups=4)


def text_of(*lengths: int) -> TextFeatures:
    return TextFeatures.of([torch.randn(length, TINY.text_channels) for length in lengths])


@pytest.mark.parametrize("sampling", [
    Sampling(guidance=3.0), Sampling(guidance=1.0),
    Sampling(guidance=(3.0, 1.0, 2.0)), Sampling(guidance=(3.0, 2.0, 1.0)),
    Sampling(guidance=2.0, insertion_layers=(-1,)), Sampling(guidance=2.0, insertion_layers=(0, -2))])
@torch.no_grad()
def test_every_scale_of_mixed_prompts(sampling: Sampling) -> None:
    rollout = Rollout(initialise(InfinityTransformer(TINY)).eval(), SCHEDULE, sampling)
    lengths = (4, 2, 4)
    conditions = rollout.condition(text_of(*lengths))
    counted = count_flops(lambda: rollout.condition(text_of(*lengths)))
    assert counted == sum(prompt_flops(TINY, length) for length in lengths) * sampling.halves(0)
    prefixes = rollout.start((0, 1, 2))
    for k in range(len(SCHEDULE)):
        counted = count_flops(lambda p=prefixes: rollout.predict(p, (0, 1, 2), conditions))
        assert counted == sum(scale_flops(TINY, SCHEDULE, k, length, sampling) for length in lengths), k
        prediction = rollout.predict(prefixes, (0, 1, 2), conditions)
        prefixes, _ = rollout.extend(prefixes, prediction, (0, 1, 2), partial(draw_by_row, seeds=(1, 2, 3)))


@torch.no_grad()
def test_negative_prompts_have_their_own_length() -> None:
    rollout = Rollout(initialise(InfinityTransformer(TINY)).eval(), SCHEDULE, Sampling(guidance=2.0))
    conditions = rollout.condition(text_of(4), negative=rollout.transformer.condition(text_of(7)))
    counted = count_flops(lambda: rollout.predict(rollout.start((0,)), (0,), conditions))
    assert counted == scale_flops(TINY, SCHEDULE, 0, 4, rollout.sampling, negative_tokens=7)


@torch.no_grad()
def test_teacher_forcing() -> None:
    model = initialise(InfinityTransformer(TINY)).eval()
    inputs_BLD = torch.randn(2, SCHEDULE.total - 1, TINY.token_bits)
    counted = count_flops(lambda: model(text_of(3, 5), inputs_BLD, SCHEDULE))
    assert counted == teacher_forced_flops(TINY, SCHEDULE, 3) + teacher_forced_flops(TINY, SCHEDULE, 5)


@torch.no_grad()
def test_decoder() -> None:
    vae = InfinityVAE(TINY_VAE).eval()
    assert count_flops(lambda: vae.decode(torch.randn(1, 5, 3, 4))) == decoder_flops(TINY_VAE, (3, 4))


def test_published_sizes() -> None:
    """TFLOP of the original at full size: its loop recomputes the text's keys and the head's modulation every scale."""
    config, schedule, text, tera = PUBLISHED_TRANSFORMERS["infinity-2b"], published_schedule(), 32, 1e12

    def originals(config: TransformerConfig, schedule: ScaleSchedule) -> list[int]:
        totals = []
        for k, n in enumerate(schedule.lengths):
            repeated = 4 * config.depth * text * config.embed_dim**2 + 4 * config.embed_dim**2
            context = sum(schedule.lengths[:k + 1])
            totals.append(blocks_flops(config, n, context, text) + head_flops(config, n)
                          + (embed_flops(config, n) if k else 0) + repeated)
        return totals

    totals = originals(config, schedule)
    want = [0.021, 0.032, 0.078, 0.153, 0.260, 0.570, 1.02, 1.62, 2.41, 4.55, 7.77, 12.6, 26.7]
    assert [total / tera for total in totals] == pytest.approx(want, rel=0.02)
    assert sum(totals) / tera == pytest.approx(57.8, abs=0.05)
    for name, total, half_digit in (("infinity-8b", 191.7, 0.05), ("infinity-125m", 4.63, 0.005)):
        assert sum(originals(PUBLISHED_TRANSFORMERS[name], schedule)) / tera == pytest.approx(total, abs=half_digit)
    ours = prompt_flops(config, text) + sum(
        scale_flops(config, schedule, k, text, Sampling(guidance=1.0)) for k in range(len(schedule)))
    assert ours / tera == pytest.approx(57.8, rel=0.02)  # what the price list says
    assert decoder_flops(PUBLISHED_VAES["vae-d32"], (64, 64)) / tera == pytest.approx(9.85, abs=0.005)
    assert decoder_flops(PUBLISHED_VAES["vae-d56-patchify"], (128, 128)) / tera == pytest.approx(9.89, abs=0.005)
    assert decoder_flops(PUBLISHED_VAES["vae-d32"], (32, 32)) / tera == pytest.approx(2.46, abs=0.005)
