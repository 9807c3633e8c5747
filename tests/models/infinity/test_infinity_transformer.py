"""Invariants of the transformer at sizes the parity data does not cover: patches, rectangles, bfloat16, training."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch

from models.infinity.bits import multiscale_bits, to_map, transformer_inputs, transformer_labels
from models.infinity.config import TransformerConfig, VAEConfig
from models.infinity.generation import Generation, generation
from models.infinity.rollout import Rollout
from models.infinity.rope import rope_table
from models.infinity.sampling import Sampling, bit_probabilities, draw_by_row, draw_shared
from models.infinity.schedule import FULL_SCHEDULES, PN_SCALES, ScaleSchedule, published_schedule
from models.infinity.text import TextFeatures
from models.infinity.training import bit_loss, initialise, token_weights
from models.infinity.transformer import InfinityTransformer
from models.text_runs import text_runs

SCHEDULE = ScaleSchedule(((1, 1), (2, 2), (3, 2), (4, 3)), rope_grid=(9, 7))


def build(patchify: bool = True, chunks: int = 1, drop_path: float = 0.1) -> InfinityTransformer:
    torch.manual_seed(0)
    config = TransformerConfig(depth=2, embed_dim=64, num_heads=2, codebook_dim=3, text_channels=16, text_maxlen=6,
                               block_chunks=chunks, patchify=patchify, drop_path=drop_path)
    model = InfinityTransformer(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.15)
    return model


def texts(*lengths: int) -> TextFeatures:
    generator = torch.Generator().manual_seed(1)
    return TextFeatures.of([torch.randn(length, 16, generator=generator) for length in lengths])


@pytest.mark.parametrize(("patchify", "chunks"), [(True, 1), (True, 2), (False, 1)])
@torch.no_grad()
def test_generation_equals_teacher_forcing(patchify: bool, chunks: int) -> None:
    model = build(patchify, chunks)
    grids = SCHEDULE.latent_grids(model.config.patch)
    bits = multiscale_bits(torch.randn(3, 3, *grids[-1]), grids)
    got = generation(Rollout(model, SCHEDULE, Sampling(guidance=1.0)), texts(5, 2, 4), lambda p_BnD: p_BnD > 0.5,
                   forced=bits.labels)
    want_BLD2 = model(texts(5, 2, 4), transformer_inputs(bits, grids, model.config.patch), SCHEDULE)
    torch.testing.assert_close(torch.cat(got.logits, dim=1), want_BLD2, atol=1e-4, rtol=1e-4)
    assert torch.equal(torch.cat(got.bits, dim=1).long(), transformer_labels(bits, model.config.patch))
    torch.testing.assert_close(got.features[-1], bits.sum_BdHW)
    used_BdHW = to_map(got.bits[2].float(), SCHEDULE.grids[2], model.config.patch)
    assert torch.equal(used_BdHW.bool(), bits.labels[2])


@torch.no_grad()
def test_forcing_what_would_have_been_drawn_changes_nothing() -> None:
    """So also not what is drawn after it: one generator serves the whole batch, scale after scale, forced or not."""
    rollout, text = Rollout(build(), SCHEDULE, Sampling(guidance=2.0)), texts(5, 2)

    def run(*forced: torch.Tensor) -> Generation:
        return generation(rollout, text, partial(draw_shared, generator=torch.Generator().manual_seed(4)), forced=forced)

    free = run()
    maps = [to_map(free.bits[k].float(), SCHEDULE.grids[k], rollout.patch) for k in range(2)]
    same, other = run(*maps), run(*[1 - bits_BdHW for bits_BdHW in maps])
    for k in range(len(SCHEDULE)):
        assert torch.equal(same.bits[k], free.bits[k]), k
    assert torch.equal(other.drawn[0], free.drawn[0])
    assert torch.equal(other.bits[0], ~free.bits[0])
    with pytest.raises(ValueError, match="forced bits of 1 scales for 1 rows: give one row for each of 2 prompts"):
        run(maps[0][:1])


@torch.no_grad()
def test_lists_longer_than_the_schedule_are_those_of_a_longer_one() -> None:
    """Also where a scale that does not come is guided: nothing is computed for it."""
    model, text = build(), texts(3)

    def run(schedule: ScaleSchedule, guidance: list[float], temperature: list[float]) -> tuple[list[torch.Tensor], Sampling]:
        rollout = Rollout(model, schedule, Sampling(guidance, temperature))
        return generation(rollout, text, lambda p_BnD: p_BnD > 0.5).logits, rollout.sampling

    first = SCHEDULE.prefix(2)
    long, sampling = run(first, [1.0, 1.0, 3.0, 2.0], [1.0, 0.5, 0.3, 0.2])
    short, _ = run(first, [1.0, 1.0], [1.0, 0.5])
    assert sampling.halves(0) == 1
    for one, other in zip(long, short, strict=True):
        assert torch.equal(one, other)


def test_sizes_follow_the_originals_rules() -> None:
    """Halves of F round to even; pool heads are by the text's width, beyond 4096 by the model's too; 24 groups where 32 do not divide."""
    def sized(width: int, text: int = 2048) -> TransformerConfig:
        return TransformerConfig(depth=2, embed_dim=width, num_heads=width // 32, codebook_dim=4, text_channels=text)

    assert [sized(width).ffn_hidden for width in (96, 160, 2080, 3360)] == [512, 512, 8192, 13312]
    assert [sized(width).pool_heads for width in (2048, 4096, 8192)] == [16, 16, 32]
    assert sized(64, text=64).pool_heads == 1
    assert [VAEConfig(base_ch=96).groups(channels) for channels in (96, 192, 120, 72)] == [32, 32, 24, 24]


def test_options_under_the_authors_names() -> None:
    options = {"depth": 4, "block_chunks": 2, "embed_dim": 64, "num_heads": 4, "text_channels": 256, "text_maxlen": 24,
               "apply_spatial_patchify": 1, "codebook_dim_vae": 8, "lvl_embed_rows": 12, "norm_eps": 1e-5, "mlp_ratio": 4,
               "add_lvl_embeding_only_first_block": 1, "rope2d_normalized_by_hw": 2, "pad_to_multiplier": 1, "d_token": 32}
    assert TransformerConfig.from_original(options) == TransformerConfig(
        4, 64, 4, 8, text_channels=256, text_maxlen=24, block_chunks=2, patchify=True, level_rows=12, norm_eps=1e-5)
    published = {"shared_aln": 1, "head_aln": True, "head_depth": 1, "rms_norm": False, "nm0": 0, "cos_attn": True, "swiglu": False,
                 "cross_attn_layer_scale": -1.0, "rope2d_each_sa_layer": 1}
    assert TransformerConfig.from_original({**options, **published}) == TransformerConfig.from_original(options)
    for name, value in {"mlp_ratio": 3, "rope2d_normalized_by_hw": 0, "add_lvl_embeding_only_first_block": 0, "use_bit_label": 0,
                        "shared_aln": False, "head_aln": False, "head_depth": 2, "rms_norm": True, "nm0": True, "cos_attn": False,
                        "swiglu": True, "cross_attn_layer_scale": 1e-5, "rope2d_each_sa_layer": 0}.items():
        with pytest.raises(ValueError, match=f"{name}={value} is built into no model here: every published one has"):
            TransformerConfig.from_original({**options, name: value})
    with pytest.raises(ValueError, match="d_token=8 contradicts the other sizes, which make it 32"):
        TransformerConfig.from_original({**options, "d_token": 8})


@torch.no_grad()
def test_guidance_on_logits_is_the_mix_of_two_separate_runs() -> None:
    model = build()
    rollout = Rollout(model, SCHEDULE, Sampling(guidance=(3.0, 1.0, 2.0, 1.0), temperature=0.5))
    bits = [torch.rand(2, 3, h, w) > 0.5 for h, w in rollout.latent_grids]
    text = texts(5, 3)

    def alone(of: TextFeatures) -> list[torch.Tensor]:
        plain = Rollout(model, SCHEDULE, Sampling(guidance=1.0, temperature=0.5))
        return generation(plain, of, lambda p_BnD: p_BnD > 0.5, forced=bits).logits

    got = generation(rollout, text, lambda p_BnD: p_BnD > 0.5, forced=bits).logits
    pairs = zip(alone(text), alone(model.unconditional(text.lengths)), strict=True)
    for k, (conditional, unconditional) in enumerate(pairs):
        g = rollout.sampling.guidance_at(k)
        torch.testing.assert_close(got[k], g * conditional + (1 - g) * unconditional, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_bfloat16_blocks_keep_a_float32_stream_and_a_bfloat16_cache() -> None:
    model, text = build(), texts(5, 3)
    rollout = Rollout(model, SCHEDULE, Sampling(guidance=2.0))
    bits = [torch.rand(2, 3, h, w) > 0.5 for h, w in rollout.latent_grids]
    exact = generation(rollout, text, lambda p_BnD: p_BnD > 0.5, forced=bits).logits
    model.cast_blocks(torch.bfloat16)
    rough = generation(rollout, text, lambda p_BnD: p_BnD > 0.5, forced=bits).logits
    for k in range(len(SCHEDULE)):
        assert rough[k].dtype == torch.float32
        error = (rough[k] - exact[k]).abs().max() / exact[k].std()
        assert 0 < error < 0.1, k
    prediction = rollout.predict(rollout.start((0, 1)), (0, 1), rollout.condition(text))
    assert {block.dtype for block in prediction.segment.blocks} == {torch.bfloat16}


@torch.no_grad()
def test_dropped_rows_see_the_unconditional_text() -> None:
    model = build()
    inputs_BLD = torch.randn(3, SCHEDULE.total - 1, 12)
    text = texts(5, 2, 4)
    got = model(text, inputs_BLD, SCHEDULE, unconditional=(False, True, False))
    kept, learned = model(text, inputs_BLD, SCHEDULE), model(model.unconditional(text.lengths), inputs_BLD, SCHEDULE)
    torch.testing.assert_close(got, torch.stack([kept[0], learned[1], kept[2]]))


def test_fresh_weights_start_at_the_loss_of_a_coin_and_learn() -> None:
    torch.manual_seed(0)
    model = initialise(build(drop_path=0.0)).train()
    labels_BLD = torch.randint(2, (4, SCHEDULE.total, 12))
    inputs_BLD, text = torch.randn(4, SCHEDULE.total - 1, 12) / math.sqrt(3), texts(5, 2, 4, 4)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, betas=(0.9, 0.97))
    losses = []
    for _ in range(12):
        loss = bit_loss(model(text, inputs_BLD, SCHEDULE), labels_BLD, SCHEDULE)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(math.log(2), abs=0.02)
    assert losses[-1] < losses[0] - 0.01


def test_initial_weights() -> None:
    torch.manual_seed(0)
    model = initialise(InfinityTransformer(TransformerConfig(
        depth=8, embed_dim=128, num_heads=4, codebook_dim=8, text_channels=64, text_maxlen=16)))
    block, std = model.ordered_blocks[3], math.sqrt(1 / (3 * 128))
    for weight, want in ((block.ffn.fc1.weight, std), (block.ffn.fc2.weight, std / 4), (block.sa.proj.weight, std / 4),
                         (model.head.weight, std * 0.02), (model.get_parameter("head_nm.ada_lin.1.weight"), std * 1e-3),
                         (block.ada_gss[:, :, :2], 5e-6 / math.sqrt(128)),
                         (block.ada_gss[:, :, 2:], 1e-3 / math.sqrt(128)),
                         (model.cfg_uncond, 1.2 * 0.796 / 8)):  # cut at 2, which leaves 0.796 of a deviation of 1.2
        assert weight.std().item() == pytest.approx(want, rel=0.15)
    assert model.cfg_uncond.abs().max() < 2 / 8
    assert block.sa.scale_mul_1H11.unique().item() == pytest.approx(math.log(4))


def test_training_drops_whole_branches_of_some_rows() -> None:
    model = build(drop_path=0.9)
    inputs_BLD = torch.randn(2, SCHEDULE.total - 1, 12)
    run = lambda: model(texts(3, 3), inputs_BLD, SCHEDULE)  # noqa: E731
    assert torch.equal(run(), run())
    model.train()
    assert not torch.equal(run(), run())


def test_filters() -> None:
    logits_1n12 = torch.tensor([[0.0, 3.4], [0.0, 3.5], [3.5, 0.0], [0.0, 0.1]])[None, :, None]
    p_n = bit_probabilities(logits_1n12, Sampling())[0, :, 0]
    assert p_n.tolist() == [pytest.approx(0.9677, abs=1e-4), 1.0, 0.0, pytest.approx(0.525, abs=1e-3)]
    assert bit_probabilities(logits_1n12, Sampling(top_k=1))[0, :, 0].tolist() == [1, 1, 0, 1]
    assert bit_probabilities(logits_1n12, Sampling(top_p=0))[0, 1, 0].item() == pytest.approx(0.9707, abs=1e-4)


def test_draws_follow_the_probabilities_and_the_seeds() -> None:
    p_BnD = torch.full((3, 500, 8), 0.3)
    bits_BnD = draw_by_row(p_BnD, [5, 6, 5])
    assert torch.equal(bits_BnD[0], bits_BnD[2])
    assert not torch.equal(bits_BnD[0], bits_BnD[1])
    assert bits_BnD.float().mean().item() == pytest.approx(0.3, abs=0.02)
    assert torch.equal(draw_by_row(p_BnD[1:2], [6])[0], bits_BnD[1])
    shared = draw_shared(p_BnD, torch.Generator().manual_seed(0))
    assert shared.float().mean().item() == pytest.approx(0.3, abs=0.02)
    certain = torch.tensor([0.0, 1.0]).repeat(1, 50, 1)
    assert torch.equal(draw_by_row(certain, [1]).float(), certain)


def test_published_schedules() -> None:
    assert [published_schedule(pn).total for pn in PN_SCALES] == [521, 2521, 6425, 10521]
    assert {len(schedule) for schedule in FULL_SCHEDULES.values()} == {13}
    assert FULL_SCHEDULES["0.571"].grids[-1] == (48, 84)
    small, full = published_schedule("0.06M", "1.5"), published_schedule("1M", "1.5")
    table, whole = (rope_table(schedule, 16, torch.device("cpu")) for schedule in (small, full))
    assert torch.equal(table, whole[:small.total])
    with pytest.raises(ValueError, match=r"unknown resolution '0\.25m'.*nearest is '0\.25M'"):
        published_schedule("0.25m")


def test_token_weights() -> None:
    weights_L = token_weights(SCHEDULE, by_scale=True)
    assert weights_L.sum().item() == pytest.approx(1)
    assert (weights_L[0] / weights_L[1]).item() == pytest.approx(2)
    assert token_weights(SCHEDULE, by_scale=False).unique().tolist() == [pytest.approx(1 / SCHEDULE.total)]


def test_text_runs_and_refusals() -> None:
    assert [(run.rows, run.tokens, run.length) for run in text_runs((2, 2, 3))] == [
        (slice(0, 2), slice(0, 4), 2), (slice(2, 3), slice(4, 7), 3)]
    with pytest.raises(ValueError, match="do not fill 4 feature rows"):
        TextFeatures(torch.zeros(4, 2), (3,))
    padded = torch.arange(12.0).view(2, 3, 2)
    assert torch.equal(TextFeatures.from_padded(padded, (1, 3)).flat_TC, torch.cat([padded[0, :1], padded[1]]))
    with pytest.raises(ValueError, match=r"text lengths \(4, 1\) exceed features padded to 3 tokens"):
        TextFeatures.from_padded(padded, (4, 1))
    with pytest.raises(ValueError, match="a text of 7 tokens exceeds text_maxlen 6"):
        build().unconditional((7,))
    with pytest.raises(ValueError, match="head width must be a multiple of 4"):
        TransformerConfig(depth=2, embed_dim=60, num_heads=6, codebook_dim=4)
    with pytest.raises(ValueError, match=r"the first scale must be \(1, 1\)"):
        ScaleSchedule(((2, 2),))
