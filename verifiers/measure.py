"""Measures published verifiers at full size with random weights: `python -m verifiers.measure [NAME…]`; needs no files.

Scores mean nothing here; FLOPs and, on this machine, seconds are those of the real weights.
"""

import argparse
from collections.abc import Callable, Mapping
from functools import partial
from time import perf_counter, process_time
from typing import Any

import open_clip
import torch
from open_clip.transform import PreprocessCfg
from transformers import CLIPConfig, CLIPModel

from verifiers.clip import ClipScore
from verifiers.clip_backbone import ClipBackbone
from verifiers.clip_transformers import PilPreprocess, TransformersClip
from verifiers.image_reward import ImageReward
from verifiers.image_reward_network import RewardConfig, RewardNetwork
from verifiers.measure_judges import llava, qwen
from verifiers.preprocess import LongestSide, Preprocess, Preprocessing
from verifiers.scorer import Scorer

PROMPT = "a photo of a red dog and two cups on a table"
SIDE = 1024
"""Pixels of the pictures that are scored: resizing is part of the time."""


class _Words:
    """Stands in for a tokenizer from the hub: any tokens cost the same."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __call__(self, prompts: Any, **_: Any) -> Any:
        from transformers import BatchEncoding

        tokens_BT = torch.full((len(prompts), self.length), 7)
        return BatchEncoding({"input_ids": tokens_BT, "attention_mask": torch.ones_like(tokens_BT)})


def _open_clip(architecture: str, preprocess: Callable[[PreprocessCfg], Preprocessing] = Preprocess) -> ClipScore:
    model = open_clip.create_model(architecture)
    tokenizer = open_clip.get_tokenizer(architecture)
    return ClipScore(ClipBackbone(model, preprocess(PreprocessCfg()), tokenizer, ""), architecture, "")


def _image_reward() -> ImageReward:
    return ImageReward(RewardNetwork(RewardConfig()), _Words(RewardConfig().text_length), "", "image-reward", "")


def _pick_score() -> ClipScore:
    """The sizes of CLIP ViT-H/14 in transformers' words."""
    text = dict(hidden_size=1024, intermediate_size=4096, num_attention_heads=16, num_hidden_layers=24, projection_dim=1024)
    vision = dict(hidden_size=1280, intermediate_size=5120, num_attention_heads=16, num_hidden_layers=32, patch_size=14,
                  projection_dim=1024)  # fmt: skip
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=1024))
    return ClipScore(TransformersClip(model, PilPreprocess(224), _Words(77), ""), "pick-score", "", scaled=True)


BUILDERS: Mapping[str, Callable[[], Scorer]] = {
    "clip-score": lambda: _open_clip("ViT-L-14-quickgelu"),  # aesthetic has the same picture pass
    "clip-score-b32": lambda: _open_clip("ViT-B-32-quickgelu"),
    "image-reward": _image_reward,
    "pick-score": _pick_score,
    "hps-v2.1": lambda: _open_clip("ViT-H-14", LongestSide),
}
JUDGES: Mapping[str, Callable[[], Scorer]] = {
    "vlm-judge": llava,
    "vlm-judge:mode=rubric": partial(llava, "rubric"),
    "vlm-judge-qwen": qwen,  # vqa-score has the same pass
    "vlm-judge-qwen:mode=rubric": partial(qwen, "rubric"),
}
"""15 GB of memory each; asked for by name only."""


def measure(verifier: Scorer, images: int) -> dict[str, float]:
    """FLOPs of a picture and of a new prompt; seconds, and seconds of the processor, of a picture, after a warm-up."""
    pictures = [torch.randint(0, 256, (3, SIDE, SIDE), dtype=torch.uint8) for _ in range(images)]
    verifier.score(pictures[:1], [PROMPT])
    begin, worked = perf_counter(), process_time()
    verifier.score(pictures, [PROMPT] * images)
    seconds, processor = (perf_counter() - begin) / images, (process_time() - worked) / images
    image, prompt = verifier.price(1).verifier_flops, verifier.price(0, 1).verifier_flops
    return {"gflop_image": image / 1e9, "gflop_prompt": prompt / 1e9, "seconds_image": seconds,
            "processor_image": processor}  # fmt: skip


def main() -> None:
    """Print one line a verifier."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BUILDERS)} (all these without one), {', '.join(JUDGES)}")
    parser.add_argument("--images", type=int, default=4)
    asked = parser.parse_args()
    wrong = [name for name in asked.names if name not in {**BUILDERS, **JUDGES}]
    if wrong:
        parser.error(f"{wrong[0]!r} cannot be measured without its files; give {', '.join((*BUILDERS, *JUDGES))}")
    print(f"{torch.get_num_threads()} threads, float32 (judges bfloat16), {asked.images} pictures of {SIDE} pixels")
    for name in asked.names or BUILDERS:
        with torch.inference_mode():
            found = measure({**BUILDERS, **JUDGES}[name](), asked.images)
        print(f"{name:26} {found['gflop_image']:8.1f} GFLOP an image, {found['gflop_prompt']:6.1f} a new prompt, "
              f"{found['seconds_image']:6.2f} s an image ({found['processor_image']:.2f} s of the processor)", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
