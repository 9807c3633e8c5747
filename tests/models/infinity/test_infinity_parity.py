"""The transformer against tensors made by the original code, with the tolerances its README gives."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from models.infinity.bits import multiscale_bits, sum_of_codes, to_map
from models.infinity.config import PUBLISHED_TRANSFORMERS, TransformerConfig, VAEConfig
from models.infinity.generate import generate
from models.infinity.rollout import Rollout
from models.infinity.rope import rope_table
from models.infinity.sampling import Sampling, bit_probabilities, draw_shared
from models.infinity.schedule import ScaleSchedule
from models.infinity.text import TextFeatures
from models.infinity.training import bit_loss, token_losses
from models.infinity.transformer import InfinityTransformer
from models.infinity.vae import InfinityVAE

PARITY = Path(__file__).parents[3] / "../shared/parity"
A = PARITY / "infinity_a"
pytestmark = pytest.mark.skipif(not A.exists(), reason="parity data of the original code is not here")
CONFIG: dict[str, Any] = json.loads((A / "config.json").read_text()) if A.exists() else {"generation_cases": {}}
close = partial(torch.testing.assert_close, rtol=0)


def load(name: str) -> dict[str, Tensor]:
    return load_file(A / f"{name}.safetensors")


def schedule_of(ratio: str, pn: str = "1M") -> ScaleSchedule:
    grids = CONFIG["schedules"][ratio]
    return ScaleSchedule(tuple(map(tuple, grids["1M"]))).prefix(len(grids[pn]))


def text_of(prefix: str = "") -> TextFeatures:
    inputs = load("inputs")
    return TextFeatures.from_offsets(inputs[f"{prefix}text_features"], inputs[f"{prefix}text_cu_seqlens"])


@pytest.fixture(scope="module")
def model() -> InfinityTransformer:
    sizes = CONFIG["transformer"]
    config = TransformerConfig(depth=sizes["depth"], embed_dim=sizes["embed_dim"], num_heads=sizes["num_heads"],
                               codebook_dim=sizes["codebook_dim_vae"], text_channels=sizes["text_channels"],
                               text_maxlen=sizes["text_maxlen"], block_chunks=sizes["block_chunks"],
                               patchify=bool(sizes["apply_spatial_patchify"]))
    assert (config.ffn_hidden, config.pool_heads) == (sizes["ffn_hidden"], sizes["pool_heads"])
    transformer = InfinityTransformer(config)
    transformer.load_state_dict(load("transformer"))
    return transformer.eval()


@pytest.fixture(scope="module")
def vae() -> InfinityVAE:
    autoencoder = InfinityVAE(VAEConfig(**CONFIG["vae"])).eval()
    autoencoder.load_state_dict(load("vae"))
    return autoencoder


@pytest.mark.parametrize("ratio", ["1.0", "1.5"])
def test_rope(model: InfinityTransformer, ratio: str) -> None:
    rotation_Lj = rope_table(schedule_of(ratio), model.config.head_dim, torch.device("cpu"))
    close(torch.stack([rotation_Lj.real, rotation_Lj.imag]), load("teacher_forced")[f"rope_cos_sin.{ratio}"],
          atol=1e-5)


@pytest.mark.parametrize("case", ["clean", "noisy"])
@torch.no_grad()
def test_teacher_forced_logits(model: InfinityTransformer, case: str) -> None:
    inputs_BLD, schedule = load("bsc")[f"{case}.transformer_inputs"], schedule_of("1.0")
    want = load("teacher_forced")
    close(model(text_of(), inputs_BLD, schedule), want[f"{case}.logits"], atol=1e-4)
    if case == "clean":
        first = schedule.prefix(3)
        close(model(text_of(), inputs_BLD[:, :first.total - 1], first), want["clean.logits_first3scales"], atol=1e-4)


@torch.no_grad()
def test_intermediates(model: InfinityTransformer) -> None:
    want, seen = load("intermediates"), {}
    names = {"text_norm": "text_normed", "text_proj_for_ca": "cross_attn_kv", "word_embed": "word_embedded",
             "blocks.0.sa": "block0.self_attn_out", "blocks.0.ca": "block0.cross_attn_out",
             "blocks.0.ffn": "block0.ffn_out"} | {f"blocks.{i}": f"block{i}.out" for i in range(4)}
    modules = {f"blocks.{i}{part}": block.get_submodule(part[1:]) for i, block in enumerate(model.ordered_blocks)
               for part in ("", ".sa", ".ca", ".ffn")}
    hooks = []
    for module, name in names.items():
        def keep(_: Any, __: Any, out: Any, name: str = name) -> None:
            seen.setdefault(name, []).append(out[0] if isinstance(out, tuple) else out)
        hooks.append((modules.get(module) or model.get_submodule(module)).register_forward_hook(keep))
    hooks.append(model.text_proj_for_sos["ca"].register_forward_hook(lambda _, __, out: seen.update(cond=[out])))
    hooks.append(model.shared_ada_lin.register_forward_hook(
        lambda _, __, out: seen.update(shared_ada=[out.view(2, 1, 6, -1)])))
    hooks.append(model.head.register_forward_pre_hook(lambda _, args: seen.update(head_normed=[args[0]])))
    text = text_of()
    swapped = text.by_length() == [1, 0]
    model(text, load("bsc")["clean.transformer_inputs"], schedule_of("1.0"))
    for hook in hooks:
        hook.remove()
    assert swapped  # the prompts have 7 and 4 tokens and run shortest first inside
    for name, tensor in want.items():
        got = torch.cat(seen[name], dim=1) if name == "word_embedded" else seen[name][0]
        got = torch.cat([got[4:], got[:4]]) if name in ("text_normed", "cross_attn_kv") else got.flip(0)
        close(got, tensor, atol=1e-4, msg=lambda text, name=name: f"{name}: {text}")


def test_loss_and_gradients(model: InfinityTransformer) -> None:
    schedule, bsc, want = schedule_of("1.0"), load("bsc"), load("teacher_forced")
    logits_BLD2 = model(text_of(), bsc["noisy.transformer_inputs"], schedule)
    labels_BLD, training = bsc["noisy.labels"], CONFIG["training"]
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


def forced_bits(case: dict[str, Any]) -> list[Tensor]:
    known = load("vae_io")
    return [known[f"r{case['ratio']}.bits.{k}"][:, 0].permute(0, 3, 1, 2).bool() for k in range(case["gt_leak"])]


def per_scale(value: float | list[float]) -> float | tuple[float, ...]:
    return tuple(value) if isinstance(value, list) else value


@pytest.mark.parametrize("name", CONFIG["generation_cases"])
@torch.no_grad()
def test_generation(model: InfinityTransformer, vae: InfinityVAE, name: str) -> None:
    case, want = CONFIG["generation_cases"][name], load(f"gen_{name}")
    sampling = Sampling(per_scale(case["cfg"]), per_scale(case["tau"]), tuple(case["cfg_insertion_layer"]),
                        case["top_k"], case["top_p"])
    rows = list(range(case["batch"]))
    schedule = schedule_of(case["ratio"], case["pn"])
    generator = torch.Generator().manual_seed(case["seed"])
    got = generate(Rollout(model, schedule, sampling), text_of().select(rows),
                   partial(draw_shared, generator=generator),
                   negative=text_of("neg_").select(rows) if case["negative"] else None, forced=forced_bits(case))
    for k, grid in enumerate(schedule.grids):
        if k >= case["gt_leak"]:
            assert torch.equal(got.bits[k], want[f"bits.{k}"].bool()), k
        used_BdHW = to_map(got.bits[k].float(), grid)
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


@pytest.mark.parametrize(("file", "name"), [("infinity_2b_d32", "infinity-2b"), ("infinity_8b_d56", "infinity-8b"),
                                            ("infinity_layer12_d16", "infinity-125m")])
def test_published_keys_and_shapes(file: str, name: str) -> None:
    want = json.loads((PARITY / "infinity_keys" / f"{file}.json").read_text())
    with torch.device("meta"):
        transformer = InfinityTransformer(PUBLISHED_TRANSFORMERS[name])
    got = {key: list(tensor.shape) for key, tensor in transformer.state_dict().items()}
    assert got == want["parameters"] | want["buffers"]
    assert sum(parameter.numel() for parameter in transformer.parameters()) == want["num_parameters"]


@torch.no_grad()
def test_teacher_forcing_equals_generation(model: InfinityTransformer) -> None:
    schedule = schedule_of("1.0")
    latent_BdHW = load("bsc")["raw_features"]
    labels = multiscale_bits(latent_BdHW, schedule.grids).labels
    rollout = Rollout(model, schedule, Sampling(guidance=1.0))
    got = generate(rollout, text_of(), lambda p_BnD: p_BnD > 0.5, forced=labels)
    forced_BLD2 = model(text_of(), load("bsc")["clean.transformer_inputs"], schedule)
    close(torch.cat(got.logits, dim=1), forced_BLD2, atol=2e-5)
    close(got.features[-1], sum_of_codes(labels, schedule.grids[-1]), atol=1e-5)
