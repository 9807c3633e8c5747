"""CLIPScore against torchmetrics' own, on the same tiny random weights."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import CLIPModel, CLIPProcessor, CLIPTokenizer
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from verifiers.clip import CONVENTIONS, ClipScore
from verifiers.clip_transformers import TransformersClip

multimodal = pytest.importorskip("torchmetrics.functional.multimodal", reason="torchmetrics is not installed: pip install torchmetrics")
# Longer prompts than the model reads differ: torchmetrics cuts the end token off as well, which CLIP reads the text from.
PROMPTS = ["a red circle", "two stars", "a moon", "an arrow", "a ring"]
SIDES = [(32, 32), (50, 40), (64, 64), (128, 96), (20, 20)]


class _Tensors:
    """The model with features as tensors: torchmetrics 1.9 expects what transformers gave before version 5."""

    def __init__(self, model: Any) -> None:
        self._model, self.config = model, model.config

    def to(self, device: Any) -> "_Tensors":
        return self

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._model, name)
        if name not in ("get_image_features", "get_text_features"):
            return found

        def features(*values: Any, **named: Any) -> torch.Tensor:
            output = found(*values, **named)
            return output if isinstance(output, torch.Tensor) else output.pooler_output

        return torch.no_grad()(features)


def test_equals_torchmetrics_under_its_convention(published: dict[str, Path]) -> None:
    folder, tokenizer = published["pick-score"], CLIPTokenizer.from_pretrained(published["pick-score.tokenizer"])
    ours = ClipScore(TransformersClip.from_folders(folder, published["pick-score.tokenizer"]), "clip-score", "")
    process = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    theirs = (_Tensors(CLIPModel.from_pretrained(folder).eval()), CLIPProcessor(process, tokenizer))
    generator = torch.Generator().manual_seed(2)
    images = [torch.randint(0, 256, (3, *side), dtype=torch.uint8, generator=generator) for side in SIDES]
    printed = CONVENTIONS["torchmetrics"](ours.score(images, PROMPTS).values_NM[:, 0])
    expected = [
        float(multimodal.clip_score(image, prompt, model_name_or_path=lambda: theirs))
        for image, prompt in zip(images, PROMPTS, strict=True)
    ]
    assert printed == pytest.approx(expected, abs=1e-3)
    assert max(expected) - min(expected) > 1
