"""What is measured with random weights has the sizes that are published."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from verifiers import measure_judges

PUBLISHED = {"qwen": 8_292_166_656, "llava": 8_030_348_832}
"""Parameters, as the files on the hub hold them."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_judges_have_their_published_sizes(name: str, monkeypatch) -> None:
    def count(name: str, network: Any, config: Any, processor: Any, image_side: int) -> int:
        with torch.device("meta"):
            return sum(parameter.numel() for parameter in network(config).parameters())

    monkeypatch.setattr(measure_judges, "_judge", count)
    assert getattr(measure_judges, name)() == PUBLISHED[name]
