"""Janus behind the generator protocol: transformers' own images, sharing, prices, refusals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import tiny_janus
import torch
from safetensors.torch import load_file, save_file
from transformers import JanusForConditionalGeneration, JanusProcessor

from harness.compute.flops import count_flops
from harness.compute.ledger import Cost
from harness.errors import DamagedWeights, WrongInput
from harness.model_spec import parse_model
from harness.weights import local as weights_of
from harness.weights.local import LocalWeights
from models.base import Generator, Prefixed, Row
from models.janus.generator import JanusGenerator, JanusState
from models.janus.load import load
from models.janus.memory import row_bytes
from models.janus.sampling import JanusSampling

PROMPTS = ["red circle", "two blue star above red circle", "green square", "blue star and green star and two red square"]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("janus")
    tiny_janus.save(path)
    return path


def build(folder: Path, **settings: Any) -> JanusGenerator:
    return load(tiny_janus.row(), {"weights": folder}, CPU, tiny_janus.SETTINGS | settings)


@pytest.fixture(scope="module")
def generator(folder: Path) -> JanusGenerator:
    return build(folder)


def finish(generator: JanusGenerator, state: JanusState, seeds: Sequence[int]) -> JanusState:
    while state.step < generator.card.steps:
        state = generator.draw(generator.predict(state), [100 * seed + state.step for seed in seeds])
    return state


def make(generator: JanusGenerator, prompts: Sequence[str], rows: Sequence[Row]) -> JanusState:
    return finish(generator, generator.start(generator.encode(prompts), rows), [row.seed for row in rows])


@pytest.mark.parametrize(("side", "kv_heads", "guidance"), [(4, 4, 5.0), (3, 2, 2.0)])
@torch.no_grad()
def test_greedy_images_are_those_of_transformers(tmp_path: Path, side: int, kv_heads: int, guidance: float) -> None:
    tiny_janus.save(tmp_path, side, kv_heads)
    reference = JanusForConditionalGeneration.from_pretrained(tmp_path, dtype=torch.float32).eval()
    processor = JanusProcessor.from_pretrained(tmp_path)
    messages = [[{"role": "user", "content": [{"type": "text", "text": prompt}]}] for prompt in PROMPTS[:2]]
    texts = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    inputs = processor(text=texts, generation_mode="image", padding=True, return_tensors="pt")
    assert inputs["attention_mask"].min() == 0  # the prompts have different lengths
    want = reference.generate(**inputs, generation_mode="image", do_sample=False, guidance_scale=guidance)
    generator = build(tmp_path, cfg=guidance, top_k=1)
    got = make(generator, PROMPTS[:2], [Row(0, 1), Row(1, 2), Row(0, 3)])
    assert len(set(want[0].tolist())) > 2
    assert not torch.equal(want[0], want[1])
    assert torch.equal(got.prefixes.tokens_BN, want[[0, 1, 0]])
    pixels = reference.decode_image_tokens(want).permute(0, 3, 1, 2)
    pictures = processor.postprocess(list(pixels), return_tensors="pt")["pixel_values"]
    assert (generator.decode(got)[:2].int() - pictures.int()).abs().max() <= 1


@pytest.mark.parametrize("guidance", [5.0, 1.0])
def test_sampled_tokens_follow_a_plain_loop(folder: Path, guidance: float) -> None:
    """One prompt, every token by a whole pass over all that came before, without any cache."""
    generator = build(folder, cfg=guidance, tau=2.5, top_k=20, top_p=0.9)
    state = make(generator, PROMPTS, [Row(1, 7)])
    reference = JanusForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    ids, empty = generator.encode(PROMPTS).ids[1]
    assert [token for token in empty if token] == [1, tiny_janus.WORDS.index("<begin_of_image>")]
    tokens: list[int] = []
    log_prob = 0.0
    with torch.no_grad():
        for step in range(4):
            uniform = torch.rand(4, generator=torch.Generator().manual_seed(700 + step), dtype=torch.float64)
            for u in uniform.tolist():
                image = reference.prepare_embeddings_for_image_generation(torch.tensor([tokens or [0]]))[:, :len(tokens)]
                halves = [torch.cat([reference.get_input_embeddings()(torch.tensor([text])), image], dim=1)
                          for text in (ids, empty)]
                hidden = reference.model.language_model(inputs_embeds=torch.cat(halves)).last_hidden_state[:, -1]
                conditional, unconditional = reference.model.generation_head(hidden)
                p = ((unconditional + guidance * (conditional - unconditional)) / 2.5).double().softmax(0)
                order = p.argsort(descending=True)[:20]
                q = p[order] / p[order].sum()
                kept = order[(q.cumsum(0) - q) < 0.9]
                p = torch.zeros_like(p).index_put((kept,), p[kept])
                p /= p.sum()
                tokens.append(int((p.cumsum(0) <= u).sum()))
                log_prob += float(p[tokens[-1]].log())
    assert len(set(tokens)) > 8
    assert state.prefixes.tokens_BN[0].tolist() == tokens
    assert generator.log_prob(state).item() == pytest.approx(log_prob, abs=1e-3)


def test_is_a_generator(generator: JanusGenerator) -> None:
    assert isinstance(generator, Generator)
    assert isinstance(generator, Prefixed)
    assert (generator.card.family, generator.card.steps, generator.card.image_size) == ("ar", 4, (8, 8))
    images = generator.decode(make(generator, PROMPTS, [Row(0, 1), Row(0, 2)]))
    assert (images.dtype, tuple(images.shape)) == (torch.uint8, (2, 3, 8, 8))
    assert not torch.equal(images[0], images[1])


def test_batch_of_one_equals_batch_of_eight(generator: JanusGenerator) -> None:
    rows = [Row(prompt, seed) for prompt in (2, 1, 0, 3) for seed in (11, 12)]
    together = make(generator, PROMPTS, rows)
    for index, row in enumerate(rows):
        alone = make(generator, [PROMPTS[row.prompt]], [Row(0, row.seed)])
        assert torch.equal(alone.prefixes.tokens_BN[0], together.prefixes.tokens_BN[index])
        torch.testing.assert_close(generator.log_prob(alone)[0], generator.log_prob(together)[index], rtol=0, atol=1e-4)


@pytest.mark.parametrize("fork_at", [1, 2, 3])
def test_fork_and_continue_equals_a_fresh_run(generator: JanusGenerator, fork_at: int) -> None:
    rows = [Row(1, 1), Row(0, 2)]
    state = generator.start(generator.encode(PROMPTS), rows)
    while state.step < fork_at:
        state = generator.draw(generator.predict(state), [100 * row.seed + state.step for row in rows])
    state = generator.predict(generator.select(state, [1, 0, 1]))
    assert len(state.prediction.place) == 2
    forked = finish(generator, generator.select(state, [2, 1, 0]), [7, 8, 9])
    for index, (parent, seed) in enumerate([(1, 7), (0, 8), (1, 9)]):
        fresh = generator.start(generator.encode(PROMPTS), [rows[parent]])
        while fresh.step < 4:
            own = seed if fresh.step >= fork_at else rows[parent].seed
            fresh = generator.draw(generator.predict(fresh), [100 * own + fresh.step])
        assert torch.equal(forked.prefixes.tokens_BN[index], fresh.prefixes.tokens_BN[0])


@pytest.mark.parametrize("guidance", [5.0, 1.0])
def test_prices_equal_counted_flops_and_passes(folder: Path, guidance: float) -> None:
    generator = build(folder, cfg=guidance)
    passed = [0]
    generator.network.language_model.layers[0].register_forward_hook(
        lambda _, args, __: passed.__setitem__(0, passed[0] + len(args[0])))
    conditioning = generator.encode(PROMPTS)
    assert conditioning.text_tokens == generator.text_tokens(PROMPTS)
    assert len(set(conditioning.text_tokens)) == 3
    assert generator.price("encode", 0, 9) == Cost()
    state = generator.start(conditioning, [Row(prompt, seed) for prompt in range(4) for seed in (1, 2)])

    def check(operation: Any, rows: Sequence[int], call: Any, state: JanusState) -> Any:
        want = sum((generator.price(operation, state.step, conditioning.text_tokens[state.rows[row].prompt])
                    for row in rows), Cost())
        before, results = passed[0], []
        assert count_flops(lambda: results.append(call(state))) == want.flops
        assert passed[0] - before == want.forwards
        return results[0]

    total = 0
    for step in range(4):
        state = check("predict", state.pending, generator.predict, state)
        state = check("draw", range(8), lambda predicted: generator.draw(predicted, range(8)), state)
        total += generator.price("draw", step, 9).nfe
        check("preview", range(8), generator.preview, state)
        state = generator.select(state, [0, 0, 3, 4, 7, 5, 2, 1])
    check("decode", range(8), generator.decode, state)
    assert total == 16  # one for each token


def test_siblings_share_the_pass_before_their_row(generator: JanusGenerator) -> None:
    state = generator.start(generator.encode(PROMPTS), [Row(0, seed) for seed in range(5)] + [Row(1, 9)])
    assert state.pending == (0, 5)
    state = generator.predict(state)
    assert state.pending == ()
    state = generator.draw(generator.select(state, [0, 0, 5, 0]), [1, 2, 3, 4])
    state = generator.select(state, [2, 2, 0, 2])
    assert state.pending == (0, 2)
    before = state.prefixes.segment.blocks[0].data_ptr()
    state = generator.predict(state)
    assert state.prediction.segment.parent.blocks[0].data_ptr() == before  # the prefix is shared, not copied
    again, other = generator.draw(state, [5, 6, 7, 5]), generator.draw(state, [5, 6, 7, 8])
    assert torch.equal(again.prefixes.tokens_BN[0], again.prefixes.tokens_BN[3])
    assert torch.equal(again.prefixes.tokens_BN[:3], other.prefixes.tokens_BN[:3])
    assert not torch.equal(again.prefixes.tokens_BN[0], again.prefixes.tokens_BN[1])


def test_previews_repeat_the_last_row_and_end_as_the_image(generator: JanusGenerator) -> None:
    state = generator.start(generator.encode(PROMPTS), [Row(0, 1), Row(2, 2)])
    assert generator.preview(state).shape == (2, 3, 8, 8)
    while state.step < 4:
        state = generator.draw(generator.predict(state), [state.step, 10 + state.step])
        tokens = state.prefixes.tokens_BN.unflatten(1, (-1, 4))
        whole = torch.cat([tokens, tokens[:, -1:].expand(-1, 4 - state.step, -1)], dim=1).flatten(1)
        want = generator.network.pixels_of(whole).detach().clamp(-1, 1)
        assert torch.equal(generator.preview(state), ((want + 1) / 2 * 255).to(torch.uint8))
    assert torch.equal(generator.preview(state), generator.decode(state))


def test_bfloat16_runs_and_keeps_a_bfloat16_cache(folder: Path) -> None:
    generator = build(folder, dtype="bfloat16")
    assert generator.card.settings["dtype"] == "torch.bfloat16"
    state = generator.draw(generator.predict(generator.start(generator.encode(PROMPTS), [Row(0, 1)])), [1])
    assert {block.dtype for block in state.prefixes.segment.blocks} == {torch.bfloat16}
    assert generator.predict(state).prediction.logits_UV.dtype == torch.float32


def test_wrong_use_is_refused(generator: JanusGenerator) -> None:
    state = generator.start(generator.encode(PROMPTS), [Row(0, 0), Row(1, 0)])
    with pytest.raises(ValueError, match="without a prediction; call predict first"):
        generator.draw(state, [1, 2])
    with pytest.raises(ValueError, match="1 seeds for 2 rows"):
        generator.draw(generator.predict(state), [1])
    with pytest.raises(ValueError, match="decode at step 0 of 4"):
        generator.decode(state)
    with pytest.raises(ValueError, match="no predict at step 4"):
        generator.price("predict", 4, 3)


def test_a_prompt_that_leaves_no_room_is_cut_and_said_to_be(generator: JanusGenerator) -> None:
    conditioning = generator.encode([PROMPTS[0], "red " * 60])
    assert conditioning.text_truncated == (False, True)
    assert conditioning.text_tokens[1] == 64 - 16  # the positions that its 16 image tokens leave
    assert conditioning.ids[1][0][-3:] == conditioning.ids[0][0][-3:]  # the template's end is kept
    state = generator.start(conditioning, [Row(1, 1)])
    assert generator.draw(generator.predict(state), [1]).step == 1


def test_from_the_text_of_a_command_to_an_image(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.janus.load.TELLING", ())  # the folder's model is not of the published size
    spec = parse_model("janus-pro-1b:cfg=3,tau=0.5,top_k=40,dtype=float32")
    local = LocalWeights.parse([f"janus-pro-1b={folder}"])
    generator = weights_of.build(spec.entry, weights_of.find(spec.name, spec.entry, local), CPU, spec.overrides)
    assert generator.sampling == JanusSampling(3.0, 0.5, 40, 1.0)
    assert generator.decode(make(generator, PROMPTS[:1], [Row(0, 1)])).shape == (1, 3, 8, 8)


def test_memory_is_what_is_held(generator: JanusGenerator) -> None:
    state = generator.start(generator.encode(PROMPTS), [Row(1, 1)])
    for step in range(4):
        held = 0 if state.prefixes.segment is None else state.prefixes.segment.stored_bytes
        held += sum(text.nbytes for text in state.prefixes.texts.values()) if step else 0
        tokens = state.conditioning.text_tokens[1]
        assert held == row_bytes(generator.network.config, step, tokens, 2, value_bytes=4)
        state = generator.draw(generator.predict(state), [step])
    assert state.prefixes.segment is None


def test_another_size_is_told_by_its_configuration(folder: Path) -> None:
    spec = parse_model("janus-pro-7b")
    with pytest.raises(WrongInput, match=r"another model's than janus-pro-7b: in text_config of config.json hidden_size is 32 "
                                         r"instead of 4096; num_hidden_layers is 2 instead of 30; give the folder of this model"):
        weights_of.build(spec.entry, {"weights": folder}, CPU)


def test_folders_of_other_models_are_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    tiny_janus.save(tmp_path)
    with pytest.raises(WrongInput, match="dtype='int8' is no type"):
        build(tmp_path, dtype="int8")
    with pytest.raises(WrongInput, match="tau 0 must be positive"):
        build(tmp_path, tau=0.0)
    config = tmp_path / "config.json"
    published = config.read_text()
    config.write_text(published.replace('"num_embeddings": 50', '"num_embeddings": 60'))
    with pytest.raises(WrongInput, match=r"mismatched keys, first model\.\S+ is \(50, 8\) instead of \(60, 8\)"):
        build(tmp_path)
    config.write_text(published.replace('"num_hidden_layers": 2', '"num_hidden_layers": 3'))
    with pytest.raises(WrongInput, match=r"\d+ missing keys, first model\."):
        build(tmp_path)
    config.write_text(published.replace('"num_hidden_layers": 2', '"num_hidden_layers": 1', 1))
    with pytest.raises(WrongInput, match=r"unexpected keys, first model\.language_model\.layers\.1"):
        build(tmp_path)
    config.write_text(published)
    weights = load_file(tmp_path / "model.safetensors")
    unused = {name: weights[name] for name in weights if "vision_model" in name or "vqmodel.encoder" in name}
    save_file({name: weights[name] for name in weights if name not in unused} | {"extra": torch.ones(1)},
              tmp_path / "model.safetensors", {"format": "pt"})
    assert len(unused) > 10
    build(tmp_path)  # image understanding is not used
    assert "LOAD REPORT" not in capfd.readouterr().err
    config.write_text(published)
    whole = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[:-100])
    with pytest.raises(DamagedWeights, match="its header says"):
        build(tmp_path)
