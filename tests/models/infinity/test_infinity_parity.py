"""Transformer and VAE against tensors made by the original code, with the tolerances that come with them."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from models.infinity.bits import codes, multiscale_bits, resize, to_map, transformer_inputs, transformer_labels
from models.infinity.config import PUBLISHED_TRANSFORMERS, TransformerConfig, VAEConfig
from models.infinity.generation import generation
from models.infinity.rollout import Rollout
from models.infinity.rope import rope_table
from models.infinity.sampling import Sampling, bit_probabilities, draw_shared
from models.infinity.schedule import ScaleSchedule
from models.infinity.text import TextFeatures
from models.infinity.training import bit_loss, token_losses
from models.infinity.transformer import InfinityTransformer
from models.infinity.vae import InfinityVAE

PARITY = Path(__file__).parents[3] / "../shared/parity"
FIXTURES = {path.parent.name: path.parent for path in sorted(PARITY.glob("*/config.json")) if (path.parent / "vae_io.safetensors").exists()}
"""Folders of tensors that the original code has made for one model each, whatever its sizes."""
pytestmark = pytest.mark.skipif(not FIXTURES, reason="parity data of the original code is not here")
close = partial(torch.testing.assert_close, rtol=0)


class Parity:
    """One folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config: dict[str, Any] = json.loads((folder / "config.json").read_text())

    def load(self, name: str) -> dict[str, Tensor]:
        return load_file(self.folder / f"{name}.safetensors")

    def schedule(self, ratio: str = "1.0", pn: str = "1M") -> ScaleSchedule:
        grids = self.config["schedules"][ratio]
        return ScaleSchedule(tuple(map(tuple, grids["1M"]))).prefix(len(grids[pn]))

    def text(self, prefix: str = "") -> TextFeatures:
        inputs = self.load("inputs")
        return TextFeatures(inputs[f"{prefix}text_features"], tuple(inputs[f"{prefix}text_cu_seqlens"].diff().tolist()))

    def transformer(self) -> InfinityTransformer:
        model = InfinityTransformer(TransformerConfig.from_original(self.config["transformer"]))
        model.load_state_dict(self.load("transformer"))
        return model.eval()

    def vae(self) -> InfinityVAE:
        autoencoder = InfinityVAE(VAEConfig(**self.config["vae"])).eval()
        autoencoder.load_state_dict(self.load("vae"))
        return autoencoder


@pytest.fixture(scope="module", params=FIXTURES)
def parity(request: pytest.FixtureRequest) -> Parity:
    return Parity(FIXTURES[request.param])


@pytest.fixture(scope="module")
def model(parity: Parity) -> InfinityTransformer:
    return parity.transformer()


@pytest.fixture(scope="module")
def vae(parity: Parity) -> InfinityVAE:
    return parity.vae()


def test_rope(parity: Parity, model: InfinityTransformer) -> None:
    for ratio in parity.config["schedules"]:
        rotation_Lj = rope_table(parity.schedule(ratio), model.config.head_dim, torch.device("cpu"))
        close(torch.stack([rotation_Lj.real, rotation_Lj.imag]), parity.load("teacher_forced")[f"rope_cos_sin.{ratio}"],
              atol=1e-5)


@pytest.mark.parametrize("case", ["clean", "noisy"])
@torch.no_grad()
def test_teacher_forced_logits(parity: Parity, model: InfinityTransformer, case: str) -> None:
    inputs_BLD, schedule = parity.load("bsc")[f"{case}.transformer_inputs"], parity.schedule()
    want = parity.load("teacher_forced")
    close(model(parity.text(), inputs_BLD, schedule), want[f"{case}.logits"], atol=1e-4)
    if case == "clean":
        first = schedule.prefix(3)
        close(model(parity.text(), inputs_BLD[:, :first.total - 1], first), want["clean.logits_first3scales"], atol=1e-4)


@torch.no_grad()
def test_intermediates(parity: Parity, model: InfinityTransformer) -> None:
    want, seen = parity.load("intermediates"), {}
    names = {"text_norm": "text_normed", "text_proj_for_ca": "cross_attn_kv", "word_embed": "word_embedded",
             "blocks.0.sa.proj": "block0.self_attn_out", "blocks.0.ca.proj": "block0.cross_attn_out",
             "blocks.0.ffn": "block0.ffn_out"} | {f"blocks.{i}": f"block{i}.out" for i in range(model.config.depth)}
    modules = {f"blocks.{i}{part}": block.get_submodule(part[1:]) for i, block in enumerate(model.ordered_blocks)
               for part in ("", ".sa.proj", ".ca.proj", ".ffn")}
    hooks = []
    for module, name in names.items():
        def keep(_: Any, __: Any, out: Any, name: str = name) -> None:
            seen.setdefault(name, []).append(out[0] if isinstance(out, tuple) else out)
        hooks.append((modules.get(module) or model.get_submodule(module)).register_forward_hook(keep))
    hooks.append(model.text_proj_for_sos["ca"].register_forward_hook(lambda _, __, out: seen.update(cond=[out])))
    hooks.append(model.shared_ada_lin.register_forward_hook(
        lambda _, __, out: seen.update(shared_ada=[out.view(len(out), 1, 6, -1)])))
    hooks.append(model.head.register_forward_pre_hook(lambda _, args: seen.update(head_normed=[args[0]])))
    text = parity.text()
    model(text, parity.load("bsc")["clean.transformer_inputs"], parity.schedule())
    for hook in hooks:
        hook.remove()
    order = text.by_length()  # prompts run shortest first inside
    places = [order.index(row) for row in range(len(order))]
    lengths = [text.lengths[row] for row in order]
    for name, tensor in want.items():
        got = torch.cat(seen[name], dim=1) if name == "word_embedded" else seen[name][0]
        parts = got.split(lengths) if name in ("text_normed", "cross_attn_kv") else got.split(1)
        close(torch.cat([parts[place] for place in places]), tensor, atol=1e-4,
              msg=lambda text, name=name: f"{name}: {text}")


def test_loss_and_gradients(parity: Parity, model: InfinityTransformer) -> None:
    schedule, bsc, want = parity.schedule(), parity.load("bsc"), parity.load("teacher_forced")
    logits_BLD2 = model(parity.text(), bsc["noisy.transformer_inputs"], schedule)
    labels_BLD, training = bsc["noisy.labels"], parity.config["training"]
    close(token_losses(logits_BLD2, labels_BLD), want["noisy.token_loss"], atol=1e-4)
    loss = bit_loss(logits_BLD2, labels_BLD, schedule, by_scale=False)
    assert loss.item() == pytest.approx(training["loss_uniform"], abs=1e-5)
    by_scale = bit_loss(logits_BLD2, labels_BLD, schedule, by_scale=True).item()
    assert by_scale == pytest.approx(training["loss_reweighted_by_scale"], abs=1e-5)
    model.zero_grad()
    loss.backward()
    norms = {name: p.grad.norm().item() if p.grad is not None else 0.0 for name, p in model.named_parameters()}
    assert norms.keys() == training["grad_norms"].keys()
    for name, norm in training["grad_norms"].items():
        assert norms[name] == pytest.approx(norm, rel=1e-3, abs=1e-7), name
    total = sum(norm**2 for norm in norms.values()) ** 0.5
    assert total == pytest.approx(training["total_grad_norm"], rel=1e-3)
    block = model.ordered_blocks[0]
    for name, parameter in (("block0.ada_gss", block.ada_gss), ("block0.scale_mul", block.sa.scale_mul_1H11),
                            ("head.weight", model.head.weight), ("word_embed.weight", model.word_embed.weight)):
        close(parameter.grad, want[f"grad.{name}"], atol=1e-5)
    model.zero_grad()


def forced_bits(parity: Parity, case: dict[str, Any]) -> list[Tensor]:
    known, rows = parity.load("vae_io"), range(case["batch"])
    return [known[f"r{case['ratio']}.bits.{k}"][rows, 0].permute(0, 3, 1, 2).bool() for k in range(case["gt_leak"])]


CASES = [(name, case) for name, folder in FIXTURES.items() for case in Parity(folder).config.get("generation_cases", ())]


@pytest.mark.parametrize(("parity", "name"), CASES, indirect=["parity"])
@torch.no_grad()
def test_generation(parity: Parity, model: InfinityTransformer, vae: InfinityVAE, name: str) -> None:
    case, want = parity.config["generation_cases"][name], parity.load(f"gen_{name}")
    sampling = Sampling(case["cfg"], case["tau"], case["cfg_insertion_layer"], case["top_k"], case["top_p"])
    rows = list(range(case["batch"]))
    schedule = parity.schedule(case["ratio"], case["pn"])
    generator = torch.Generator().manual_seed(case["seed"])
    got = generation(Rollout(model, schedule, sampling), parity.text().select(rows),
                   partial(draw_shared, generator=generator),
                   negative=parity.text("neg_").select(rows) if case["negative"] else None,
                   forced=forced_bits(parity, case))
    for k, grid in enumerate(schedule.grids):
        assert torch.equal(got.drawn[k], want[f"bits.{k}"].bool()), k
        used_BdHW = to_map(got.bits[k].float(), grid, model.config.patch)
        assert torch.equal(used_BdHW, want[f"vae_bits.{k}"][:, 0].permute(0, 3, 1, 2).float()), k
        close(got.logits[k], want[f"logits.{k}"], atol=3e-4)
        if k:
            close(got.inputs[k], want[f"next_input.{k}"], atol=1e-5)
        if f"probs.{k}" in want:
            close(bit_probabilities(got.logits[k], sampling), want[f"probs.{k}"][..., 1], atol=1e-4)
        if f"partial_image.{k + 1}" in want:
            close(got.features[k], want[f"partial_summed_features.{k + 1}"], atol=1e-5)
            close(vae.decode(got.features[k]), want[f"partial_image.{k + 1}"], atol=1e-4)
    close(got.features[-1], want["summed_features"], atol=1e-5)
    close(vae.decode(got.features[-1]), want["image"], atol=1e-4)


@pytest.mark.parametrize("file", sorted(path.stem for path in PARITY.glob("infinity_keys/infinity_*.json")))
def test_published_keys_and_shapes(file: str) -> None:
    want = json.loads((PARITY / "infinity_keys" / f"{file}.json").read_text())
    size = file.split("_")[1]
    name = "infinity-" + {"layer12": "125m", "layer24": "1b"}.get(size, size)
    with torch.device("meta"):
        transformer = InfinityTransformer(PUBLISHED_TRANSFORMERS[name])
    got = {key: list(tensor.shape) for key, tensor in transformer.state_dict().items()}
    assert got == want["parameters"] | want["buffers"]
    assert sum(parameter.numel() for parameter in transformer.parameters()) == want["num_parameters"]


@torch.no_grad()
def test_teacher_forcing_equals_generation(parity: Parity, model: InfinityTransformer) -> None:
    schedule, patch = parity.schedule(), model.config.patch
    grids = schedule.latent_grids(patch)
    bits = multiscale_bits(parity.load("bsc")["raw_features"], grids)
    rollout = Rollout(model, schedule, Sampling(guidance=1.0))
    got = generation(rollout, parity.text(), lambda p_BnD: p_BnD > 0.5, forced=bits.labels)
    forced_BLD2 = model(parity.text(), parity.load("bsc")["clean.transformer_inputs"], schedule)
    close(torch.cat(got.logits, dim=1), forced_BLD2, atol=2e-5)
    close(got.features[-1], bits.sum_BdHW, atol=1e-5)


IMAGES = {name: sorted(Parity(folder).config["schedules"]) for name, folder in FIXTURES.items()}


@pytest.mark.parametrize(("parity", "ratio"), [(name, ratio) for name, ratios in IMAGES.items() for ratio in ratios],
                         indirect=["parity"])
@torch.no_grad()
def test_latents_bits_and_reconstructions(parity: Parity, model: InfinityTransformer, vae: InfinityVAE, ratio: str) -> None:
    want = {name.removeprefix(f"r{ratio}."): tensor for name, tensor in parity.load("vae_io").items()
            if name.startswith(f"r{ratio}.")}
    images = parity.load("inputs")
    latent_BdHW = vae.encode(images[f"image_{ratio}" if f"image_{ratio}" in images else "image"])
    close(latent_BdHW, want["latent"], atol=1e-4)
    bits = multiscale_bits(latent_BdHW, parity.schedule(ratio).latent_grids(model.config.patch))
    for k, label_BdHW in enumerate(bits.labels):
        assert torch.equal(label_BdHW, want[f"bits.{k}"][:, 0].permute(0, 3, 1, 2).bool()), k
    close(bits.sum_BdHW, want["quantized_sum"], atol=1e-5)
    close(vae.decode(bits.sum_BdHW), want["recon_from_z"], atol=1e-4)
    full = parity.schedule(ratio).latent_grids(model.config.patch)[-1]
    total_BdHW = torch.stack([resize(codes(label_BdHW), full) for label_BdHW in bits.labels]).sum(0)
    close(total_BdHW, want["sum_from_bits"], atol=1e-5)
    close(vae.decode(total_BdHW), want["recon_from_bits"], atol=1e-4)


@pytest.mark.parametrize("case", ["clean", "noisy"])
def test_bitwise_self_correction(parity: Parity, model: InfinityTransformer, case: str) -> None:
    want, patch = parity.load("bsc"), model.config.patch
    grids = parity.schedule().latent_grids(patch)
    masks = {k: want[f"{case}.flip_mask.{k}"][:, 0].permute(0, 3, 1, 2).bool() for k in range(len(grids))
             if f"{case}.flip_mask.{k}" in want}
    bits = multiscale_bits(want["raw_features"], grids, flip=lambda k, _: masks.get(k))
    close(transformer_inputs(bits, grids, patch), want[f"{case}.transformer_inputs"], atol=1e-5)
    assert torch.equal(transformer_labels(bits, patch), want[f"{case}.labels"].long())
    assert (case == "noisy") == bool(masks)
