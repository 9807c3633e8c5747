"""The trainings' own pieces: Muon, captions to tokens, packing, seeded batches, averaging, resumable checkpoints."""

from pathlib import Path

import pytest
import torch
from diffusers import FluxPipeline
from torch import nn

from models.card_file import checked_card
from models.pixels import floored
from models.shapes import data, flux, infinity, resume, tokenizer, training_loop
from models.shapes.facts import RUNS_OF, recipe, training_facts
from models.shapes.latents import LatentSet
from models.shapes.load import weights
from models.shapes.muon import MuonWithAdamW, orthogonalise
from models.shapes.text import (
    EOS,
    PAD,
    TEXT_TOKENS,
    UNKNOWN,
    build_clip,
    build_t5,
    build_tokenizer,
    lengths_of,
    token_ids,
)
from suites.geneval.suite import GenEvalSuite


def test_orthogonalise_keeps_directions_and_levels_sizes() -> None:
    torch.manual_seed(0)
    for shape in ((3, 24, 40), (3, 40, 24)):
        matrices = torch.randn(shape)
        u, _, v = torch.linalg.svd(matrices, full_matrices=False)
        result = orthogonalise(matrices)
        singular = torch.linalg.svdvals(result)
        assert singular.min() > 0.6
        assert singular.max() < 1.3
        assert torch.allclose(result, u @ v, atol=0.3)


def test_every_parameter_has_one_optimizer() -> None:
    for module in (flux, infinity):
        models = module.build()
        optimizer = MuonWithAdamW(models.children(), 1e-3, 1e-3, module.HEADS)
        taken = [id(p) for one in (optimizer.muon, optimizer.adam) for p in one.param_groups[0]["params"]]
        assert sorted(taken) == sorted(id(p) for p in models.parameters())
        assert len(optimizer.muon.param_groups[0]["params"]) > 20


def test_captions_become_their_content_words() -> None:
    ids = token_ids(build_tokenizer(), ["a photo of an arrow left of a red moon", ""])
    assert lengths_of(ids).tolist() == [5, 1]
    assert ids[1].tolist() == [EOS] + [PAD] * (TEXT_TOKENS - 1)


def test_every_suite_prompt_fits_and_is_known() -> None:
    texts = [prompt.text for prompt in GenEvalSuite().prompts("shapes")]
    words = build_tokenizer()
    assert UNKNOWN not in token_ids(words, texts)
    assert max(len(one) for one in words(texts)["input_ids"]) <= TEXT_TOKENS


def test_clip_pools_at_the_end_token_and_t5_ignores_masked_padding() -> None:
    ids = token_ids(build_tokenizer(), ["a photo of a star", "a photo of a red star and a blue moon"])
    clip, t5 = build_clip().eval(), build_t5().eval()
    with torch.no_grad():
        output = clip(ids)
        assert torch.equal(output.pooler_output[0], output.last_hidden_state[0, 1])
        padded = infinity.text_features(t5, ids).split()[0]
        alone = t5(ids[:1, :2]).last_hidden_state[0]
    assert torch.allclose(padded, alone, atol=1e-5)


def test_packing_is_fluxs() -> None:
    latents = torch.randn(2, 6, 12, 12)
    assert torch.equal(flux.pack(latents), FluxPipeline._pack_latents(latents, 2, 6, 12, 12))
    assert torch.equal(flux.image_ids(), FluxPipeline._prepare_latent_image_ids(1, 6, 6, "cpu", torch.float32))


def test_fresh_flux_predicts_nothing() -> None:
    models = flux.build()
    ids = token_ids(build_tokenizer(), ["a photo of a star"])
    with torch.no_grad():
        assert flux.velocity(models, torch.randn(1, 36, 24), torch.tensor([0.5]), ids).abs().max() == 0


def test_a_share_of_the_rows_is_not_decoded_to_the_end() -> None:
    torch.manual_seed(1)
    assert (tokenizer.random_scales(40, share=0.0) == len(tokenizer.SCHEDULE) - 1).all()
    assert set(tokenizer.random_scales(400, share=1.0).tolist()) == set(range(len(tokenizer.SCHEDULE) - 1))
    assert 150 < (tokenizer.random_scales(400, share=0.5) < len(tokenizer.SCHEDULE) - 1).sum() < 250


def test_foreground_weighs_more_and_means_one() -> None:
    _, images = data.batch(5, 0, 4)
    weights = data.foreground_weight(data.to_float(images))
    assert torch.allclose(weights.mean(dim=(1, 2, 3)), torch.ones(4))
    assert torch.allclose(weights.amax(dim=(1, 2, 3)) / weights.amin(dim=(1, 2, 3)), torch.full((4,), 5.0))


def test_pictures_survive_the_round_trip_to_float() -> None:
    _, images = data.batch(5, 1, 4)
    assert (floored(data.to_float(images)).int() - images.int()).abs().max() <= 1


def test_batches_continue_where_they_stopped() -> None:
    stored = LatentSet(torch.arange(20.0)[:, None], torch.arange(20)[:, None])
    fresh = stored.batches(6, seed=4)
    whole = [next(fresh)[1].flatten().tolist() for _ in range(7)]
    resumed = stored.batches(6, seed=4, first=4)
    assert [next(resumed)[1].flatten().tolist() for _ in range(3)] == whole[4:]
    assert len({row for rows in whole[:3] for row in rows}) == 18


def test_a_run_resumes_from_its_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_loop, "RUNS", tmp_path)
    monkeypatch.setattr(tokenizer, "EVERY", 1)
    monkeypatch.setattr(tokenizer, "BATCH", 8)
    tokenizer.train("whole", steps=2)
    tokenizer.train("halves", steps=1)
    monkeypatch.setattr(tokenizer, "cosine", lambda step, steps: training_loop.cosine(step, 2))
    tokenizer.train("halves", steps=2)
    first, second = (training_loop.averaged_weights(name) for name in ("whole", "halves"))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_missing_run_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_loop, "RUNS", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"models.shapes.train flux"):
        training_loop.averaged_weights("flux")
    assert training_loop.Run("flux").notes() == ""
    assert not list(tmp_path.iterdir())  # what only reads makes no folder
    training_loop.Run("flux").log(step=1)
    assert (tmp_path / "flux" / training_loop.LOG).is_file()


def test_average_follows_the_weights() -> None:
    layer = nn.Linear(2, 2)
    average = training_loop.Average(layer, decay=0.5)
    with torch.no_grad():
        layer.weight.add_(1)
    average.update(layer, step=100)
    assert torch.allclose(average.weights["weight"], layer.weight - 0.5)


@pytest.mark.parametrize("model", ["infinity", "flux"])
def test_training_goes_on_from_the_shipped_weights(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_loop, "RUNS", tmp_path)
    states = resume.resume_infinity() if model == "infinity" else resume.resume_flux()
    resume.write_runs(model, states)
    module = {"infinity": infinity, "flux": flux}[model]
    restored, run = module.build(), training_loop.Run(model)
    step = training_loop.restore(run, restored, training_loop.Average(restored), None)
    assert step == checked_card(weights(f"shapes-{model}"))["training"]["generator"]["steps"]
    shipped = states[model]["model"]
    assert all(torch.equal(value, shipped[name]) for name, value in restored.state_dict().items())
    assert training_facts(model) == checked_card(weights(f"shapes-{model}"))["training"]
    assert recipe(*RUNS_OF[model]) == checked_card(weights(f"shapes-{model}"))["recipe"]
    before = (run.folder / "checkpoint.pt").stat().st_mtime_ns
    resume.write_runs(model, states)
    assert (run.folder / "checkpoint.pt").stat().st_mtime_ns == before
