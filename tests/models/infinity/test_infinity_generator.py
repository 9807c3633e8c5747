"""The generator protocol over a tiny random Infinity: determinism, sharing, prices, refusals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

from harness.compute.flops import count_flops
from harness.compute.ledger import Cost
from harness.errors import WrongInput
from models.base import Generator, Images, Prefixed, Row, SmallPreviews
from models.infinity.config import TransformerConfig, VAEConfig
from models.infinity.generator import InfinityGenerator
from models.infinity.pretrained import InfinityParts
from models.infinity.sampling import Sampling
from models.infinity.schedule import ScaleSchedule
from models.infinity.state import InfinityState
from models.infinity.text_encoder import T5TextEncoder
from models.infinity.transformer import InfinityTransformer
from models.infinity.unshared import Unshared
from models.infinity.vae import InfinityVAE
from models.prefix_cache import Segment

WORDS = ["<pad>", "</s>", "<unk>", "red", "blue", "circle", "star", "two", "above", "and"]
PROMPTS = ["red circle", "two blue star", "red star above blue circle", "blue star"]
STEPS = 4


def text_encoder() -> T5TextEncoder:
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")
    t5 = T5EncoderModel(T5Config(vocab_size=len(WORDS), d_model=16, d_kv=8, d_ff=24, num_layers=2, num_heads=2,
                                 feed_forward_proj="gated-gelu", pad_token_id=0, eos_token_id=1))
    return T5TextEncoder(t5, fast, max_tokens=5)


def build(negative_prompt: str | None = None, **sampling: Any) -> InfinityGenerator:
    """Random weights of every kind, gates and biases included, so that nothing is switched off."""
    torch.manual_seed(0)
    transformer = InfinityTransformer(TransformerConfig(depth=3, embed_dim=64, num_heads=4, codebook_dim=3,
                                                        text_channels=16, text_maxlen=5, block_chunks=3, patchify=True))
    for parameter in transformer.parameters():
        torch.nn.init.normal_(parameter, std=0.15)
    vae = InfinityVAE(VAEConfig(codebook_dim=3, base_ch=8, ch_mult=(1, 2), num_res_blocks=1, patch_size=2,
                                norm_groups=4))
    schedule = ScaleSchedule(((1, 1), (2, 2), (3, 2), (4, 3)))
    parts = InfinityParts(transformer, vae, schedule, Sampling(**({"guidance": 2.0} | sampling)))
    return InfinityGenerator(parts, text_encoder(), name="tiny", domain="shapes", licence="none", weights_sha256="0",
                             negative_prompt=negative_prompt)


@pytest.fixture(scope="module")
def generator() -> InfinityGenerator:
    return build()


def finish(generator: InfinityGenerator, state: InfinityState, seeds: Sequence[int]) -> InfinityState:
    """Each row's seed of a step is its own seed and the step."""
    while state.step < STEPS:
        state = generator.draw(generator.predict(state), [100 * seed + state.step for seed in seeds])
    return state


def make(generator: InfinityGenerator, prompts: Sequence[str], rows: Sequence[Row]) -> InfinityState:
    return finish(generator, generator.start(generator.encode(prompts), rows), [row.seed for row in rows])


class SequenceCounter:
    """Sequences that pass through the first block."""

    def __init__(self, generator: InfinityGenerator) -> None:
        self.sequences = 0
        generator.transformer.ordered_blocks[0].register_forward_hook(self._count)

    def _count(self, _: Any, args: tuple[torch.Tensor, ...], __: Any) -> None:
        self.sequences += len(args[0])


def test_is_a_generator(generator: InfinityGenerator) -> None:
    assert isinstance(generator, Generator)
    assert isinstance(generator, Prefixed)
    assert (generator.card.steps, generator.card.image_size) == (STEPS, (16, 12))
    images: Images = generator.decode(make(generator, PROMPTS[:1], [Row(0, 1), Row(0, 2)]))
    assert (images.dtype, tuple(images.shape)) == (torch.uint8, (2, 3, 16, 12))
    assert not torch.equal(images[0], images[1])


def test_batch_of_one_equals_batch_of_eight(generator: InfinityGenerator) -> None:
    rows = [Row(prompt, seed) for prompt in range(4) for seed in (11, 12)]
    together = make(generator, PROMPTS, rows)
    images = generator.decode(together)
    for index, row in enumerate(rows):
        alone = make(generator, [PROMPTS[row.prompt]], [Row(0, row.seed)])
        torch.testing.assert_close(alone.prefixes.features_BdHW[0], together.prefixes.features_BdHW[index])
        torch.testing.assert_close(generator.log_prob(alone)[0], generator.log_prob(together)[index], rtol=1e-5, atol=1e-4)
        assert (generator.decode(alone)[0].int() - images[index].int()).abs().max() <= 1


def test_order_of_prompts_and_rows_does_not_matter(generator: InfinityGenerator) -> None:
    rows = [Row(0, 1), Row(1, 2), Row(2, 3), Row(0, 4)]
    backwards = [Row(3 - row.prompt, row.seed) for row in reversed(rows)]
    forwards_BdHW = make(generator, PROMPTS, rows).prefixes.features_BdHW
    backwards_BdHW = make(generator, PROMPTS[::-1], backwards).prefixes.features_BdHW
    torch.testing.assert_close(forwards_BdHW, backwards_BdHW.flip(0))


@pytest.mark.parametrize("fork_at", [1, 2, 3])
def test_fork_and_continue_equals_a_fresh_run(generator: InfinityGenerator, fork_at: int) -> None:
    rows = [Row(0, 1), Row(1, 2)]
    state = generator.start(generator.encode(PROMPTS), rows)
    while state.step < fork_at:
        state = generator.draw(generator.predict(state), [100 * row.seed + state.step for row in rows])
    forked = finish(generator, generator.select(state, [1, 0, 1]), [7, 8, 9])
    for index, (parent, seed) in enumerate([(1, 7), (0, 8), (1, 9)]):
        fresh = generator.start(generator.encode(PROMPTS), [rows[parent]])
        while fresh.step < STEPS:
            own = seed if fresh.step >= fork_at else rows[parent].seed
            fresh = generator.draw(generator.predict(fresh), [100 * own + fresh.step])
        torch.testing.assert_close(forked.prefixes.features_BdHW[index], fresh.prefixes.features_BdHW[0])


def test_siblings_share_one_forward() -> None:
    generator = build()
    counter = SequenceCounter(generator)
    state = generator.start(generator.encode(PROMPTS), [Row(0, seed) for seed in range(5)] + [Row(1, 9)])
    assert state.pending == (0, 5)
    state = generator.predict(state)
    assert counter.sequences == 2 * 2  # two prompts, two guidance halves
    assert state.pending == ()
    state = generator.predict(generator.select(state, [0, 0, 5, 0]))
    assert counter.sequences == 4
    state = generator.draw(state, [1, 2, 3, 4])
    state = generator.select(state, [2, 2, 0, 2])
    assert state.pending == (0, 2)
    state = generator.predict(state)
    assert counter.sequences == 4 + 4
    children = generator.draw(state, [5, 6, 7, 8])
    assert len({children.prefixes.features_BdHW[row].sum().item() for row in (0, 1, 3)}) == 3


def segments(segment: Segment | None) -> list[Segment]:
    return [] if segment is None else [*segments(segment.parent), segment]


def test_select_and_later_scales_copy_no_cache(generator: InfinityGenerator) -> None:
    state = generator.start(generator.encode(PROMPTS), [Row(0, 1), Row(1, 2)])
    state = generator.draw(generator.predict(state), [1, 2])
    state = generator.draw(generator.predict(state), [3, 4])
    before = [block.data_ptr() for segment in segments(state.prefixes.segment) for block in segment.blocks]
    stored = state.prefixes.segment.stored_bytes
    forked = generator.select(state, [0, 0, 0, 1, 1])
    assert forked.prefixes is state.prefixes
    grown = generator.draw(generator.predict(forked), [5, 6, 7, 8, 9])
    after = [block.data_ptr() for segment in segments(grown.prefixes.segment) for block in segment.blocks]
    assert len(before) == 2 * 3
    assert after[:len(before)] == before
    own = 2 * 2 * 2 * 6 * 64 * 4 * 3  # keys and values, 2 parents, 2 halves, 6 tokens, 64 channels, 4 bytes, 3 blocks
    assert grown.prefixes.segment.stored_bytes == stored + own
    last = generator.predict(grown)
    assert last.prediction.segment is None  # nothing follows the last scale


def test_a_state_stays_usable_after_operations_on_it(generator: InfinityGenerator) -> None:
    state = generator.predict(generator.start(generator.encode(PROMPTS), [Row(0, 1)]))
    first, again = generator.draw(state, [5]), generator.draw(state, [5])
    generator.draw(state, [6])
    assert torch.equal(first.prefixes.features_BdHW, again.prefixes.features_BdHW)
    assert (state.step, first.step) == (0, 1)


@pytest.mark.parametrize("settings", [
    {}, {"guidance": 1.0}, {"guidance": (3.0, 2.0, 1.0, 1.0)}, {"insertion_layers": (0, -1)},
    {"insertion_layers": (1,), "negative_prompt": "blue star above"}, {"negative_prompt": "blue star above"}])
def test_prices_equal_counted_flops(settings: dict[str, Any]) -> None:
    generator = build(**settings)
    counter = SequenceCounter(generator)
    conditioning = generator.encode(PROMPTS)
    assert conditioning.text_tokens == (3, 4, 5, 3)

    def total(operation: Any, step: int, state: InfinityState, rows: Sequence[int]) -> Cost:
        tokens = [conditioning.text_tokens[state.rows[row].prompt] for row in rows]
        return sum((generator.price(operation, step, count) for count in tokens), Cost())

    want = sum((generator.price("encode", 0, tokens) for tokens in conditioning.text_tokens), Cost())
    assert count_flops(lambda: generator.encode(PROMPTS)) == want.flops
    state = generator.start(conditioning, [Row(prompt, seed) for prompt in range(4) for seed in (1, 2)])
    for step in range(STEPS):
        want = total("predict", step, state, state.pending)
        before = counter.sequences
        assert count_flops(lambda state=state: generator.predict(state)) == want.flops
        assert counter.sequences - before == want.forwards
        predicted = generator.predict(state)
        drawn = generator.draw(predicted, range(8))
        assert count_flops(lambda state=predicted: generator.draw(state, range(8))) == 0
        assert total("draw", step, state, range(8)) == Cost(nfe=8)
        want = total("preview", step + 1, drawn, range(8))
        assert count_flops(lambda state=drawn: generator.preview(state)) == want.flops
        state = generator.select(drawn, [0, 0, 3, 4, 7, 5, 2, 1])
    want = total("decode", STEPS, state, range(8))
    assert want.images == 8
    assert count_flops(lambda: generator.decode(state)) == want.flops


def test_preview_is_a_partial_decode_and_ends_as_the_image(generator: InfinityGenerator) -> None:
    state = generator.start(generator.encode(PROMPTS), [Row(0, 1), Row(2, 2)])
    previews = []
    while state.step < STEPS:
        state = generator.draw(generator.predict(state), [state.step, 10 + state.step])
        assert state.pending_preview == ()
        previews.append(generator.preview(state))
    assert torch.equal(previews[-1], generator.decode(state))
    assert not torch.equal(previews[0], previews[-1])


def square() -> InfinityGenerator:
    """One whose grids can be halved, its codes at the grid itself."""
    transformer = InfinityTransformer(TransformerConfig(depth=1, embed_dim=64, num_heads=2, codebook_dim=3, text_channels=16,
                                                        text_maxlen=5))
    vae = InfinityVAE(VAEConfig(codebook_dim=3, base_ch=8, ch_mult=(1, 2), num_res_blocks=1, patch_size=2, norm_groups=4))
    parts = InfinityParts(transformer, vae, ScaleSchedule.square([1, 2, 3, 4]), Sampling(guidance=1.0))
    return InfinityGenerator(parts, text_encoder(), name="tiny", domain="shapes", licence="none", weights_sha256="0")


def test_smaller_previews_cost_what_they_compute_and_change_nothing_else() -> None:
    whole = square()
    assert isinstance(whole, SmallPreviews)
    for shrink, side in ((2, 4), (4, 2)):
        for one in (whole.with_previews(shrink), Unshared(whole).with_previews(shrink)):
            assert one.card.settings["preview_shrink"] == shrink
            state = one.start(one.encode(PROMPTS), [Row(0, 1), Row(2, 2)])
            while state.step < STEPS:
                state = one.draw(one.predict(state), [state.step, 10 + state.step])
                assert one.preview(state).shape == (2, 3, side, side)
                counted = count_flops(lambda one=one, state=state: one.preview(state))
                assert counted == 2 * one.price("preview", state.step).flops == 2 * whole.price("preview").flops // shrink**2
            assert torch.equal(one.decode(state), whole.decode(state))
            assert one.decode(state).shape == (2, 3, 8, 8)
            assert one.price("decode") == whole.price("decode")
    assert isinstance(Unshared(whole).with_previews(2), Unshared)
    assert "preview_shrink" not in whole.card.settings
    with pytest.raises(WrongInput, match="preview_shrink=3 does not divide its latents, 4 by 4: use 1 or 2 or 4"):
        whole.with_previews(3)


def test_a_smaller_preview_is_the_decode_of_averages() -> None:
    whole = square()
    state = whole.start(whole.encode(PROMPTS), [Row(0, 1)])
    state = whole.draw(whole.predict(state), [3])
    mean = state.prefixes.features_BdHW.unflatten(3, (2, 2)).unflatten(2, (2, 2)).mean((3, 5))
    with torch.no_grad():
        image = ((whole.vae.decode(mean) + 1) / 2 * 255).to(torch.uint8)
    assert torch.equal(whole.with_previews(2).preview(state), image)


def test_log_probability_adds_up_over_scales() -> None:
    generator = build(top_p=0.0, guidance=1.0)
    state = generator.start(generator.encode(PROMPTS), [Row(0, 1), Row(1, 2)])
    want_B = torch.zeros(2, dtype=torch.float64)
    while state.step < STEPS:
        predicted = generator.predict(state)
        state = generator.draw(predicted, [state.step, state.step + 50])
        logits = predicted.prediction.logits_UnD2.log_softmax(-1)
        for row in range(2):
            grid = generator.rollout.schedule.grids[predicted.step]
            places = predicted.prediction.place[predicted.source[row]]
            uniform = torch.rand(grid[0] * grid[1], 12,
                                 generator=torch.Generator().manual_seed(predicted.step + 50 * row))
            bits = uniform < logits[places, ..., 1].exp()
            want_B[row] += torch.where(bits, logits[places, ..., 1], logits[places, ..., 0]).sum().double()
    torch.testing.assert_close(generator.log_prob(state), want_B, rtol=1e-4, atol=1e-3)


def test_negative_prompt_changes_the_images(generator: InfinityGenerator) -> None:
    plain, negative = generator, build(negative_prompt="blue star")
    rows = [Row(0, 1)]
    assert not torch.equal(plain.decode(make(plain, PROMPTS, rows)), negative.decode(make(negative, PROMPTS, rows)))


def test_a_negative_prompt_that_would_be_cut_is_refused() -> None:
    build(negative_prompt="two red star above")
    with pytest.raises(WrongInput, match="tiny: negative_prompt has more tokens than its text encoder takes"):
        build(negative_prompt="two red star above blue circle")


def test_wrong_use_is_refused(generator: InfinityGenerator) -> None:
    conditioning = generator.encode(PROMPTS[:2])
    with pytest.raises(ValueError, match="row names prompt 2, the conditioning holds 2; use 0 to 1"):
        generator.start(conditioning, [Row(2, 0)])
    state = generator.start(conditioning, [Row(0, 0), Row(1, 0)])
    with pytest.raises(ValueError, match="without a prediction; call predict first"):
        generator.draw(state, [1, 2])
    with pytest.raises(ValueError, match="1 seeds for 2 rows"):
        generator.draw(generator.predict(state), [1])
    with pytest.raises(ValueError, match="decode at step 0 of 4"):
        generator.decode(state)
    with pytest.raises(IndexError, match="row -1 of a state of 2 rows"):
        generator.select(state, [-1])
    with pytest.raises(ValueError, match="no prediction at step 4"):
        generator.price("predict", 4, 3)
    with pytest.raises(ValueError, match="guidance has 2 values for 4 scales"):
        build(guidance=(1.0, 2.0))
    with pytest.raises(ValueError, match=r"insertion layer -3 is not 0, 1 \(mixes nothing\) or one of -1\.\.-2"):
        build(insertion_layers=(-3,))
    with pytest.raises(ValueError, match="insertion layer 2 is not 0"):
        build(insertion_layers=(0, 2))


@pytest.mark.parametrize(("given", "same"), [
    ({"insertion_layers": (1,)}, {"guidance": 1.0}), ({"insertion_layers": (0, 1)}, {}),
    ({"insertion_layers": (1, -1)}, {"insertion_layers": (-1,)})])
def test_insertion_layer_1_mixes_nothing(given: dict[str, Any], same: dict[str, Any]) -> None:
    bits = []
    for settings in (given, same):
        generator = build(**settings)
        bits.append(finish(generator, generator.start(generator.encode(PROMPTS), [Row(0, 1), Row(2, 2)]), [1, 2]).prefixes)
    assert torch.equal(bits[0].features_BdHW, bits[1].features_BdHW)
    assert torch.equal(bits[0].log_prob_B, bits[1].log_prob_B)


def test_text_encoder_folder_and_padding(tmp_path: Path) -> None:
    encoder = text_encoder()
    encoder.model.save_pretrained(tmp_path / "text_encoder")
    encoder.tokenizer.save_pretrained(tmp_path / "tokenizer")
    loaded = T5TextEncoder.load(tmp_path / "text_encoder", tmp_path / "tokenizer", max_tokens=5)
    features = loaded.encode(PROMPTS)
    assert features.lengths == (3, 4, 5, 3)
    padded = loaded.tokenizer(PROMPTS, padding="max_length", max_length=5, truncation=True, return_tensors="pt")
    with torch.no_grad():
        want_BLC = loaded.model(**{name: padded[name] for name in ("input_ids", "attention_mask")}).last_hidden_state
    for got_LC, want_LC, mask_L in zip(features.split(), want_BLC, padded["attention_mask"], strict=True):
        torch.testing.assert_close(got_LC, want_LC[mask_L.bool()], atol=1e-5, rtol=1e-5)


def test_parts_that_do_not_fit_are_refused(generator: InfinityGenerator) -> None:
    parts = InfinityParts(generator.transformer, InfinityVAE(replace(generator.vae.config, codebook_dim=5)),
                          generator.rollout.schedule, generator.rollout.sampling)
    with pytest.raises(ValueError, match="the transformer predicts 3 bits a cell, the VAE codes 5"):
        InfinityGenerator(parts, generator.text_encoder, name="x", domain="shapes", licence="", weights_sha256="")


def test_lost_text_is_said(generator: InfinityGenerator) -> None:
    assert generator.encode(["red star and circle", "red star above blue circle"]).text_truncated == (False, True)
