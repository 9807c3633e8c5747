"""Data sheets of published models as tables: `vistas list models --prices` and docs/models.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness import markdown
from harness.model_spec import parse_model
from harness.weights.repository import gigabytes
from models.published import PublishedModel, published_models
from models.sheet import Sheet, sheet

TERA = 1e12
HEADER = (
    "model", "family", "parameters", "steps", "pixels", "TFLOP a step", "TFLOP an image, unguided", "as set", "decoder",
    "text", "settings", "licence", "gated", "download", "paper",
)  # fmt: skip
_NUMBERS, _WIDTH = 10, 124
"""Columns that a terminal is shown, and the letters that they take at least."""
_UNSAID = ("", False, "auto")
"""Values of settings that ask for nothing."""
INTRODUCTION = """# Published models

Written by `python -m harness.sheets > docs/models.md`. Prices are worked out from the published configurations
(`models/architectures.toml`, `models/infinity/config.py`) without weights: FLOPs, 2 per multiply-add, attention in full.
`vistas list models --prices --model infinity-2b:pn=0.25M` prints the same for any settings.

* *parameters*: of the network that a search passes through; decoder and text encoders come on top.
* *TFLOP a step*: one sequence; a step is a scale (Infinity), a row of image tokens (Janus) or a denoising step. Guidance doubles it,
  unless it is distilled (FLUX).
* *as set*: all steps of one image under the settings of the row, guidance included; decoder and text encoders are extra.
* *text*: one prompt through the text encoders: {tokens} tokens for Infinity, padded to the length in the settings for the others.
  Janus reads the prompt with its own network, in the first step.
* *settings*: what differs from "off" and "auto". All of them are in `models/published.toml`, and
  `vistas list models --prices` prints what each preset sets.
  A value with a comma stands in double quotes: `--model 'sdxl:negative_prompt="blurry, low quality"'` in a shell. A negative prompt
  needs guidance, without which it is refused; of FLUX that is `true_cfg_scale` above 1.
* *download*: everything that `vistas fetch` gets.

SD3.5 Medium's skip-layer guidance is a preset, `sd3.5-medium:preset=slg`, or `skip_guidance_layers=7/8/9`; its third pass in the early
steps is charged. Diffusion networks are told the time of every row: rows of different steps share a pass where a search lets prompts go
on at their own pace (`rbf`); in all other searches rows are at one step.

PixArt and SANA have `resolution_binning`, as their pipelines do: an image of another height and width than those of the table that the
model was trained for is made at the table's size of the nearest aspect ratio, then resized and cropped. Its costs are those of the size
that is made: 512×512 of a 1024 px model costs what 1024×1024 does. `resolution_binning=false` makes the asked size itself.

`attention=flash`, `cudnn`, `efficient` or `math` lets the transformer try that kernel of torch's first ("auto" is torch's own order,
which differs by card and version), and `compile=true` fuses what lies between the matrix products: other rounding, the same images
otherwise.
Infinity and diffusion models have both; what they are worth: [speed.md](speed.md).

How to get them: `vistas fetch NAME`, or `--weights NAME=FOLDER` with a copy of the repository. Of a model with several repositories
(Infinity and its text encoder) what the folder does not hold is taken from the hub's cache, or from a folder of its own with
`--weights NAME.role=FOLDER`. Gated ones ask for their terms to be accepted on the hub first; the command says where.
What fits on a machine: `vistas doctor`. How to add one:
[add-a-model.md](add-a-model.md).

Forms in which weights lie on a disk:

* Read are the hub's cache (where `HF_HOME` or `HF_HUB_CACHE` says; `HF_HUB_OFFLINE=1` changes nothing), folders of `hf download
  --local-dir` and of git with its large files, weights whole or in shards with their index. Folders need not be writable; `~`, relative
  paths and spaces are fine. A `.bin` beside safetensors is not looked at.
* The diffusion models' weights are taken without a variant, of SDXL and SANA those of the variants `fp16` and `bf16`. A folder with
  others is refused; for SDXL diffusers makes one:
  `StableDiffusionXLPipeline.from_pretrained(FOLDER, dtype=torch.float16).save_pretrained(OTHER, variant="fp16")`.
* One file for other programs, such as `flux1-dev.safetensors` or `sd_xl_base_1.0.safetensors`, is not read: it holds neither
  configuration nor tokenizers.
* Of Infinity give the folder with the transformer and the VAE, or each of them, under their published names:
  `--weights infinity-2b.weights=FILE --weights infinity-2b.vae=FILE`.

What is checked:

* `fetch` compares every file with the size and the hash that the hub publishes for it (SHA-256 of large files, git's of small ones), or
  the SHA-256 of the entry where that has one. A file that differs, as it came or in the cache, is fetched once more; if it differs
  again, it is named and not kept.
* Before anything is loaded: that no file is missing, that none is cut short (by its own header; in the cache also by the size of a
  repository's only file where the entry knows it to the byte, from which a folder given by `--weights` is exempt: it may hold other
  weights of the same kind), that names and shapes of weights are those of the configuration, and the entry's SHA-256 for folders given
  by `--weights`. Of diffusion models also that every part is of the class and size that was published, that an index of shards names
  what these hold, and that tokenizers and scheduler are those of the networks.
  A tokenizer without its vocabulary, which transformers would make without a word, is refused. Pickles are read by Infinity alone, and
  only tensors.
* `vistas fetch NAME --check` reads what is here again and compares it with the same hashes, without a network.
* Entries are pinned to a commit where two independent public sources name it: all but Infinity and Janus-Pro 7B, which are at the
  branch "main". None has been fetched here; hashes of files are the hub's. A run's manifest holds the hash of the weights it used.
* Weights of another commit in the cache are named, with the option that takes them, and are not used unasked."""


def rows(texts: Sequence[str] = ()) -> list[tuple[str, ...]]:
    """One row per model named, of all published ones without names. Raises WrongInput as `parse_model` does."""
    return [row(*_chosen(text)) for text in texts or published_models()]


def _chosen(text: str) -> tuple[str, PublishedModel, dict[str, Any]]:
    spec = parse_model(text)
    model: PublishedModel = spec.published()
    return spec.text, model, model.merged(spec.overrides)


def row(text: str, model: PublishedModel, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """The cells of one model under `HEADER`."""
    found = sheet(model, settings)
    return (
        text, model.family, amount(found.parameters), str(found.steps), "×".join(map(str, found.image_size)),
        _steps(found), _tera(found.unguided_flops), _tera(found.guided_flops), _tera(found.decoder_flops),
        _tera(found.text_flops), _said(settings),
        model.licence, "yes" if model.gated else "no", _download(model),
        f"arXiv {model.paper}" if model.paper else "none",
    )  # fmt: skip


def _said(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in settings.items() if value not in _UNSAID)


def amount(count: int) -> str:
    """A number of parameters for people."""
    return f"{count / 1e9:.2f} B" if count >= 1e9 else f"{count / 1e6:.0f} M"


def _download(model: PublishedModel) -> str:
    about = any(one.approximate for one in model.repositories.values())
    return f"{'about ' if about else ''}{gigabytes(model.bytes)}"


def _steps(found: Sheet) -> str:
    low, high = min(found.step_flops), max(found.step_flops)
    return _tera(low) if low == high else f"{_tera(low)} to {_tera(high)}"


def _tera(flops: int) -> str:
    value = flops / TERA
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.01 else f"{value:.3f}"


def document() -> str:
    """The content of docs/models.md."""
    return f"{INTRODUCTION.format(tokens=32)}\n\n{markdown.table(HEADER, rows())}"


def show(texts: Sequence[str]) -> None:
    """Print the table, and beneath it each model's settings and presets; licences and downloads are in `vistas list models`."""
    from rich.console import Console
    from rich.table import Table

    table, chosen = Table(*HEADER[:_NUMBERS]), [_chosen(text) for text in texts or published_models()]
    table.columns[0].overflow, table.columns[0].min_width = "fold", max(map(len, published_models()))
    for one in chosen:
        name, *numbers = row(*one)[:_NUMBERS]
        table.add_row(name.replace(",", ", "), *numbers)  # a long name is broken between its settings
    console = Console()
    Console(width=max(console.width, _WIDTH)).print(table)
    for text, _, settings in chosen:
        console.print(f"{text}: {_said(settings)}", highlight=False, markup=False, soft_wrap=True)
    for model in {model.name: model for _, model, _ in chosen}.values():
        for name, group in model.presets.items():
            console.print(f"{model.name}:preset={name}: {_said(group)}", highlight=False, markup=False, soft_wrap=True)


if __name__ == "__main__":
    print(document())
