"""What is measured with random weights has the sizes that are published, and is what the published judges are but for these."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from harness.compute.flops import count_flops
from harness.registry import entry
from verifiers import measure_judges
from verifiers.measure import JUDGES, measure
from verifiers.measure_judges import NEW_TOKENS, TEXT_TOKENS, Sizes, llava, qwen
from verifiers.vlm_judge import Rubric, VlmScorer, YesNo

PUBLISHED = {"qwen": 8_292_166_656, "llava": 8_030_348_832}
"""Parameters, as the files on the hub hold them."""
TEXT = dict(
    hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=2048, vocab_size=64,
)  # fmt: skip
TINY: dict[Callable[..., VlmScorer], Sizes] = {
    qwen: Sizes(
        TEXT | {"rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1_000_000.0}},
        dict(depth=2, hidden_size=32, intermediate_size=48, num_heads=2, out_hidden_size=32, fullatt_block_indexes=[1]), 56,
    ),
    llava: Sizes(
        TEXT, dict(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=14), 28
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_judges_have_their_published_sizes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def count(network: Any, config: Any) -> int:
        with torch.device("meta"):
            return sum(parameter.numel() for parameter in network(config).parameters())

    monkeypatch.setattr(measure_judges, "_network", count)
    monkeypatch.setattr(measure_judges, "_judge", lambda name, mode, model, processor, image_side: model)
    assert getattr(measure_judges, name)() == PUBLISHED[name]


@pytest.mark.parametrize("build", TINY)
def test_the_judges_read_a_picture_and_a_prompt(build: Callable[..., VlmScorer]) -> None:
    judge = build(sizes=TINY[build])
    network = judge._network
    weights = [parameter.flatten()[:16].float() for parameter in network.model.parameters()]
    assert all(torch.equal(weight, weights[0][: len(weight)]) for weight in weights)
    assert 0.001 < weights[0].std() < 0.1
    assert len({network.token(word) for word in ("Yes", "yes", "No", "no")}) == 4
    assert judge.truncated(["a " * TEXT_TOKENS, "a " * (TEXT_TOKENS + 1)]) == (False, True)
    picture = torch.randint(0, 256, (3, 40, 60), dtype=torch.uint8)
    assert measure(judge, 1)["gflop_image"] > 0
    score = judge.score([picture], ["a red dog"])
    assert 0 < score.values_NM[0, 0] < 1
    assert count_flops(lambda: judge.score([picture], ["a red dog"])) == judge.price(1, 1).verifier_flops
    ids = network.inputs([picture], ["red"], "{}", 300).input_ids[0].tolist()
    assert ids.count(network.tokenizer.eos_token_id) == 1  # of the question's turn
    assert ids.count(network.model.config.image_token_id) == {qwen: 4, llava: 4 + 4 + 2}[build]


@pytest.mark.parametrize("build", TINY)
def test_a_rubric_writes_its_longest_answer(build: Callable[..., VlmScorer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure_judges, "NEW_TOKENS", 3)
    judge = build("rubric", TINY[build])
    assert isinstance(judge, Rubric)
    picture = torch.randint(0, 256, (3, 40, 60), dtype=torch.uint8)
    assert count_flops(lambda: judge.score([picture], ["a red dog"])) == judge.price(1, 1).verifier_flops
    score = judge.score([picture], ["a red dog"])
    assert math.isnan(score.values_NM[0, 0])
    assert "answer" in score.reasons[0]
    assert judge.price(1).verifier_flops > build(sizes=TINY[build]).price(1).verifier_flops


@pytest.mark.parametrize("name", JUDGES)
def test_the_judges_are_set_as_their_entries_are(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure_judges, "_network", lambda network, config: torch.nn.Identity())
    judge: Any = JUDGES[name]()
    settings = entry("verifier", name.partition(":")[0]).row.settings
    assert isinstance(judge, Rubric if "rubric" in name else YesNo)
    assert judge._network.image_side == settings["image_side"]
    assert (judge._network.text_tokens, NEW_TOKENS) == (settings["text_tokens"], settings["new_tokens"])
