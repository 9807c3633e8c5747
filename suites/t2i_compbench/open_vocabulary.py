"""OWLv2, which finds whatever it is asked for by name, in place of T2I-CompBench's UniDet."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torchvision.ops import batched_nms

from models.transformers_folder import from_folder, reader_from_folder
from suites.t2i_compbench.detections import Found, frame

TEMPLATE = "a photo of a {name}"
LEAST_SCORE = 0.2
"""Detections must exceed this; on OWLv2's scale, which is not UniDet's (0.5 there)."""
MOST_OVERLAP = 0.5
"""Of detections of one name that overlap more, the best is kept."""
BATCH = 8


class OpenVocabularyDetector:
    """OWLv2 in transformers' format."""

    def __init__(self, network: Any, processor: Any) -> None:
        self._network, self._processor = network, processor

    @classmethod
    def from_folder(cls, folder: Path, device: torch.device | str = "cpu") -> OpenVocabularyDetector:
        """Load a folder in transformers' format. Raises WrongInput, DamagedWeights."""
        from transformers import Owlv2ForObjectDetection, Owlv2Processor

        return cls(from_folder(Owlv2ForObjectDetection, folder).to(device), reader_from_folder(Owlv2Processor, folder))

    @torch.no_grad()
    def find(self, images: Sequence[torch.Tensor], names: Sequence[Sequence[str]]) -> list[list[Found]]:
        """Look for names[n] in picture n (uint8 [3, H, W]) -> detections, best first, boxes in the frame of the rules."""
        found: list[list[Found]] = [[] for _ in images]
        asked = [n for n, each in enumerate(names) if each]
        for start in range(0, len(asked), BATCH):
            places = asked[start : start + BATCH]
            parts = self._batch([images[n] for n in places], [list(dict.fromkeys(names[n])) for n in places])
            for place, part in zip(places, parts, strict=True):
                found[place] = part
        return found

    def _batch(self, images: Sequence[torch.Tensor], names: Sequence[list[str]]) -> list[list[Found]]:
        texts = [[TEMPLATE.format(name=name) for name in each] for each in names]
        pictures = [image.cpu() for image in images]
        inputs = self._processor(text=texts, images=pictures, return_tensors="pt", truncation=True)
        output = self._network(**inputs.to(self._network.device))
        return [
            _detections(logits, boxes, image, each)
            for logits, boxes, image, each in zip(output.logits, output.pred_boxes, images, names, strict=True)
        ]


def _detections(
    logits_PQ: torch.Tensor, boxes_P4: torch.Tensor, image_CHW: torch.Tensor, names: Sequence[str]
) -> list[Found]:
    """The patches of one picture that are sure enough of a name, without repetitions."""
    best = logits_PQ[:, : len(names)].float().sigmoid().max(dim=1)
    kept = torch.nonzero(best.values > LEAST_SCORE).flatten()
    scores, labels = best.values[kept], best.indices[kept]
    corners = _in_frame(boxes_P4[kept].float(), image_CHW.shape[1], image_CHW.shape[2])
    order = batched_nms(corners, scores, labels, MOST_OVERLAP)  # best first
    return [
        Found(names[label], score, (box[0], box[1], box[2], box[3]))
        for label, score, box in zip(
            labels[order].tolist(), scores[order].tolist(), corners[order].tolist(), strict=True
        )
    ]


def _in_frame(boxes_N4: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """From centre and size, as shares of the picture padded to a square at its right or bottom, to corners in the frame."""
    rows, columns = frame(height, width)
    centre, half = boxes_N4[:, :2], boxes_N4[:, 2:] / 2
    corners = torch.cat([centre - half, centre + half], dim=1) * max(height, width)
    limits = torch.tensor([width, height, width, height], device=corners.device)
    scale = torch.tensor([columns / width, rows / height] * 2, device=corners.device)
    return corners.clamp(min=0).minimum(limits) * scale
